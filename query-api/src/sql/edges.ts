/**
 * /v1/edges: who talks to whom, and how it goes. Sums per pair of endpoints and observed end come from edges_1m, or
 * from the rows themselves where edges_1m cannot tell; what the two ends saw is put together the same way for both.
 */
import { EDGE_AGGREGATES, EDGES_1M, type EdgeAggregate } from '../../../store/rollups.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../../store/tables.ts';
import { EDGE_COUNTS, EDGE_MEASURES, type EdgeCount } from '../edge_measures.ts';
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

const intervalSql = ({ interval = SECOND_NS }: EdgesQuestion, time: string): string =>
  `toStartOfInterval(toDateTime(${time}), toIntervalSecond(${interval / SECOND_NS}))`;

function intervalColumn(question: EdgesQuestion, time: string): string[] {
  return question.interval === undefined ? [] : [`${intervalSql(question, time)} AS interval_start`];
}

const keySql = (name: string) => (name === 'service' ? SERVICE_SQL('t') : `t.${name}`);

/** What is read for a question, and which of it. */
interface Reading {
  readonly question: EdgesQuestion;
  readonly parameters: Parameters;
  readonly aggregates: readonly EdgeAggregate[];
  /** Condition on `t`, which may speak of `{edge}`, the columns that tell edges apart; all edges if absent. */
  readonly only: string | undefined;
}

/** SELECT of edges as one source has them: what tells them apart, the observed end, and what is added up as a_…. */
function select(
  { question, aggregates, only }: Reading,
  time: string,
  aggregate: (one: EdgeAggregate) => string,
  weight: string,
  isGrouped: boolean,
): string {
  const interval = intervalColumn(question, time);
  const keys = [...identity(question), 'observation_point'];
  const columns = [
    ...interval,
    ...keys.map((name) => `${keySql(name)} AS ${name}`),
    ...aggregates.map((one) => `${aggregate(one)} AS a_${one.name}`),
    `${weight} AS weight`,
  ];
  const edge = [...interval.map(() => intervalSql(question, time)), ...identity(question).map(keySql)];
  const also = only === undefined ? '' : ` AND ${only.replace('{edge}', () => edge.join(', '))}`;
  const grouped = [...interval.map(() => 'interval_start'), ...keys.map(keySql)];
  return `SELECT ${columns.join(', ')} FROM {from} WHERE {where}${also}${isGrouped ? ` GROUP BY ${grouped.join(', ')}` : ''}`;
}

function fromRows(reading: Reading, table: Table, window: Window): string {
  const { question, parameters } = reading;
  const asked = { scope: question.scope, filters: question.filtersFor(table), ...window };
  const conditions = question.asDialled ? ["t.observation_point = 'client'"] : [];
  const columns = ['source_endpoint_id', 'destination_endpoint_id'];
  const { from, where } = rowsSql(asked, { table, columns, conditions, paired: true }, parameters);
  const own = (one: EdgeAggregate) => (one.table === table ? one.of : one.empty);
  return select(reading, 't.time', own, 'max(t.sample_weight)', true)
    .replace('{from}', () => from)
    .replace('{where}', () => where);
}

function fromRollup(reading: Reading, window: Window): string {
  const { question, parameters } = reading;
  const { from, condition } = scoped(question.scope, EDGES_1M.name, 't', parameters);
  const filters = filtersSql(
    question.filtersFor(FLOWS),
    { scope: question.scope, since: window.since },
    parameters,
    MINUTE_END,
  );
  const [since, until] = [window.since, window.until].map((time) => parameters.bind(time / SECOND_NS, 'DateTime'));
  return select(reading, 't.minute', (one) => `t.${one.name}`, 'toUInt32(1)', false)
    .replace('{from}', () => `${from} FINAL`)
    .replace('{where}', () => `${condition} AND t.minute >= ${since} AND t.minute < ${until} AND ${filters}`);
}

/** Begin of the first whole minute from a time on; nanoseconds since the epoch. */
export function wholeMinute(time: bigint): bigint {
  return ((time + MINUTE_NS - 1n) / MINUTE_NS) * MINUTE_NS;
}

/** The whole minutes that edges_1m tells; undefined if there are none. */
function rolledUp({ from, since, until, builtUntil }: EdgesQuestion): Window | undefined {
  const [first, last] = [wholeMinute(since), earliest([(until / MINUTE_NS) * MINUTE_NS, builtUntil])];
  return from === 'rows' || first >= last ? undefined : { since: first, until: last };
}

/** What the question is answered from: whole minutes from edges_1m where those are built and can tell, else rows. */
function sources(reading: Reading): string {
  const { question } = reading;
  const rows = (since: bigint, until: bigint) =>
    since < until ? [FLOWS, REQUESTS, TCP_EVENTS].map((table) => fromRows(reading, table, { since, until })) : [];
  const minutes = rolledUp(question);
  const parts =
    minutes === undefined
      ? rows(question.since, question.until)
      : [...rows(question.since, minutes.since), fromRollup(reading, minutes), ...rows(minutes.until, question.until)];
  return parts.join('\nUNION ALL ');
}

/** Longest time, in nanoseconds, whose histograms of one pair are gathered before they are summed up. */
const GATHERED_NS = 86_400_000_000_000n;

/**
 * An aggregate of one pair of endpoints, over rows of `sources` that fulfil a condition. Histograms are only gathered:
 * a sum of maps for each of many pairs costs many times what all else does. It comes as (buckets, counts).
 */
function ofPair(one: EdgeAggregate, condition: string, isGathered: boolean): string {
  if (one.merge !== 'sumMap') return `${one.merge}If(a_${one.name}, ${condition})`;
  const parts = [`mapKeys(a_${one.name})`, `mapValues(a_${one.name})`];
  if (!isGathered) return `sumMapIf(${parts.join(', ')}, ${condition})`;
  return `(${parts.map((part) => `groupArrayArrayIf(${part}, ${condition})`).join(', ')})`;
}

const SIDES: Readonly<Record<string, string>> = {
  c: "observation_point = 'client'",
  s: "observation_point != 'client'",
};

/** What a SQL text names of those that begin so. */
const namesIn = (text: string, prefix: string) => new Set(text.match(new RegExp(`\\b${prefix}_\\w+`, 'g')));

/** Groups of edges as the question makes them, k0, k1, … and the counts, and what one of these was made of. */
function groupedSql(
  question: EdgesQuestion,
  counts: readonly EdgeCount[],
  only: string | undefined,
  parameters: Parameters,
  more: readonly string[] = [],
): string {
  const edge = edgeColumns(question);
  const used = namesIn(counts.map(({ of }) => of).join(' '), '[bcs]');
  const aggregates = EDGE_AGGREGATES.filter(({ name }) => ['b', 'c', 's'].some((side) => used.has(`${side}_${name}`)));
  const isGathered = question.until - question.since <= GATHERED_NS;
  const seenBy = aggregates.flatMap((one) => [
    ...(used.has(`b_${one.name}`) ? [`${one.merge}(a_${one.name}) AS b_${one.name}`] : []),
    ...Object.entries(SIDES).flatMap(([side, condition]) =>
      used.has(`${side}_${one.name}`) ? [`${ofPair(one, condition, isGathered)} AS ${side}_${one.name}`] : [],
    ),
  ]);
  // per pair of endpoints: what each end saw, then what counts of it
  const seen = [
    `SELECT ${[...edge, ...seenBy].join(', ')}, max(weight) AS weight`,
    `FROM (${sources({ question, parameters, aggregates, only })}) GROUP BY ${edge.join(', ')}`,
  ].join('\n');
  const counted = `SELECT ${edge.join(', ')}, weight, ${counts.map(({ name, of }) => `${of} AS ${name}`).join(', ')} FROM (${seen})`;
  const keys = question.keys.map((key, index) =>
    key.kind === 'end' ? `${key.end}.${key.property} AS k${index}` : `t.${key.name} AS k${index}`,
  );
  const ends = ENDS.filter((end) => question.keys.some((key) => key.kind === 'end' && key.end === end));
  const merged = counts.map(({ name, merge }) => {
    const sum = `${merge}(t.${name})`;
    return `${merge === 'sumMap' ? `CAST(${sum}, 'Map(Int16, UInt64)')` : sum} AS ${name}`;
  });
  return [
    `SELECT ${[...keys, ...merged, ...more].join(', ')}, max(t.weight) AS weight FROM (${counted}) AS t`,
    ...ends.map((end) => namesJoin(question, end, parameters)),
    `GROUP BY ${keyNames(question).join(', ')}`,
  ].join('\n');
}

const edgeColumns = (question: EdgesQuestion) => [
  ...(question.interval === undefined ? [] : ['interval_start']),
  ...identity(question),
];
const keyNames = ({ keys }: EdgesQuestion) => keys.map((_key, index) => `k${index}`);

const countsIn = (text: string) => {
  const names = namesIn(text, 'n');
  return EDGE_COUNTS.filter(({ name }) => names.has(name));
};

/** Most edges of a page for which it is found out first which they are, unless edges are of single endpoints. */
const SMALL_PAGE = 200;
/** Minutes are cheap to read twice; rows, if any, make up no more of the time than one in so many. */
const ROWS_ONE_IN = 50n;

/** Whether there may be many more edges than on the page: then all of their numbers are read of those of the page only. */
function isPageFirst(question: EdgesQuestion, limit: number): boolean {
  const minutes = rolledUp(question);
  if (minutes === undefined) return false;
  const whole = question.until - question.since;
  if ((whole - (minutes.until - minutes.since)) * ROWS_ONE_IN > whole) return false;
  const isSingle = ({ name }: EdgesQuestion['keys'][number]) =>
    /_endpoint_id$|^(?:source|destination)_name$/.test(name);
  return limit <= SMALL_PAGE || question.keys.some(isSingle);
}

/**
 * One page of edges. Keys come as k0, k1, …, measures under their names.
 * @param offset edges before the page
 * @param limit most edges
 * @param pageFirst whether it is found out first, by what orders them, which edges are on the page
 */
export function edgesSql(
  question: EdgesQuestion,
  offset: number,
  limit: number,
  pageFirst = isPageFirst(question, limit),
): BoundQuery {
  const parameters = new Parameters();
  const seconds = (Number(question.interval ?? question.until - question.since) / 1e9).toString();
  const measures = EDGE_MEASURES.map(({ name, expression }) => ({
    name,
    of: expression.replaceAll('{seconds}', seconds),
  }));
  const names = keyNames(question);
  const most = parameters.bind(limit, 'UInt64');
  const from = parameters.bind(offset, 'UInt64');
  const key = names[question.keys.findIndex(({ name }) => name === question.order.by)];
  const where = question.onlyWithRequests ? 'WHERE n_requests > 0' : '';
  const ordered = (by: string) =>
    `ORDER BY ${by} ${question.order.descending ? 'DESC' : 'ASC'} NULLS LAST, ${names.join(', ')} LIMIT ${most}`;
  let only: string | undefined;
  if (pageFirst) {
    const by = key ?? measures.find(({ name }) => name === question.order.by)!.of;
    const edges = `groupArray(tuple(${edgeColumns(question)
      .map((name) => `t.${name}`)
      .join(', ')})) AS edges`;
    const all = groupedSql(question, countsIn(`${by} ${where}`), undefined, parameters, [edges]);
    only = `({edge}) IN (SELECT arrayJoin(edges) FROM (SELECT edges FROM (${all}) ${where} ${ordered(by)} OFFSET ${from}))`;
  }
  const sql = [
    `SELECT ${names.join(', ')}, weight AS _weight, ${measures.map(({ name, of }) => `${of} AS ${name}`).join(', ')}`,
    `FROM (${groupedSql(question, EDGE_COUNTS, only, parameters)}) ${where}`,
    `${ordered(key ?? question.order.by)}${pageFirst ? '' : ` OFFSET ${from}`}`,
  ].join('\n');
  return { sql, parameters };
}
