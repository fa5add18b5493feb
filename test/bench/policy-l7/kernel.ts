/** The rule in the kernel, at the service's device, as the collector puts it there; no collector runs. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type BpfObject, type Link, openObject } from '../../../collector/native/addon.ts';
import { compile } from '../../../collector/src/control/policy/compile.ts';
import type { Pod } from '../../../collector/src/control/policy/endpoints.ts';
import { PolicyMaps } from '../../../collector/src/control/policy/kernel.ts';
import { address, model } from '../../collector/policy/support/world.ts';
import type { Service } from '../kit/service.ts';
import { asCiliumPolicy } from './rule.ts';

const NODE = 'node-1';
/** The service's cgroup is in one that is below the root. */
const LEVEL = 2;
const ON_CGROUP = ['policy_egress', 'policy_ingress', 'policy_established', 'policy_http_payload'];

/** What bpftool says of a map. */
interface MapShown {
  readonly id: number;
  readonly name?: string;
  readonly bytes_memlock: number;
}

/** Id of the map that a descriptor of this process is of. */
function heldMap(file: string): number {
  try {
    return Number(/^map_id:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'))?.[1]);
  } catch {
    // the descriptor that listed them is closed
    return Number.NaN;
  }
}

const POLICY_MAPS = /^(policy_|http_|refuse)/;

export class KernelPolicy {
  readonly #object: BpfObject = openObject('build/bpf/dataplane.bpf.o');
  readonly #service: Service;
  #links: Link[] = [];

  /** Loads it; it is in force from `on` on. */
  constructor(service: Service, port: number) {
    this.#service = service;
    this.#object.load();
    const pod: Pod = {
      ...{ uid: 'service', namespace: 'y', labels: new Map(), serviceAccount: 'default', node: NODE, ports: [] },
      ...{ namespaceLabels: new Map(), hostNetwork: false, addresses: [address(service.address)] },
    };
    const { tables, condition } = compile(model(asCiliumPolicy(port), 'enforce'), {
      node: NODE,
      nodes: [],
      pods: [pod],
    });
    if (tables === undefined) throw new Error(condition?.message);
    new PolicyMaps(this.#object).write(tables, () => [{ id: service.server.cgroup.id, level: LEVEL }]);
  }

  /** For connections that begin from now on. */
  on(): void {
    const { namespace } = this.#service.server;
    const [device] = JSON.parse(namespace.run('ip', '-j', 'link', 'show', 'type', 'veth')) as [{ ifindex: number }];
    const path = `/run/netns/${namespace.name}`;
    this.#links = [
      ...ON_CGROUP.map((program) => this.#object.attachCgroup(program, this.#service.watched.path)),
      this.#object.attachDevice('policy_http_ingress', device.ifindex, 'ingress', path),
      this.#object.attachDevice('http_response_egress', device.ifindex, 'egress', path),
    ];
  }

  off(): void {
    for (const link of this.#links.splice(0)) link.close();
  }

  /** Memory of the policies' maps as the kernel counts it; what grows with entries and sockets is counted as it is now. */
  mapBytes(): number {
    const held = readdirSync('/proc/self/fdinfo').map((file) => heldMap(file));
    const shown = JSON.parse(execFileSync('bpftool', ['-j', 'map', 'show'], { encoding: 'utf8' })) as MapShown[];
    return shown
      .filter(({ id, name = '' }) => POLICY_MAPS.test(name) && held.includes(id))
      .reduce((sum, { bytes_memlock }) => sum + Number(bytes_memlock), 0);
  }

  close(): void {
    this.off();
    this.#object.close();
  }
}
