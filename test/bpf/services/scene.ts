/** A client's node with balancing attached to one cgroup, backends in another namespace, and what the kernel decided. */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ENUMS, SERVICE_CHOICE, SERVICE_REFUSAL } from '../../../bpf/dataplane/service_lb.gen.ts';
import { type BpfObject, openObject } from '../../../collector/native/addon.ts';
import type { Mode } from '../../../collector/src/config_dataplane.ts';
import type { Condition } from '../../../collector/src/control/objects/source.ts';
import { type NodeAddresses, ServiceTables } from '../../../collector/src/control/services/compile.ts';
import { capacityOf, ServiceKernel } from '../../../collector/src/control/services/kernel.ts';
import { modelOf } from '../../../collector/src/control/services/model.ts';
import { readObjects } from '../../../collector/src/control/services/read.ts';
import { readLeftTables } from '../../../collector/src/control/services/take_up.ts';
import { addressText } from '../../../collector/src/correlate/address_text.ts';
import { createCgroup } from '../../../deploy/lab/cgroup.ts';
import { connect, createNamespace, type Namespace, type Pair } from '../../../deploy/lab/namespace.ts';
import { listening, type Place, run, start } from '../../../deploy/lab/program.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import type { Order, Told } from './talker.ts';

const TALKER = fileURLToPath(new URL('talker.ts', import.meta.url));

/** Name and zone of the clients' node. */
export const NODE = { name: 'node-1', zone: 'zone-a' };

/** A decision: numbers as they are, enums by name, addresses as text. */
export interface Choice {
  readonly reason: string;
  readonly mode: string;
  readonly frontend: string;
  readonly backend: string;
  readonly candidates: number;
  readonly slot: number;
  readonly version: number;
  readonly serviceId: bigint;
}

const nameOf = (of: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(of).find(([, number]) => number === value)?.[0] ?? `${value}`;

function readChoice(bytes: Buffer): Choice {
  return {
    reason: nameOf(ENUMS.lb_reason, bytes.readUInt8(SERVICE_CHOICE.lb_reason)),
    mode: nameOf(ENUMS.lb_mode, bytes.readUInt8(SERVICE_CHOICE.lb_mode)),
    frontend: `${addressText(bytes, SERVICE_CHOICE.frontend_high)} ${bytes.readUInt16LE(SERVICE_CHOICE.frontend_port)}`,
    backend: `${addressText(bytes, SERVICE_CHOICE.backend_high)} ${bytes.readUInt16LE(SERVICE_CHOICE.backend_port)}`,
    candidates: bytes.readUInt16LE(SERVICE_CHOICE.candidates),
    slot: bytes.readUInt32LE(SERVICE_CHOICE.slot),
    version: bytes.readUInt32LE(SERVICE_CHOICE.table_version),
    serviceId: bytes.readBigUInt64LE(SERVICE_CHOICE.service_id),
  };
}

/** @param size of what each choice begins */
function choicesIn(bytes: Buffer, size: number = SERVICE_CHOICE.size): Choice[] {
  return Array.from({ length: bytes.length / size }, (_, at) => readChoice(bytes.subarray(at * size)));
}

/** A process that takes orders. */
export interface Talker {
  tell(order: Order): Promise<Told>;
  /** Connects that many times. @returns how often each answered */
  connectMany(host: string, port: number, times: number): Promise<Map<string, number>>;
}

export interface ServiceScene {
  readonly client: Place & { readonly namespace: Namespace };
  readonly server: Place & { readonly namespace: Namespace };
  readonly addresses: Pair;
  readonly object: BpfObject;
  readonly talker: Talker;
  /** What is known of the kernel's tables. */
  tables(): ServiceTables;
  /** Another run takes up what this one has written. */
  restart(): void;
  /** Brings objects to the kernel. @returns their conditions */
  apply(objects: readonly unknown[], options?: { mode?: Mode; nodes?: NodeAddresses }): readonly Condition[];
  /** Choices of sockets that live, as soon as there are so many: a closed one goes when its peer and the kernel are done. */
  choices(count: number): Promise<Choice[]>;
  refusals(): Choice[];
  /** Choices of sockets that are not connected. */
  datagrams(): Choice[];
  end(): Promise<void>;
}

const PROGRAMS = ['connect', 'sendmsg', 'recvmsg', 'getpeername', 'post_bind'];

async function netnsCookie(place: Place): Promise<bigint> {
  const program = 'import socket,struct; print(struct.unpack("Q", socket.socket().getsockopt(1, 71, 8))[0])';
  return BigInt((await run(place, ['python3', '-c', program])).trim());
}

function startTalker(place: Place): Talker & { stop(): Promise<void> } {
  const program = start(place, [process.execPath, TALKER, 'talk'], {}, 'pipe');
  const lines = createInterface({ input: program.process.stdout! })[Symbol.asyncIterator]();
  const tell = async (order: Order): Promise<Told> => {
    program.process.stdin!.write(`${JSON.stringify(order)}\n`);
    const { value } = await lines.next();
    if (value === undefined) throw new Error(`the talker ended: ${program.output()}`);
    return JSON.parse(value) as Told;
  };
  const connectMany = async (host: string, port: number, times: number): Promise<Map<string, number>> => {
    const counts = new Map<string, number>();
    for (let time = 0; time < times; time += 1) {
      const { answer, error } = await tell({ do: 'connect', host, port });
      const told = answer ?? error ?? '';
      counts.set(told, (counts.get(told) ?? 0) + 1);
    }
    return counts;
  };
  return { tell, connectMany, stop: () => program.stop() };
}

/** @param backends names and ports of who answers, at the server's address */
export async function createServiceScene(backends: Readonly<Record<string, number>>): Promise<ServiceScene> {
  // First: what cannot be opened leaves nothing behind.
  const object = openObject('build/bpf/dataplane.bpf.o');
  const [cgroup, elsewhere] = [createCgroup(), createCgroup()];
  const [client, server] = [createNamespace(), createNamespace()];
  const addresses = connect(client, server);
  const places = { client: { namespace: client, cgroup }, server: { namespace: server, cgroup: elsewhere } };
  const served = Object.entries(backends).map(([name, port]) => `${name}:${port}`);
  const serving = start(places.server, [process.execPath, TALKER, 'serve', ...served]);
  let talker: ReturnType<typeof startTalker> | undefined;
  const end = async (): Promise<void> => {
    object.close();
    await talker?.stop();
    await serving.stop();
    for (const each of [cgroup, elsewhere, client, server]) each.remove();
  };
  try {
    for (const port of Object.values(backends)) await listening(server, port);
    const cookie = Buffer.alloc(8);
    cookie.writeBigUInt64LE(await netnsCookie(places.client));
    object.setGlobal('node_netns_cookie', cookie);
    object.load();
    for (const program of PROGRAMS)
      for (const family of [4, 6]) object.attachCgroup(`service_${program}${family}`, cgroup.path);
    const told = object.attachIterator('tell_service_choices', 'service_choices');
    const kernel = new ServiceKernel(object);
    let tables = new ServiceTables(capacityOf(object));
    talker = startTalker(places.client);
    return {
      ...places,
      addresses,
      object,
      talker,
      tables: () => tables,
      restart: () => {
        tables = new ServiceTables(capacityOf(object), readLeftTables(object), performance.now());
      },
      apply: (objects, { mode = 'enforce', nodes = new Map() } = {}) => {
        const { services, slices, conditions } = readObjects(objects);
        const model = modelOf({ services, slices, node: NODE, modeOf: () => mode });
        kernel.apply(tables.change(model, nodes, performance.now()));
        return [...conditions, ...model.conditions];
      },
      choices: (count) =>
        eventually(`${count} choices`, () => {
          const all = choicesIn(object.iterate(told));
          return all.length === count && all;
        }),
      refusals: () => choicesIn(object.map('service_refusals').entries().values, SERVICE_REFUSAL.size),
      datagrams: () => choicesIn(object.map('service_datagrams').entries().values),
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}
