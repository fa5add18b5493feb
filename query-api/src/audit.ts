/** What /v1/audit answers: counters of collectors' runs beside what the store has of them. */
import Type from 'typebox';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../store/tables.ts';
import { QueryError } from './errors.ts';
import { instantText } from './fields.ts';
import { countsOf, RECORD_KINDS, type RecordKind, STORED_KINDS } from './record_fates.ts';
import { expiredBefore } from './retention.ts';
import type { Scope } from './scope.ts';
import { lastReportsSql, storedRowsSql } from './sql/audit.ts';
import type { Store, StoreRow } from './store.ts';
import { earliest, latest } from './time.ts';

const COUNTER = Type.String({ pattern: '^\\d+$' });
const INSTANT = Type.String({ format: 'date-time' });

/** JSON Schema of one row: a node. */
export const AUDITED_NODE_SCHEMA = Type.Object({
  cluster: Type.String(),
  node: Type.String(),
  runs: Type.Array(
    Type.Object({
      boot_id: Type.String(),
      started: Type.String({ format: 'date-time', description: 'When this run of the collector began to watch.' }),
      reported: Type.String({ format: 'date-time', description: 'Until when its last report tells.' }),
      ended: Type.Boolean({
        description: 'True if that report was the last thing it did: it was stopped, not killed.',
      }),
      counters: Type.Record(Type.String(), Type.Record(Type.String(), COUNTER), {
        description: 'By kind of record: what the run had counted at its last report; see collector/src/counters.ts.',
      }),
    }),
    { description: 'Runs of the boots of this node in which its collector reported, the oldest first.' },
  ),
  stored: Type.Record(Type.String(), Type.Union([COUNTER, Type.Null()]), {
    description: 'Rows of these boots in the store, by kind; null where counting them met a limit.',
  }),
  expired_before: Type.Union([INSTANT, Type.Null()], {
    description: 'Rows before this have expired, some of these runs among them; null if none has.',
  }),
});

/** A node with its runs. */
export type AuditedNode = Type.Static<typeof AUDITED_NODE_SCHEMA>;

const TABLES: Readonly<Record<(typeof STORED_KINDS)[number], Table>> = {
  flow: FLOWS,
  tcp_event: TCP_EVENTS,
  request: REQUESTS,
};

/** The clock may be set back while a collector runs: its rows are looked for this much earlier, in nanoseconds. */
const EARLIER_NS = 7_200_000_000_000n;
/** Counting reads two short columns of every row. */
const COUNT_BOUNDS = { max_execution_s: 3, max_rows_to_read: 2_000_000_000 };
const LIMIT_MET = ['FLOW_QUERY_TOO_DEAR', 'FLOW_QUERY_TOO_SLOW', 'FLOW_QUERY_OUT_OF_MEMORY'];

interface Asked {
  readonly scope: Scope;
  readonly since: bigint;
  readonly until: bigint;
}

/** Reads reports and counts rows. */
export async function readAudit(store: Store, asked: Asked, signal?: AbortSignal): Promise<AuditedNode[]> {
  const reports = await store.rows(lastReportsSql(asked), signal);
  if (reports.length === 0) return [];
  const begun = earliest(reports.map((row) => BigInt(String(row.started_ns))));
  const boots = [...new Set(reports.map((row) => String(row.boot_id)))];
  const counted = await Promise.all(
    STORED_KINDS.map(async (kind) => {
      const table = TABLES[kind];
      const [rows, expired] = await Promise.all([
        countRows(store, storedRowsSql(table, boots, begun - EARLIER_NS, asked.scope), signal),
        expiredBefore(store, table, signal),
      ]);
      return { kind, rows, expired: expired > begun - EARLIER_NS ? expired : 0n };
    }),
  );
  const expired = latest(counted.map((one) => one.expired));
  const nodes = new Map<string, AuditedNode>();
  for (const report of reports) {
    const [cluster, node] = [String(report.cluster), String(report.node)];
    const key = `${cluster}/${node}`;
    const one = nodes.get(key) ?? {
      cluster,
      node,
      runs: [],
      stored: Object.fromEntries(counted.map(({ kind, rows }) => [kind, rowsOf(rows, key)])),
      expired_before: expired === 0n ? null : instantText(expired),
    };
    nodes.set(key, one);
    one.runs.push(runOf(report));
  }
  return [...nodes.values()];
}

async function countRows(store: Store, query: ReturnType<typeof storedRowsSql>, signal: AbortSignal | undefined) {
  try {
    const rows = await store.rows(query, signal, COUNT_BOUNDS);
    return new Map(rows.map((row) => [`${row.cluster}/${row.node}`, String(row.rows)]));
  } catch (error) {
    if (error instanceof QueryError && LIMIT_MET.includes(error.code)) return undefined;
    throw error;
  }
}

const rowsOf = (rows: ReadonlyMap<string, string> | undefined, key: string): string | null =>
  rows === undefined ? null : (rows.get(key) ?? '0');

function runOf(report: StoreRow): AuditedNode['runs'][number] {
  const counters = report.counters as Readonly<Record<string, unknown>>;
  const texts = (kind: RecordKind) =>
    Object.fromEntries(Object.entries(countsOf(counters, kind)).map(([name, count]) => [name, String(count)]));
  return {
    boot_id: String(report.boot_id),
    started: instantText(BigInt(String(report.started_ns))),
    reported: instantText(BigInt(String(report.time_ns))),
    ended: String(counters['run.ended'] ?? 0) === '1',
    counters: Object.fromEntries(RECORD_KINDS.map((kind) => [kind, texts(kind)])),
  };
}
