/** Two pods of a node, policies in files, and a collector that brings them into force. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { type Cgroup, createCgroup } from '../../../deploy/lab/cgroup.ts';
import { temporaryFolder } from '../../../deploy/lab/folder.ts';
import { connect, createNamespace, type Namespace } from '../../../deploy/lab/namespace.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { Child } from '../../../query-api/cli/child.ts';
import { Running } from '../../bpf/policy/scene.ts';
import { address } from '../../collector/policy/support/world.ts';
import { type Flowspan, ownEnvironment, startFlowspan } from '../../support/flowspan.ts';

export const NODE = 'node-1';
/** Nobody else's on this machine: cgroups tell by them whose they are. */
const [CLIENT, SERVER] = [randomUUID(), randomUUID()];

/** As the collector's GET /status has it. */
interface Status {
  readonly dataplane: {
    readonly conditions: readonly {
      readonly kind: string;
      readonly name: string;
      readonly accepted: boolean;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

/** A row of verdicts, as tests compare it. */
export type VerdictLine = string;

/** `shop/front` and `shop/back`, which echoes on the ports 80 and 81. */
export class PolicyWorld {
  readonly directory: string;
  readonly client: Running;
  readonly server: Running;
  /** Of the server, by family. */
  readonly at: Readonly<Record<4 | 6, string>>;
  readonly store: Flowspan;
  readonly #root: Cgroup;
  readonly #env: Readonly<Record<string, string>>;
  readonly #lines: string[] = [];
  #collector: Child | undefined;

  static async create(): Promise<PolicyWorld> {
    const own = await ownEnvironment();
    const store = await startFlowspan({ processes: ['store'], env: own });
    const world = new PolicyWorld(store, own);
    await world.server.tell({ do: 'listen', port: 80 }, { do: 'listen', port: 81 });
    return world;
  }

  private constructor(store: Flowspan, env: Readonly<Record<string, string>>) {
    this.store = store;
    this.directory = join(temporaryFolder(), 'manifests');
    mkdirSync(this.directory);
    this.#root = createCgroup();
    const kubepods = createCgroup(this.#root.path, 'kubepods');
    const [here, there] = [createNamespace(), createNamespace()];
    const { a, b } = connect(here, there);
    this.at = { 4: b.ipv4, 6: b.ipv6 };
    const running = (name: string, uid: string, namespace: Namespace, texts: { ipv4: string; ipv6: string }) => {
      const metadata = { name, namespace: 'shop', uid, labels: { app: name } };
      const status = { podIP: texts.ipv4, podIPs: [{ ip: texts.ipv4 }, { ip: texts.ipv6 }] };
      this.write(`pod-${name}.json`, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { nodeName: NODE }, status });
      const pod = {
        ...{ uid, namespace: 'shop', labels: new Map([['app', name]]), serviceAccount: 'default', node: NODE },
        ...{ namespaceLabels: new Map(), ports: [], hostNetwork: false },
        addresses: [address(texts.ipv4), address(texts.ipv6)],
      };
      return new Running(pod, namespace, createCgroup(kubepods.path, `pod${uid}`));
    };
    this.write('namespace.json', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } });
    this.client = running('front', CLIENT, here, a);
    this.server = running('back', SERVER, there, b);
    this.#env = {
      ...env,
      FLOWSPAN_MANIFESTS: this.directory,
      FLOWSPAN_NODE: NODE,
      FLOWSPAN_COLLECTOR_CGROUP_ROOT: this.#root.path,
      FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: '1',
      FLOWSPAN_COLLECTOR_GOVERNOR_ENABLED: 'false',
      FLOWSPAN_COLLECTOR_PIN_DIR: `/sys/fs/bpf/fs-policy-${process.pid}`,
    };
  }

  /** @param manifest an object, or YAML */
  write(name: string, manifest: object | string): void {
    writeFileSync(join(this.directory, name), typeof manifest === 'string' ? manifest : JSON.stringify(manifest));
  }

  remove(name: string): void {
    rmSync(join(this.directory, name), { force: true });
  }

  /** Starts a collector, in the place of the one before. @param more further FLOWSPAN_* variables */
  async start(mode: 'observe' | 'audit' | 'enforce', more: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop();
    this.#collector = new Child({
      ...{ name: 'collector', argv: [], readyTimeoutMs: 60_000 },
      env: { ...process.env, ...this.#env, ...more, FLOWSPAN_DATAPLANE_POLICY: mode },
      onLine: (from, line) => this.#lines.push(`${from}: ${line}`),
      onNote: (text) => this.#lines.push(text),
    });
    await this.#collector.start();
  }

  /** Waits until what the pods begin is judged. */
  async judged(): Promise<void> {
    const words = ['no_policy', 'allowed', 'denied', 'audited'];
    const told = async () => {
      await this.client.tell({ do: 'send', host: this.at[4], port: 9 });
      const counts = words.map((word) => this.metric(`flowspan_policy_verdicts_total{verdict="${word}"}`));
      return (await Promise.all(counts)).some((count) => count > 0);
    };
    await eventually('verdicts', told);
  }

  async stop(): Promise<void> {
    await this.#collector?.stop();
    this.#collector = undefined;
  }

  /** Ends the collector as a crash does; another is begun at once. */
  crash(): void {
    if (this.#collector?.pid !== undefined) process.kill(this.#collector.pid, 'SIGKILL');
  }

  output(): string {
    return this.#lines.join('\n');
  }

  async status(): Promise<Status> {
    const response = await fetch(`http://${this.#env.FLOWSPAN_COLLECTOR_LISTEN}/status`);
    return (await response.json()) as Status;
  }

  /** Watches the collector's live feed: its rows of verdicts from now on. */
  async watch(): Promise<Record<string, unknown>[]> {
    const rows: Record<string, unknown>[] = [];
    const socket = new WebSocket(`ws://${this.#env.FLOWSPAN_COLLECTOR_LISTEN}/live`);
    socket.on('message', (data) => {
      const { type, row } = JSON.parse(String(data)) as { type: string; row: Record<string, unknown> };
      if (type === 'verdict') rows.push(row);
    });
    await once(socket, 'open');
    return rows;
  }

  async metric(line: string): Promise<number> {
    const text = await (await fetch(`http://${this.#env.FLOWSPAN_COLLECTOR_LISTEN}/metrics`)).text();
    const found = text.split('\n').find((one) => one.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1) ?? Number.NaN);
  }

  /** Waits until another set of tables counts than before `change`. */
  async changed(change: () => void): Promise<void> {
    const written = () => this.metric('flowspan_policy_tables_written_total');
    const before = await written();
    change();
    await eventually('the policies to be in force', async () => (await written()) > before);
  }

  /** Whether a TCP connection and a datagram arrive, at each port. */
  async probe(): Promise<Record<string, boolean>> {
    const orders = [80, 81].flatMap((port) =>
      (['connect', 'send'] as const).map((word) => ({ do: word, host: this.at[4], port })),
    );
    const outcomes = await this.client.tell(...orders);
    return Object.fromEntries(orders.map((order, index) => [`${order.do} ${order.port}`, outcomes[index] === 'ok']));
  }

  /** Sums of verdicts by what a test compares. @param columns of `verdicts` */
  async verdicts(columns: readonly string[], where = '1'): Promise<VerdictLine[]> {
    const rows = await this.store.query<{ line: string }>(
      `SELECT concatWithSeparator(' ', ${columns.map((column) => `toString(${column})`).join(', ')}, toString(sum(count))) AS line
       FROM verdicts WHERE ${where} GROUP BY ${columns.join(', ')} ORDER BY line`,
    );
    return rows.map(({ line }) => line);
  }

  async end(): Promise<void> {
    await this.stop();
    await this.store.stop();
    for (const running of [this.client, this.server]) await running.stop();
    this.#root.remove();
    rmSync(this.#env.FLOWSPAN_COLLECTOR_PIN_DIR as string, { recursive: true, force: true });
  }
}
