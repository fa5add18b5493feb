/** Pairs of hosts on which faults run side by side, and a Flowspan that watches them all. */
import { once } from 'node:events';
import { connect as connectTo, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Cgroup, createCgroup } from '../../deploy/lab/cgroup.ts';
import { loseAtRandom } from '../../deploy/lab/loss.ts';
import { connect, createNamespace, type Namespace, type Pair } from '../../deploy/lab/namespace.ts';
import { start } from '../../deploy/lab/program.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import type { Asked, HostOrder } from './fault_host.ts';
import type { Trial } from './fault_trials.ts';
import { type Flowspan, startFlowspan, temporaryFolder } from './flowspan.ts';

const HOST = fileURLToPath(new URL('./fault_host.ts', import.meta.url));

/** One host: a program in a namespace and a cgroup of its own that serves and asks as it is told. */
interface Host {
  readonly namespace: Namespace;
  /** Has the program do something; resolves with what it answers. */
  tell(order: HostOrder): Promise<unknown>;
}

async function startHost(namespace: Namespace, cgroup: Cgroup, folder: string): Promise<Host> {
  const path = join(folder, namespace.name);
  const program = start({ namespace, cgroup }, [process.execPath, HOST, path]);
  await eventually(`the program of ${namespace.name}`, () => program.output().includes('ready'), 30_000);
  const socket: Socket = connectTo(path);
  await once(socket, 'connect');
  const lines = createInterface(socket)[Symbol.asyncIterator]();
  return {
    namespace,
    tell: async (order) => {
      socket.write(`${JSON.stringify(order)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`the program of ${namespace.name} has ended\n${program.output()}`);
      return JSON.parse(value) as unknown;
    },
  };
}

/** Two hosts with a cable between them; their workloads are called `<pair>-a` and `<pair>-b`. */
export interface HostPair {
  readonly name: string;
  readonly a: Host;
  readonly b: Host;
  readonly addresses: Pair;
}

/** The pairs, and Flowspan. */
export interface Lab {
  readonly pairs: readonly HostPair[];
  readonly flowspan: Flowspan;
  end(): Promise<void>;
}

/** Makes the pairs and starts store, collector and query API. */
export async function createLab(pairs: number): Promise<Lab> {
  const cgroup: Cgroup = createCgroup();
  const folder = temporaryFolder();
  const made: HostPair[] = [];
  for (let number = 0; number < pairs; number += 1) {
    const name = `pair${number}`;
    const [a, b] = [createNamespace(), createNamespace()];
    const addresses = connect(a, b);
    const hosts = [a, b].map((namespace, index) =>
      startHost(namespace, createCgroup(cgroup.path, `${name}-${'ab'[index]}.service`), folder),
    );
    made.push({ name, a: await hosts[0]!, b: await hosts[1]!, addresses });
  }
  const flowspan = await startFlowspan({ cgroup, processes: ['store', 'collector', 'query-api'] });
  return {
    pairs: made,
    flowspan,
    end: async () => {
      await flowspan.stop();
      cgroup.remove();
      for (const { a, b } of made) for (const host of [a, b]) host.namespace.remove();
    },
  };
}

/** Who is client and server of a trial: workload names, and where the server is asked. */
export function endsOf(pair: HostPair, trial: Trial) {
  const server = trial.client === 'a' ? 'b' : 'a';
  const address = pair.addresses[server][trial.ipVersion === 4 ? 'ipv4' : 'ipv6'];
  return {
    source: `${pair.name}-${trial.client}`,
    destination: `${pair.name}-${server}`,
    address,
    client: pair[trial.client],
    server: pair[server],
  };
}

/** Serves on one host and asks from another until the client is done; returns what it met. */
async function runBetween(server: Host, client: Host, trial: Trial, address: string): Promise<Asked> {
  const { port, asks, loss } = trial;
  if (trial.server !== undefined) await server.tell({ serve: { port, ...trial.server } });
  const lossy = loss?.at === 'client' ? client : server;
  const endLoss = loss === undefined ? undefined : loseAtRandom(lossy.namespace, loss.share);
  try {
    return (await client.tell({ ask: { host: address, port, ...asks } })) as Asked;
  } finally {
    endLoss?.();
    await server.tell({ serve: null });
  }
}

/** Runs one trial to its end; returns what the client met. */
export function runTrial(pair: HostPair, trial: Trial): Promise<Asked> {
  const { client, server, address } = endsOf(pair, trial);
  return runBetween(server, client, trial, address);
}

/**
 * Runs a trial whose server is a gateway: what it is asked it asks the next host, which has the trial's fault.
 * @param pair `a` asks, `b` is the gateway
 * @param behind `b` is behind the gateway
 * @param nextPort where it is asked
 */
export async function runChain(pair: HostPair, behind: HostPair, trial: Trial, nextPort: number) {
  const { b: address } = connect(pair.b.namespace, behind.b.namespace);
  const upstream = `http://${address.ipv4}:${nextPort}`;
  if (trial.server !== undefined) await behind.b.tell({ serve: { port: nextPort, ...trial.server } });
  try {
    return await runBetween(pair.b, pair.a, { ...trial, server: { upstream } }, pair.addresses.b.ipv4);
  } finally {
    await behind.b.tell({ serve: null });
  }
}
