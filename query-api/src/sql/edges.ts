/**
 * /v1/edges: who talks to whom, and how it goes. Sums per pair of endpoints and observed end come from edges_1m, or
 * from the rows themselves where edges_1m cannot tell; what the two ends saw is put together the same way for both.
 */
import { EDGE_AGGREGATES, EDGES_1M, type EdgeAggregate } from '../../../store/rollups.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../../store/tables.ts';
import { EDGE_COUNTS, EDGE_MEASURES } from '../edge_measures.ts';
import type { EdgesQuestion } from '../edges.ts';
import { ENDS } from '../endpoint_names.ts';
import { filtersSql } from '../filter/sql.ts';
import type { Window } from '../question.ts';
import { scoped } from '../scope.ts';
import { earliest } from '../time.ts';
import { SERVICE_SQL } from './dialled.ts';
import { namesJoin } from './group.ts';
import { type BoundQuery, Parameters } from './parameters.ts';
import { rowsSql } from './rows.ts';

const MINUTE_NS = 60_000_000_000n;
const SECOND_NS = 1_000_000_000n;
/** Time of a row of edges_1m, as in its named view. */
const MINUTE_END = "toDateTime64(t.minute + 59, 9, 'UTC')";

/** One edge's columns besides the aggregates: both ends, what the question groups by, and the observed end. */
function identity(question: EdgesQuestion): string[] {
  const asked = question.keys.flatMap(({ kind, name }) => (kind === 'column' || kind === 'service' ? [name] : []));
  return [...new Set(['source_endpoint_id', 'destination_endpoint_id', ...asked])];
}

function intervalColumn(question: EdgesQuestion, time: string): string[] {
  if (question.interval === undefined) return [];
  return [
    `toStartOfInterval(toDateTime(${time}), toIntervalSecond(${question.interval / SECOND_NS})) AS interval_start`,
  ];
}

const keySql = (name: string) => (name === 'service' ? SERVICE_SQL('t') : `t.${name}`);

interface Reading {
  readonly question: EdgesQuestion;
  readonly parameters: Parameters;
}

/** SELECT of an edge's aggregates, grouped by all that comes before them. */
function select(
  question: EdgesQuestion,
  time: string,
  aggregate: (one: EdgeAggregate) => string,
  weight: string,
): string {
  const interval = intervalColumn(question, time);
  const keys = [...identity(question), 'observation_point'];
  const columns = [
    ...interval,
    ...keys.map((name) => `${keySql(name)} AS ${name}`),
    ...EDGE_AGGREGATES.map((one) => `${aggregate(one)} AS a_${one.name}`),
    `${weight} AS weight`,
  ];
  const grouped = [...interval.map(() => 'interval_start'), ...keys.map(keySql)];
  return `SELECT ${columns.join(', ')} FROM {from} WHERE {where} GROUP BY ${grouped.join(', ')}`;
}

function fromRows({ question, parameters }: Reading, table: Table, window: Window): string {
  const asked = { scope: question.scope, filters: question.filtersFor(table), ...window };
  const conditions = question.asDialled ? ["t.observation_point = 'client'"] : [];
  const columns = ['source_endpoint_id', 'destination_endpoint_id'];
  const { from, where } = rowsSql(asked, { table, columns, conditions, paired: true }, parameters);
  const own = (one: EdgeAggregate) => (one.table === table ? one.of : one.empty);
  return select(question, 't.time', own, 'max(t.sample_weight)')
    .replace('{from}', () => from)
    .replace('{where}', () => where);
}

function fromRollup({ question, parameters }: Reading, window: Window): string {
  const { from, condition } = scoped(question.scope, EDGES_1M.name, 't', parameters);
  const filters = filtersSql(
    question.filtersFor(FLOWS),
    { scope: question.scope, since: window.since },
    parameters,
    MINUTE_END,
  );
  const [since, until] = [window.since, window.until].map((time) => parameters.bind(time / SECOND_NS, 'DateTime'));
  return select(question, 't.minute', (one) => `${one.merge}(t.${one.name})`, 'toUInt32(1)')
    .replace('{from}', () => `${from} FINAL`)
    .replace('{where}', () => `${condition} AND t.minute >= ${since} AND t.minute < ${until} AND ${filters}`);
}

/** Begin of the first whole minute from a time on; nanoseconds since the epoch. */
export function wholeMinute(time: bigint): bigint {
  return ((time + MINUTE_NS - 1n) / MINUTE_NS) * MINUTE_NS;
}

/** What the question is answered from: whole minutes from edges_1m where those are built and can tell, else rows. */
function sources(reading: Reading): string {
  const { question } = reading;
  const rows = (since: bigint, until: bigint) =>
    since < until ? [FLOWS, REQUESTS, TCP_EVENTS].map((table) => fromRows(reading, table, { since, until })) : [];
  const first = wholeMinute(question.since);
  const last = earliest([(question.until / MINUTE_NS) * MINUTE_NS, question.builtUntil]);
  const parts =
    question.from === 'rows' || first >= last
      ? rows(question.since, question.until)
      : [
          ...rows(question.since, first),
          fromRollup(reading, { since: first, until: last }),
          ...rows(last, question.until),
        ];
  return parts.join('\nUNION ALL ');
}

/**
 * One page of edges. Keys come as k0, k1, …, measures under their names.
 * @param offset edges before the page
 * @param limit most edges
 */
export function edgesSql(question: EdgesQuestion, offset: number, limit: number): BoundQuery {
  const parameters = new Parameters();
  const edge = [...(question.interval === undefined ? [] : ['interval_start']), ...identity(question)];
  const side = (point: string, letter: string) =>
    EDGE_AGGREGATES.map(({ name, merge }) => `${merge}If(a_${name}, observation_point ${point}) AS ${letter}_${name}`);
  // per pair of endpoints: what each end saw, then what counts of it
  const seen = [
    `SELECT ${[...edge, ...side("= 'client'", 'c'), ...side("!= 'client'", 's')].join(', ')}, max(weight) AS weight`,
    `FROM (${sources({ question, parameters })}) GROUP BY ${edge.join(', ')}`,
  ].join('\n');
  const counted = `SELECT ${edge.join(', ')}, weight, ${EDGE_COUNTS.map(({ name, of }) => `${of} AS ${name}`).join(', ')} FROM (${seen})`;
  const keys = question.keys.map((key, index) =>
    key.kind === 'end' ? `${key.end}.${key.property} AS k${index}` : `t.${key.name} AS k${index}`,
  );
  const keyNames = question.keys.map((_key, index) => `k${index}`);
  const ends = ENDS.filter((end) => question.keys.some((key) => key.kind === 'end' && key.end === end));
  const grouped = [
    `SELECT ${keys.join(', ')}, ${EDGE_COUNTS.map(({ name, merge }) => `${merge}(t.${name}) AS ${name}`).join(', ')},`,
    `max(t.weight) AS weight FROM (${counted}) AS t`,
    ...ends.map((end) => namesJoin(question, end, parameters)),
    `GROUP BY ${keyNames.join(', ')}`,
  ].join('\n');
  const seconds = (Number(question.interval ?? question.until - question.since) / 1e9).toString();
  const measures = EDGE_MEASURES.map(
    ({ name, expression }) => `${expression.replaceAll('{seconds}', seconds)} AS ${name}`,
  );
  const order = keyNames[question.keys.findIndex((key) => key.name === question.order.by)] ?? question.order.by;
  const sql = [
    `SELECT ${keyNames.join(', ')}, weight AS _weight, ${measures.join(', ')} FROM (${grouped})`,
    question.onlyWithRequests ? 'WHERE n_requests > 0' : '',
    `ORDER BY ${order} ${question.order.descending ? 'DESC' : 'ASC'} NULLS LAST, ${keyNames.join(', ')}`,
    `LIMIT ${parameters.bind(limit, 'UInt64')} OFFSET ${parameters.bind(offset, 'UInt64')}`,
  ].join('\n');
  return { sql, parameters };
}
