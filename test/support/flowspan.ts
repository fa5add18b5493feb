/** Flowspan's own processes, started by tests on ports of their own with a data folder of their own. */
import { existsSync } from 'node:fs';
import type { Cgroup } from '../../deploy/lab/cgroup.ts';
import { ownEnvironment } from '../../deploy/lab/own_environment.ts';
import { noteProcess, removeNow } from '../../deploy/lab/registry.ts';
import { eventually } from '../../deploy/lab/wait.ts';
import { Child } from '../../query-api/cli/child.ts';

export { temporaryFolder } from '../../deploy/lab/folder.ts';
export { ownEnvironment } from '../../deploy/lab/own_environment.ts';
export { freePorts } from '../../deploy/lab/ports.ts';

const READY_TIMEOUT_MS = 60_000;
/** A minute for one question: what these tests judge is the answer, on machines that are busy. */
export const PATIENCE = { FLOWSPAN_STORE_MAX_EXECUTION_S: '60', FLOWSPAN_QUERY_API_MAX_EXECUTION_S: '60' } as const;
const QUERY_TIMEOUT_MS = 60_000;
const SETTLE_TIMEOUT_MS = 60_000;
/** Kinds of records that become rows one by one. */
const RECORD_KINDS = ['flow', 'tcp_event', 'request'] as const;

/** Which processes to start, and how. */
export interface FlowspanOptions {
  /** Default: store and collector. */
  readonly processes?: readonly ('store' | 'collector' | 'query-api')[];
  /** Where the programs are attached; left out: the root, for which the caller holds the root's lock. */
  readonly cgroup?: Cgroup;
  /** Further FLOWSPAN_* variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What the collector counts of one kind of record, in its GET /status. */
interface KindCounters {
  readonly wanted: number;
  readonly stored: number;
  readonly lost: number;
  readonly shed: number;
  readonly aggregated: number;
}

const accountedFor = ({ stored, lost, shed, aggregated }: KindCounters) => stored + lost + shed + aggregated;

/** A running Flowspan. */
export interface Flowspan {
  readonly dataDir: string;
  readonly storeUrl: string;
  readonly collectorUrl: string;
  readonly queryApiUrl: string;
  /** Answer of a query as the reader: one object per row; 64-bit integers are strings. */
  query<Row = Record<string, unknown>>(sql: string): Promise<Row[]>;
  /** Resolves when every record that the kernel has written until now is stored, or counted as lost. */
  settled(): Promise<void>;
  /**
   * Rows of `losses` as text, and losses that the collector counts; empty if nothing was lost. Packet drops beyond the
   * rate that is told one by one are left out: they may be anybody's on this machine, and no test compares them.
   */
  losses(): Promise<string[]>;
  /** Process id of one of the processes. */
  pid(name: string): number;
  /** What the processes have printed. */
  output(): string;
  stop(): Promise<void>;
}

/** Rows of a query, asked as the reader over ClickHouse's HTTP interface. */
export async function queryStore<Row>(url: string, sql: string): Promise<Row[]> {
  const response = await fetch(`${url}/?database=flowspan&default_format=JSON`, {
    method: 'POST',
    body: sql,
    signal: AbortSignal.timeout(QUERY_TIMEOUT_MS),
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`${sql}\n${body}`);
  return (JSON.parse(body) as { data: Row[] }).data;
}

/** Why Flowspan cannot be started here; undefined if it can. For a test's `skip`. */
export function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const built of ['build/bpf/flowspan.bpf.o', 'build/flowspan.node']) {
    if (!existsSync(built)) return `${built} has not been built`;
  }
  return undefined;
}

/** Starts the processes and resolves when they are ready. */
export async function startFlowspan(options: FlowspanOptions = {}): Promise<Flowspan> {
  const own = await ownEnvironment();
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...own,
    ...(options.cgroup === undefined ? {} : { FLOWSPAN_COLLECTOR_CGROUP_ROOT: options.cgroup.path }),
    FLOWSPAN_COLLECTOR_FLOW_INTERVAL_S: '1',
    // Tests compare row by row, on machines that are busy.
    FLOWSPAN_COLLECTOR_GOVERNOR_ENABLED: 'false',
    ...PATIENCE,
    ...options.env,
  };
  const lines: string[] = [];
  const children: Child[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children.toReversed()) await child.stop();
    removeNow('folder', own.FLOWSPAN_DATA_DIR as string);
    removeNow('folder', own.FLOWSPAN_COLLECTOR_PIN_DIR as string);
  };
  for (const name of options.processes ?? ['store', 'collector']) {
    const child = new Child({
      name,
      argv: [],
      env,
      readyTimeoutMs: READY_TIMEOUT_MS,
      onLine: (from, line) => lines.push(`${from}: ${line}`),
      onNote: (text) => lines.push(text),
    });
    children.push(child);
    try {
      await child.start();
    } catch (error) {
      await stop();
      throw new Error(`${(error as Error).message}\n${lines.join('\n')}`);
    }
    if (child.pid !== undefined) noteProcess(child.pid);
  }
  const storeUrl = env.FLOWSPAN_CLICKHOUSE_URL as string;
  const collectorUrl = `http://${env.FLOWSPAN_COLLECTOR_LISTEN}`;
  const query = <Row>(sql: string): Promise<Row[]> => queryStore<Row>(storeUrl, sql);
  const counters = async (): Promise<Record<string, KindCounters>> => {
    const response = await fetch(`${collectorUrl}/status`, { signal: AbortSignal.timeout(5_000) });
    return ((await response.json()) as { counters: Record<string, KindCounters> }).counters;
  };
  return {
    dataDir: env.FLOWSPAN_DATA_DIR as string,
    storeUrl,
    collectorUrl,
    queryApiUrl: `http://${env.FLOWSPAN_QUERY_API_LISTEN}`,
    query,
    settled: async () => {
      const wanted = await counters();
      await eventually(
        'what was recorded to be stored',
        async () => {
          const now = await counters();
          return RECORD_KINDS.every((kind) => accountedFor(now[kind]!) >= wanted[kind]!.wanted);
        },
        SETTLE_TIMEOUT_MS,
      );
    },
    losses: async () => {
      const rows = await query<{ line: string }>(
        "SELECT concat(kind, ' ', reason, ' ', toString(sum(count))) AS line FROM losses WHERE reason != 'drop_event_limit' GROUP BY kind, reason HAVING sum(count) > 0",
      );
      const counted = Object.entries(await counters())
        .filter(([, { lost }]) => lost > 0)
        .map(([kind, { lost }]) => `${kind} lost ${lost}`);
      return [...rows.map((row) => row.line), ...counted];
    },
    pid: (name) => {
      const pid = children.find((child) => child.name === name)?.pid;
      if (pid === undefined) throw new Error(`${name} is not running`);
      return pid;
    },
    output: () => lines.join('\n'),
    stop,
  };
}
