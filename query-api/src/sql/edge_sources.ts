/**
 * Where edges are read from: whole hours from edges_1h where that is by what the question asks for, whole minutes from
 * edges_1m, what is left of the time from the rows. What the two ends of a pair saw in one hour of the clock is put
 * together (store/edge_counts.ts) in the same way for all of them.
 */
import { type EdgeCount, seenByEnds } from '../../../store/edge_counts.ts';
import { EDGES_1H } from '../../../store/edge_hours.ts';
import { EDGES_1M, type EdgeAggregate } from '../../../store/rollups.ts';
import { FLOWS, REQUESTS, type Table, TCP_EVENTS } from '../../../store/tables.ts';
import type { EdgesQuestion } from '../edges.ts';
import { ENDS } from '../endpoint_names.ts';
import { filtersSql } from '../filter/sql.ts';
import type { GroupKey } from '../grouping.ts';
import type { Window } from '../question.ts';
import { scoped } from '../scope.ts';
import { earliest, latest } from '../time.ts';
import { SERVICE_SQL } from './dialled.ts';
import { namesJoin } from './group.ts';
import type { Parameters } from './parameters.ts';
import { rowsSql } from './rows.ts';

const SECOND_NS = 1_000_000_000n;
const MINUTE_NS = 60n * SECOND_NS;
const HOUR_NS = 60n * MINUTE_NS;
/** Time of a row of edges_1m, as in its named view. */
const MINUTE_END = "toDateTime64(t.minute + 59, 9, 'UTC')";

/** Begin of the first whole one from a time on; nanoseconds since the epoch. */
const wholeFrom = (time: bigint, length: bigint): bigint => ((time + length - 1n) / length) * length;
/** Begin of the first whole minute from a time on; nanoseconds since the epoch. */
export const wholeMinute = (time: bigint): bigint => wholeFrom(time, MINUTE_NS);

/** The whole ones of a length within a time; undefined if there are none. */
function wholes({ since, until }: Window, length: bigint): Window | undefined {
  const [first, last] = [wholeFrom(since, length), (until / length) * length];
  return first < last ? { since: first, until: last } : undefined;
}

/** What is before and after a part of a time. */
function rest(whole: Window, part: Window | undefined): Window[] {
  if (part === undefined) return [whole];
  const ends = [
    { since: whole.since, until: part.since },
    { since: part.until, until: whole.until },
  ];
  return ends.filter(({ since, until }) => since < until);
}

const lengthOf = ({ since, until }: Window) => until - since;

/** Times that are read from each source. */
export interface Parts {
  readonly rows: readonly Window[];
  readonly minutes: readonly Window[];
  readonly hours: Window | undefined;
}

/** The hours that are built and lie together, the most of those within the time. */
function hoursWithin(question: EdgesQuestion, time: Window): Window | undefined {
  if (!question.isHourly) return undefined;
  const found = question.builtHours.flatMap((built) => {
    const within = { since: latest([built.since, time.since]), until: earliest([built.until, time.until]) };
    return within.since < within.until ? (wholes(within, HOUR_NS) ?? []) : [];
  });
  return found.reduce<Window | undefined>(
    (most, one) => (most === undefined || lengthOf(one) > lengthOf(most) ? one : most),
    undefined,
  );
}

/** Which part of a question's time is read from where. */
export function partsOf(question: EdgesQuestion): Parts {
  const { since, until, builtUntil, from } = question;
  const built = { since, until: earliest([until, builtUntil]) };
  const minutes = from === 'rows' || built.until <= since ? undefined : wholes(built, MINUTE_NS);
  if (minutes === undefined) return { rows: [{ since, until }], minutes: [], hours: undefined };
  const hours = hoursWithin(question, minutes);
  return { rows: rest({ since, until }, minutes), minutes: rest(minutes, hours), hours };
}

/** What a question groups by is k0, k1, …, in the order of its keys. */
export const keyNames = ({ keys }: EdgesQuestion): string[] => keys.map((_key, index) => `k${index}`);

/** What is read for a question. */
export interface Reading {
  readonly question: EdgesQuestion;
  readonly counts: readonly EdgeCount[];
  readonly parameters: Parameters;
  /** SELECT of k0, k1, … and of `edges` of those groups that are wanted; all if absent. */
  readonly page?: string;
  /** Whether what tells apart the edges that a row is made of comes as well, as `edges`; of hours nothing does. */
  readonly withEdges?: boolean;
}

/** One edge's columns besides what is counted: its ends, and what the question groups by. */
function identity(question: EdgesQuestion): string[] {
  const asked = question.keys.flatMap(({ kind, name }) => (kind === 'column' || kind === 'service' ? [name] : []));
  return [...new Set(['cluster', 'source_endpoint_id', 'destination_endpoint_id', ...asked])];
}

/** What tells edges apart. */
const edgeColumns = (question: EdgesQuestion) => [
  ...(question.interval === undefined ? [] : ['interval_start']),
  ...identity(question),
];

const intervalSql = ({ interval = SECOND_NS }: EdgesQuestion, time: string): string =>
  `toStartOfInterval(toDateTime(${time}), toIntervalSecond(${interval / SECOND_NS}))`;

const keySql = (name: string) => (name === 'service' ? SERVICE_SQL('t') : `t.${name}`);

/** SELECT of edges as one source has them: what tells them apart, hour and end, and what is added up as a_…. */
function select(
  { question, page }: Reading,
  time: string,
  sums: readonly string[],
  weight: string,
  isGrouped: boolean,
): string {
  const interval = question.interval === undefined ? [] : [intervalSql(question, time)];
  const keys = [...identity(question), 'observation_point'];
  const hour = `toStartOfHour(toDateTime(${time}))`;
  const columns = [
    ...interval.map((of) => `${of} AS interval_start`),
    `${hour} AS hour`,
    ...keys.map((name) => `${keySql(name)} AS ${name}`),
    ...sums,
    `${weight} AS weight`,
  ];
  const edge = [...interval, ...identity(question).map(keySql)].join(', ');
  const also = page === undefined ? '' : ` AND (${edge}) IN (SELECT arrayJoin(edges) FROM (${page}))`;
  const grouped = [...interval.map(() => 'interval_start'), 'hour', ...keys.map(keySql)];
  return `SELECT ${columns.join(', ')} FROM {from} WHERE {where}${also}${isGrouped ? ` GROUP BY ${grouped.join(', ')}` : ''}`;
}

function fromRows(reading: Reading, aggregates: readonly EdgeAggregate[], table: Table, window: Window): string {
  const { question, parameters } = reading;
  const asked = { scope: question.scope, filters: question.filtersFor(table), ...window };
  const conditions = question.asDialled ? ["t.observation_point = 'client'"] : [];
  const columns = ['source_endpoint_id', 'destination_endpoint_id'];
  const { from, where } = rowsSql(asked, { table, columns, conditions, paired: true }, parameters);
  const sums = aggregates.map((one) => `${one.table === table ? one.of : one.empty} AS a_${one.name}`);
  return select(reading, 't.time', sums, 'max(t.sample_weight)', true)
    .replace('{from}', () => from)
    .replace('{where}', () => where);
}

const inRollup = (name: string, window: Window, parameters: Parameters) => {
  const [since, until] = [window.since, window.until].map((time) => parameters.bind(time / SECOND_NS, 'DateTime'));
  return `t.${name} >= ${since} AND t.${name} < ${until}`;
};

function fromMinutes(reading: Reading, aggregates: readonly EdgeAggregate[], window: Window): string {
  const { question, parameters } = reading;
  const { from, condition } = scoped(question.scope, EDGES_1M.name, 't', parameters);
  const asked = { scope: question.scope, since: window.since };
  const filters = filtersSql(question.filtersFor(FLOWS), asked, parameters, MINUTE_END);
  const sums = aggregates.map(({ name }) => `t.${name} AS a_${name}`);
  return select(reading, 't.minute', sums, 'toUInt32(1)', false)
    .replace('{from}', () => `${from} FINAL`)
    .replace('{where}', () => `${condition} AND ${inRollup('minute', window, parameters)} AND ${filters}`);
}

/** Longest time, in nanoseconds, whose histograms of one pair are gathered before they are summed up. */
const GATHERED_NS = 24n * HOUR_NS;

/** Per pair of endpoints and hour, of rows and minutes. */
function byPair(reading: Reading, { rows, minutes }: Parts): string {
  const { question, counts, parameters, withEdges } = reading;
  const edge = edgeColumns(question).join(', ');
  const { aggregates, columns } = seenByEnds(counts, (name) => `a_${name}`, lengthOf(question) <= GATHERED_NS);
  const sources = [
    ...rows.flatMap((window) =>
      [FLOWS, REQUESTS, TCP_EVENTS].map((table) => fromRows(reading, aggregates, table, window)),
    ),
    ...minutes.map((window) => fromMinutes(reading, aggregates, window)),
  ];
  const seen = `SELECT ${[edge, ...columns].join(', ')}, max(weight) AS weight FROM (${sources.join('\nUNION ALL ')}) GROUP BY ${edge}, hour`;
  const counted = `SELECT ${edge}, weight, ${counts.map(({ name, of }) => `${of} AS ${name}`).join(', ')} FROM (${seen})`;
  const key = (one: GroupKey) => (one.kind === 'end' ? `${one.end}.${one.property}` : `t.${one.name}`);
  const ends = ENDS.filter((end) => question.keys.some((one) => one.kind === 'end' && one.end === end));
  const told = [
    ...question.keys.map((one, index) => `${key(one)} AS k${index}`),
    ...counts.map(({ name }) => `t.${name} AS ${name}`),
    't.weight AS weight',
    ...(withEdges ? [`[tuple(${edgeColumns(question).map((name) => `t.${name}`)})] AS edges`] : []),
  ];
  return `SELECT ${told.join(', ')} FROM (${counted}) AS t ${ends.map((end) => namesJoin(question, end, parameters)).join(' ')}`;
}

/** Per pair of workloads and hour. */
function byHour({ question, counts, parameters, page, withEdges }: Reading, window: Window): string {
  const { from, condition } = scoped(question.scope, EDGES_1H.name, 't', parameters);
  const keys = question.keys.map((key) =>
    key.kind === 'interval' ? intervalSql(question, 't.hour') : `t.${key.name}`,
  );
  const filters = filtersSql(question.filters, { scope: question.scope, since: window.since }, parameters);
  const also =
    page === undefined ? '' : ` AND (${keys.join(', ')}) IN (SELECT ${keyNames(question).join(', ')} FROM (${page}))`;
  const told = [
    ...keys.map((key, index) => `${key} AS k${index}`),
    ...counts.map(({ name }) => `t.${name} AS ${name}`),
    'toUInt32(1) AS weight',
    ...(withEdges ? ['[] AS edges'] : []),
  ];
  return `SELECT ${told.join(', ')} FROM ${from} FINAL WHERE ${condition} AND ${inRollup('hour', window, parameters)} AND ${filters}${also}`;
}

/**
 * SELECTs of what the question groups by (k0, k1, …), the counts and `weight`, any number of rows for each group.
 * Buckets of histograms may repeat.
 */
export function countedSql(reading: Reading): string {
  const parts = partsOf(reading.question);
  return [
    ...(parts.rows.length + parts.minutes.length === 0 ? [] : [byPair(reading, parts)]),
    ...(parts.hours === undefined ? [] : [byHour(reading, parts.hours)]),
  ].join('\nUNION ALL ');
}
