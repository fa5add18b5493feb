/** How complete an answer is: one object, built here and nowhere else, that travels with every answer. */
import Type from 'typebox';
import { isShed } from '../../store/loss_reasons.ts';
import type { StoredTable } from '../../store/tables.ts';
import { nanosecondsOf } from '../../store/time.ts';
import { QueryError } from './errors.ts';
import { instantText } from './fields.ts';
import { settledUntil } from './identities.ts';
import type { Question, Window } from './question.ts';
import { expiredBefore } from './retention.ts';
import { lostSql, opaqueConnectionsSql, reportsSql } from './sql/completeness.ts';
import type { Store, StoreRow } from './store.ts';
import { earliest, latest, wallClock } from './time.ts';

/** Time without a report of a node after which it counts as unobserved, in nanoseconds. */
export const REPORT_GAP_NS = 30_000_000_000n;

const text = (description: string) => Type.String({ format: 'date-time', description });
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

const MISSING = Type.Object({
  kind: Type.String({ description: 'What is missing: flow, tcp_event, request, cgroup, verdict or all.' }),
  node: Type.String(),
  reason: Type.String(),
  count: nullable(Type.String({ pattern: '^\\d+$', description: 'How many; null if that cannot be known.' })),
  from: text('Begin of the time from which it is missing.'),
  to: text('End of it.'),
});

/** JSON Schema of the completeness object. */
export const COMPLETENESS_SCHEMA = Type.Object(
  {
    complete: Type.Boolean({
      description: 'True if everything that happened between since and until is in the store, unsampled.',
    }),
    watermark: nullable(text('Until when every node that still reports has delivered; null if none reported.')),
    lost: Type.Array(MISSING, { description: 'What Flowspan failed to record in the time asked for.' }),
    shed: Type.Array(MISSING, {
      description:
        'Detail that was given up on purpose: rows by the governor, or of a cgroup that wrote more than its share. ' +
        'Counters and edge metrics have all of it.',
    }),
    sampled: Type.Boolean({ description: 'True if a row of this answer stands for more than itself.' }),
    unobserved: Type.Array(
      Type.Object({ node: nullable(Type.String()), from: text('From when.'), to: text('Until when.') }),
      { description: 'Times in which a node (null: no node at all) was not watched.' },
    ),
    identities_settled_until: nullable(
      text(
        'Until when the ends of rows are told for good. Those of later rows may be told otherwise in a later answer, ' +
          'when nodes have told who had which address; null if all of the time asked for is later.',
      ),
    ),
    expired_before: nullable(text('Rows before this have expired; null if none of the time asked for has.')),
    opaque_connections: nullable(
      Type.Object(
        {
          tls: Type.String({ pattern: '^\\d+$' }),
          http2: Type.String({ pattern: '^\\d+$' }),
          other: Type.String({ pattern: '^\\d+$' }),
        },
        { description: 'Connections whose requests cannot be seen; null if counting them would be too dear.' },
      ),
    ),
  },
  { description: 'How complete the answer is. What is not known is null.' },
);

/** How complete an answer is. */
export type Completeness = Type.Static<typeof COMPLETENESS_SCHEMA>;

/** The object without `sampled`, which depends on the rows of the answer, and what follows from it. */
export interface Coverage extends Omit<Completeness, 'sampled' | 'complete'> {
  /** End of the time asked for, in nanoseconds since the epoch. */
  readonly until: bigint;
}

const number = (value: unknown) => BigInt(String(value));

/** Times without reports, and until when all nodes that still report have delivered. */
function observed(reports: readonly StoreRow[], window: Window): Pick<Completeness, 'watermark' | 'unobserved'> {
  const now = wallClock();
  const until = earliest([window.until, now]);
  const unobserved: Completeness['unobserved'] = [];
  const note = (node: string | null, from: bigint, to: bigint) => {
    const [begin, end] = [latest([from, window.since]), earliest([to, until])];
    if (begin < end) unobserved.push({ node, from: instantText(begin), to: instantText(end) });
  };
  const marks: bigint[] = [];
  for (const report of reports) {
    const [node, from, to] = [String(report.node), number(report.from_ns), number(report.to_ns)];
    if (report.kind === 'gap') note(node, from, to);
    else if (until - to > REPORT_GAP_NS) note(node, to, until);
    else marks.push(to);
  }
  if (reports.length === 0) note(null, window.since, until);
  const watermark = marks.length === 0 ? null : instantText(earliest(marks));
  return { watermark, unobserved };
}

function missingOf(rows: readonly StoreRow[]): Pick<Completeness, 'lost' | 'shed'> {
  const all = rows.map((row) => ({
    kind: String(row.kind),
    node: String(row.node),
    reason: String(row.reason),
    count: row.count === '0' ? null : String(row.count),
    from: instantText(number(row.from_ns)),
    to: instantText(number(row.to_ns)),
  }));
  return { lost: all.filter(({ reason }) => !isShed(reason)), shed: all.filter(({ reason }) => isShed(reason)) };
}

/** Connections that are opaque; null where counting them met a limit. */
async function opaqueConnections(store: Store, question: Asked, signal: AbortSignal | undefined) {
  try {
    const [row] = await store.rows(opaqueConnectionsSql(question), signal, OPAQUE_BOUNDS);
    return { tls: String(row?.tls ?? 0), http2: String(row?.http2 ?? 0), other: String(row?.other ?? 0) };
  } catch (error) {
    if (error instanceof QueryError && LIMIT_MET.includes(error.code)) return null;
    throw error;
  }
}

const OPAQUE_BOUNDS = { max_execution_s: 2, max_rows_to_read: 50_000_000 };
const LIMIT_MET = ['FLOW_QUERY_TOO_DEAR', 'FLOW_QUERY_TOO_SLOW', 'FLOW_QUERY_OUT_OF_MEMORY'];

/** What the object needs to know of a question. */
export type Asked = Pick<Question, 'scope' | 'filters' | 'since' | 'until'>;

/**
 * Reads how well the time asked for is covered.
 * @param table table whose rows are asked for
 */
export async function readCoverage(
  store: Store,
  table: StoredTable,
  question: Asked,
  signal?: AbortSignal,
): Promise<Coverage> {
  const [reports, losses, expired, opaque_connections] = await Promise.all([
    store.rows(reportsSql(question, REPORT_GAP_NS), signal),
    store.rows(lostSql(question), signal),
    expiredBefore(store, table, signal),
    opaqueConnections(store, question, signal),
  ]);
  const settled = settledUntil(question);
  return {
    ...observed(reports, question),
    ...missingOf(losses),
    identities_settled_until: settled === undefined ? null : instantText(settled),
    expired_before: expired > question.since ? instantText(expired) : null,
    opaque_connections,
    until: question.until,
  };
}

/**
 * The object of one answer.
 * @param sampled whether a row of the answer stands for more than itself
 */
export function completenessOf(coverage: Coverage, sampled: boolean): Completeness {
  const { until, watermark, lost, shed, unobserved, expired_before } = coverage;
  const { identities_settled_until, opaque_connections } = coverage;
  const delivered = watermark !== null && nanosecondsOf(watermark) >= until;
  const nothingMissing = lost.length === 0 && shed.length === 0 && unobserved.length === 0;
  const complete = delivered && nothingMissing && !sampled && expired_before === null;
  return {
    ...{ complete, watermark, lost, shed, sampled, unobserved },
    ...{ identities_settled_until, expired_before, opaque_connections },
  };
}
