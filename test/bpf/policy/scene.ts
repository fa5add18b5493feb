/** Two pods of a node, each with a network namespace and a cgroup, with the policies' programs attached to both. */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { POLICY_RECORD_KEY, POLICY_RECORD_COUNT as RECORD } from '../../../bpf/dataplane/policy.gen.ts';
import { type BpfObject, type Link, openObject } from '../../../collector/native/addon.ts';
import { compile } from '../../../collector/src/control/policy/compile.ts';
import type { End, Pod } from '../../../collector/src/control/policy/endpoints.ts';
import { PolicyMaps } from '../../../collector/src/control/policy/kernel.ts';
import { type PolicyModel, PROTOCOLS } from '../../../collector/src/control/policy/model.ts';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { type Program, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { address } from '../../collector/policy/support/world.ts';
import type { Order, Outcome } from './talker.ts';

const TALKER = fileURLToPath(new URL('talker.ts', import.meta.url));
const OBJECT = fileURLToPath(new URL('../../../build/bpf/dataplane.bpf.o', import.meta.url));
const NODE = 'node-1';
/** Of cgroups directly below the root. */
const LEVEL = 1;

/** A pod that runs. */
export class Running {
  readonly pod: Pod;
  readonly namespace: Namespace;
  readonly cgroup: Cgroup;
  readonly #own: Cgroup;
  readonly #program: Program;
  readonly #waiting = new Map<number, (outcomes: readonly Outcome[]) => void>();
  #orders = 0;

  constructor(pod: Pod, namespace: Namespace, cgroup: Cgroup) {
    this.pod = pod;
    this.namespace = namespace;
    this.cgroup = cgroup;
    // As pods do that have cgroups of their own.
    this.#own = createCgroup(cgroup.path);
    this.#program = start({ namespace, cgroup: this.#own }, [process.execPath, TALKER], {}, 'pipe');
    const { stdout } = this.#program.process;
    if (stdout === null) throw new Error('the talker has no standard output');
    createInterface({ input: stdout }).on('line', (line) => {
      const { number, outcomes } = JSON.parse(line) as { number: number; outcomes: readonly Outcome[] };
      this.#waiting.get(number)?.(outcomes);
      this.#waiting.delete(number);
    });
  }

  end(family: 4 | 6): End {
    const own = this.pod.addresses.find((one) => one.family === family);
    if (own === undefined) throw new Error(`no address of family ${family}`);
    return { pod: this.pod, address: own };
  }

  /** Gives orders that are done at the same time. */
  tell(...orders: readonly Order[]): Promise<readonly Outcome[]> {
    const number = ++this.#orders;
    const answer = new Promise<readonly Outcome[]>((resolve, reject) => {
      this.#waiting.set(number, resolve);
      setTimeout(() => reject(new Error(`no answer: ${this.#program.output()}`)), 10_000).unref();
    });
    this.#program.process.stdin?.write(`${JSON.stringify({ number, orders })}\n`);
    return answer;
  }

  async stop(): Promise<void> {
    await this.#program.stop();
    for (const each of [this.#own, this.cgroup, this.namespace]) each.remove();
  }
}

export interface PolicyRecord {
  readonly identity: bigint;
  readonly peer_identity: bigint;
  readonly generation: number;
  readonly decision: number;
  readonly port: number;
  readonly protocol: number;
  readonly is_egress: number;
  readonly verdict: string;
  readonly count: bigint;
}

const VERDICTS = ['NO_POLICY', 'ALLOWED', 'DENIED', 'AUDITED'];

export interface PolicySample extends PolicyRecord {
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly ports: readonly number[];
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

function recordOf(key: Buffer, value: Buffer): PolicyRecord {
  return {
    identity: key.readBigUInt64LE(POLICY_RECORD_KEY.identity),
    peer_identity: key.readBigUInt64LE(POLICY_RECORD_KEY.peer_identity),
    generation: key.readUInt32LE(POLICY_RECORD_KEY.generation),
    decision: key.readUInt32LE(POLICY_RECORD_KEY.decision),
    port: key.readUInt16LE(POLICY_RECORD_KEY.port),
    protocol: key.readUInt8(POLICY_RECORD_KEY.protocol),
    is_egress: key.readUInt8(POLICY_RECORD_KEY.is_egress),
    verdict: VERDICTS[key.readUInt8(POLICY_RECORD_KEY.policy_verdict)] ?? '',
    count: value.readBigUInt64LE(RECORD.count),
  };
}

export interface SceneOptions {
  /** How many kinds of verdicts can be counted. */
  readonly records?: number;
  /** After how long without packets a UDP flow is over. */
  readonly idleMs?: number;
}

/** A client `x/a` and a server `y/b`, which echoes on the ports 80 and 81. */
export class PolicyScene {
  readonly client: Running;
  readonly server: Running;
  readonly object: BpfObject;
  readonly maps: PolicyMaps;
  /** Texts of the server's addresses, by family. */
  readonly at: Readonly<Record<4 | 6, string>>;
  readonly #links: readonly Link[];

  static async create(options: SceneOptions = {}): Promise<PolicyScene> {
    const scene = new PolicyScene(options);
    await scene.server.tell({ do: 'listen', port: 80 }, { do: 'listen', port: 81 });
    const both = Object.values(scene.at).map((host) => ({ do: 'connect', host, port: 80 }) as const);
    await eventually('both families', async () => (await scene.client.tell(...both)).every((told) => told === 'ok'));
    return scene;
  }

  private constructor({ records, idleMs }: SceneOptions) {
    const [here, there] = [createNamespace(), createNamespace()];
    const { a, b } = connect(here, there);
    this.at = { 4: b.ipv4, 6: b.ipv6 };
    const running = (name: string, namespace: Namespace, texts: { ipv4: string; ipv6: string }) => {
      const [of = '', letter = ''] = name.split('/');
      const pod: Pod = {
        ...{ uid: name, namespace: of, labels: new Map([['pod', letter]]), serviceAccount: 'default', node: NODE },
        namespaceLabels: new Map([['ns', of]]),
        ports: [{ name: 'serve', protocol: PROTOCOLS.TCP, port: 81 }],
        hostNetwork: false,
        addresses: [address(texts.ipv4), address(texts.ipv6)],
      };
      return new Running(pod, namespace, createCgroup());
    };
    this.client = running('x/a', here, a);
    this.server = running('y/b', there, b);
    this.object = openObject(OBJECT);
    if (records !== undefined) this.object.setMaxEntries('policy_records', records);
    if (idleMs !== undefined) {
      const idleNs = new BigUint64Array([BigInt(idleMs) * 1_000_000n]);
      this.object.setGlobal('policy_flow_idle_ns', new Uint8Array(idleNs.buffer));
    }
    this.object.load();
    this.maps = new PolicyMaps(this.object);
    this.#links = [this.client, this.server].flatMap(({ cgroup }) =>
      ['policy_egress', 'policy_ingress', 'policy_established'].map((program) =>
        this.object.attachCgroup(program, cgroup.path),
      ),
    );
  }

  /** Brings a model into force. */
  apply(model: PolicyModel): void {
    const all = [this.client, this.server];
    const { tables, condition } = compile(model, { node: NODE, nodes: [], pods: all.map(({ pod }) => pod) });
    if (tables === undefined) throw new Error(condition?.message);
    const cgroups = new Map(all.map(({ pod, cgroup }) => [pod.uid, [{ id: cgroup.id, level: LEVEL }]]));
    this.maps.write(tables, (uid) => cgroups.get(uid) ?? []);
  }

  /** Verdicts that found no room to be counted. */
  lostRecords(): bigint {
    const ofCpus = this.object.map('policy_records_lost').entries().values;
    return new BigUint64Array(new Uint8Array(ofCpus).buffer).reduce((sum, count) => sum + count, 0n);
  }

  /** Verdicts that were counted, and counts anew. */
  takeRecords(): PolicyRecord[] {
    return this.#take().map(({ key, value }) => recordOf(key, value));
  }

  /** The same with the first of each. */
  takeSamples(): PolicySample[] {
    return this.#take().map(({ key, value }) => ({
      ...recordOf(key, value),
      source: value.subarray(RECORD.source_address, RECORD.source_address + 16),
      destination: value.subarray(RECORD.destination_address, RECORD.destination_address + 16),
      ports: [value.readUInt16LE(RECORD.source_port), value.readUInt16LE(RECORD.destination_port)],
      firstNs: value.readBigUInt64LE(RECORD.first_ns),
      lastNs: value.readBigUInt64LE(RECORD.last_ns),
    }));
  }

  #take(): { readonly key: Buffer; readonly value: Buffer }[] {
    const map = this.object.map('policy_records');
    const { keys, values, count } = map.entries();
    map.deleteBatch(keys);
    return Array.from({ length: count }, (_, index) => ({
      key: keys.subarray(index * POLICY_RECORD_KEY.size, (index + 1) * POLICY_RECORD_KEY.size),
      value: values.subarray(index * RECORD.size, (index + 1) * RECORD.size),
    }));
  }

  async end(): Promise<void> {
    for (const link of this.#links) link.close();
    this.object.close();
    for (const running of [this.client, this.server]) await running.stop();
  }
}
