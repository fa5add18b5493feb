/**
 * A pod whose requests are judged by HTTP rules at its device, and a client. What judges is loaded, pinned and attached by
 * bpftool and tc: once the rules are written, no process has a part in it.
 */
import { POLICY_RECORD_COUNT, POLICY_RECORD_KEY } from '../../../bpf/dataplane/policy.gen.ts';
import { type BpfObject, openObject } from '../../../collector/native/addon.ts';
import type { RefusalAnswer } from '../../../collector/src/config_dataplane.ts';
import { compile } from '../../../collector/src/control/policy/compile.ts';
import type { Pod } from '../../../collector/src/control/policy/endpoints.ts';
import type { HttpRule } from '../../../collector/src/control/policy/http/rules.ts';
import { PolicyMaps } from '../../../collector/src/control/policy/kernel.ts';
import type { Mode } from '../../../collector/src/control/policy/model.ts';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { address, model } from '../../collector/policy/support/world.ts';
import { OBJECT, PinnedDataplane } from '../dataplane/pinned.ts';

const NODE = 'node-1';
/** Of cgroups directly below the root. */
const LEVEL = 1;

export interface HttpRecord {
  readonly verdict: string;
  readonly judged: number;
  readonly unjudged: number;
  readonly rule: number;
  readonly count: number;
  /** Begin of the first head that was counted so. */
  readonly head: string;
}

const VERDICTS = ['NO_POLICY', 'ALLOWED', 'DENIED', 'AUDITED'];
const RECORD = POLICY_RECORD_COUNT;
const KEY = POLICY_RECORD_KEY;

function recordOf(key: Buffer, value: Buffer): HttpRecord {
  return {
    verdict: VERDICTS[key.readUInt8(KEY.policy_verdict)] ?? '',
    judged: key.readUInt8(KEY.http_judged),
    unjudged: key.readUInt8(KEY.http_unjudged),
    rule: key.readUInt8(KEY.http_rule),
    count: Number(value.readBigUInt64LE(RECORD.count)),
    head: value.toString('latin1', RECORD.head, RECORD.head + value.readUInt16LE(RECORD.head_length)),
  };
}

/** The client `x/a` and the server `y/b`. */
export class HttpScene {
  readonly client: Namespace = createNamespace();
  readonly server: Namespace = createNamespace();
  readonly cgroup: Cgroup = createCgroup();
  readonly host: { readonly ipv4: string; readonly ipv6: string };
  readonly from: { readonly ipv4: string; readonly ipv6: string };
  readonly dataplane: PinnedDataplane = new PinnedDataplane();
  readonly device: string;
  readonly #pods: readonly Pod[];

  readonly #ports: readonly number[];

  /** @param ports where rules apply */
  constructor(ports: readonly number[]) {
    this.#ports = ports;
    const { a, b } = connect(this.client, this.server);
    [this.from, this.host] = [a, b];
    this.device = (
      JSON.parse(this.server.run('ip', '-j', 'link', 'show', 'type', 'veth')) as { ifname: string }[]
    )[0]!.ifname;
    this.server.run('tc', 'qdisc', 'add', 'dev', this.device, 'clsact');
    for (const [direction, program] of [
      ['ingress', 'policy_http_ingress'],
      ['egress', 'http_response_egress'],
    ] as const) {
      const filter = [direction, 'bpf', 'direct-action', 'object-pinned', this.dataplane.program(program)];
      this.server.run('tc', 'filter', 'add', 'dev', this.device, ...filter);
    }
    this.dataplane.attachCgroup('policy_established', 'sock_ops', this.cgroup);
    this.dataplane.attachCgroup('policy_http_payload', 'cgroup_inet_ingress', this.cgroup);
    const pod = (name: string, ends: { ipv4: string; ipv6: string }): Pod => {
      const [namespace = '', letter = ''] = name.split('/');
      return {
        ...{ uid: name, namespace, labels: new Map([['pod', letter]]), serviceAccount: 'default', node: NODE },
        ...{ namespaceLabels: new Map([['ns', namespace]]), ports: [], hostNetwork: false },
        addresses: [address(ends.ipv4), address(ends.ipv6)],
      };
    };
    this.#pods = [pod('x/a', a), pod('y/b', b)];
  }

  /** Reads and writes the pinned maps as long as `use` runs, as a collector does that comes and goes. */
  #withMaps<T>(use: (object: BpfObject) => T): T {
    const object = openObject(OBJECT);
    try {
      for (const { name } of object.programs()) object.setAutoload(name, false);
      for (const map of this.dataplane.mapNames())
        if (/^(policy_|http_)/.test(map)) object.reuseMap(map, this.dataplane.map(map));
      object.load();
      return use(object);
    } finally {
      object.close();
    }
  }

  /** These rules apply to the server's ports from now on; undefined: all requests are allowed. */
  apply(rules: readonly HttpRule[] | undefined, mode: Mode = 'enforce', refusal: RefusalAnswer = 'forbidden'): void {
    const http = rules === undefined ? '' : `, rules: {http: ${JSON.stringify(rules)}}`;
    const ports = this.#ports.map((port) => `{port: "${port}", protocol: TCP}`).join(', ');
    const policy = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: y}\nspec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [${ports}]${http}}]}]}`;
    const { tables, condition } = compile(model(policy, mode), { node: NODE, nodes: [], pods: this.#pods });
    if (tables === undefined) throw new Error(condition?.message);
    this.#withMaps((object) => {
      const maps = new PolicyMaps(object, refusal);
      maps.free();
      maps.write(tables, (uid) => (uid === 'y/b' ? [{ id: this.cgroup.id, level: LEVEL }] : []));
    });
  }

  /** Verdicts on requests that were counted, and counts anew. */
  takeRecords(): HttpRecord[] {
    return this.#withMaps((object) => {
      const map = object.map('policy_records');
      const { keys, values, count } = map.entries();
      map.deleteBatch(keys);
      return Array.from({ length: count }, (_, index) =>
        recordOf(keys.subarray(index * KEY.size), values.subarray(index * RECORD.size, (index + 1) * RECORD.size)),
      ).filter(({ judged }) => judged !== 0);
    });
  }

  end(): void {
    for (const each of [this.client, this.server, this.cgroup]) each.remove();
    this.dataplane.close();
  }
}
