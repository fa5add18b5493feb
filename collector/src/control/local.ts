/** Identity without an orchestrator: systemd units, containers, user sessions, processes, and named outside ranges. */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { type CgroupOwner, ownerOfCgroup, type Runtime } from './cgroup_path.ts';
import { type ContainerFacts, containerFacts } from './container_names.ts';
import { type EndpointKind, endpointId, type Identity, type IdentitySource, type ProcessFacts } from './identity.ts';
import { type OutsideRange, OutsideRanges } from './outside.ts';

export interface LocalIdentityOptions {
  /** /etc/machine-id, or what stands for it. */
  readonly machineId: string;
  /** Name of this node. */
  readonly node: string;
  readonly outside: readonly OutsideRange[];
  /** Directory that stands for `/` where runtimes keep their state and users are listed; tests bring their own. */
  readonly root?: string;
}

const NOBODY = { namespace: '', containerId: '', cgroupPath: '', here: true, labels: {} } as const;

/** Containers whose names are remembered. */
const CONTAINERS_KNOWN = 10_000;

/** Name of a user by number, as /etc/passwd has it; the number itself if it has none. */
function userName(uid: number, root: string): string {
  let users: string;
  try {
    users = readFileSync(`${root}/etc/passwd`, 'utf8');
  } catch {
    return String(uid);
  }
  const line = users.split('\n').find((candidate) => candidate.split(':')[2] === String(uid));
  return line?.split(':')[0] ?? String(uid);
}

/** What this machine itself can tell. */
export class LocalIdentity implements IdentitySource {
  readonly name = 'local';
  /** The machine itself. */
  readonly node: Identity;
  readonly #options: LocalIdentityOptions;
  readonly #containers = new Map<string, ContainerFacts | 'asked'>();
  #outside: OutsideRanges;
  #changed: () => void = () => undefined;

  constructor(options: LocalIdentityOptions) {
    this.#options = options;
    this.#outside = new OutsideRanges(options.outside);
    const { machineId, node } = options;
    this.node = { ...NOBODY, id: endpointId('node', machineId), kind: 'node', workload: node, name: node };
  }

  async start(changed: () => void): Promise<void> {
    this.#changed = changed;
  }

  close(): void {
    this.#changed = () => undefined;
  }

  /** From now on these ranges have names. */
  setOutside(ranges: readonly OutsideRange[]): void {
    this.#outside = new OutsideRanges(ranges);
    this.#changed();
  }

  ofCgroup(path: string): Identity | 'process' {
    const owner = ownerOfCgroup(path);
    return owner.kind === 'process' ? 'process' : this.#ofOwner(owner);
  }

  ofProcess(cgroupPath: string, process: ProcessFacts): Identity {
    // Where cgroup v1 is in use, the v2 path of a container is the root, and another hierarchy knows better.
    for (const path of process.cgroupPaths) {
      const owner = ownerOfCgroup(path);
      if (owner.kind !== 'process') return this.#ofOwner(owner);
    }
    const { executable } = process;
    const id = endpointId('process', this.#options.machineId, cgroupPath, executable);
    return { ...NOBODY, id, kind: 'process', workload: executable, name: executable, cgroupPath };
  }

  ofAddress(address: Uint8Array): Identity | undefined {
    const name = this.#outside.nameOf(address);
    if (name === undefined) return undefined;
    return { ...NOBODY, id: endpointId('outside', name), kind: 'outside', workload: name, name, here: false };
  }

  #ofOwner(owner: Exclude<CgroupOwner, { kind: 'process' }>): Identity {
    const { machineId, root = '' } = this.#options;
    const make = (kind: EndpointKind, parts: readonly string[], workload: string, name: string): Identity => ({
      ...NOBODY,
      id: endpointId(kind, ...parts),
      kind,
      workload,
      name,
      cgroupPath: owner.path,
    });
    if (owner.kind === 'unit') {
      const parts = owner.manager === '' ? [machineId, owner.unit] : [machineId, owner.manager, owner.unit];
      return make('unit', parts, owner.unit.replace(/\.(?:service|scope)$/, ''), owner.unit);
    }
    if (owner.kind === 'session') {
      const user = userName(owner.uid, root);
      return make('session', [machineId, String(owner.uid), owner.session], user, `${user} session ${owner.session}`);
    }
    const { containerId, runtime } = owner;
    const parts = runtime === 'machine' ? [machineId, containerId] : [containerId];
    const known = this.#containerName(owner);
    const name = known?.name ?? containerId.slice(0, 12);
    return { ...make('container', parts, name, name), containerId, labels: known?.labels ?? {} };
  }

  /** What is known by now; the first question sets out to learn it. */
  #containerName({ containerId, runtime }: Extract<CgroupOwner, { kind: 'container' }>): ContainerFacts | undefined {
    const known = this.#containers.get(containerId);
    if (known !== undefined) return known === 'asked' ? undefined : known;
    if (this.#containers.size >= CONTAINERS_KNOWN) this.#containers.clear();
    this.#containers.set(containerId, 'asked');
    void this.#learnContainer(runtime, containerId);
    return undefined;
  }

  /** A runtime may write down what it knows only after the container has begun. */
  async #learnContainer(runtime: Runtime, containerId: string): Promise<void> {
    for (const pauseMs of [0, 1000, 5000, 30_000]) {
      await wait(pauseMs, undefined, { ref: false });
      const facts = await containerFacts(runtime, containerId, this.#options.root);
      if (facts === undefined) continue;
      this.#containers.set(containerId, facts);
      this.#changed();
      return;
    }
  }
}
