/** Reads a question about edges. */
import { HOUR_PROPERTIES } from '../../store/edge_hours.ts';
import { EDGE_KEY } from '../../store/rollups.ts';
import { column, FLOWS, REQUESTS, type Table } from '../../store/tables.ts';
import { type Cursor, decodeCursor, questionHash } from './cursor.ts';
import { EDGE_MEASURES } from './edge_measures.ts';
import { END_PROPERTIES, ENDS } from './endpoint_names.ts';
import { badValue } from './errors.ts';
import { type Filter, type FilterParameter, mayChange } from './filter/filter.ts';
import { readFilter } from './filter/read.ts';
import type { GroupKey } from './grouping.ts';
import { readInterval } from './grouping.ts';
import type { Limits } from './options.ts';
import { type QueryString, refuseUnknown, single } from './query_string.ts';
import { GENERAL_PARAMETERS, type Question, readFormat, readLimit, readWindow, type Window } from './question.ts';
import type { Scope } from './scope.ts';
import { DIALLED_COLUMNS } from './sql/dialled.ts';
import { FLOWS_DEFINITION } from './sql/flows.ts';
import { REQUESTS_DEFINITION } from './sql/requests.ts';

/** Columns that flows, requests and tcp_events share and that say whose connection it is. */
const SHARED = new Set([
  ...EDGE_KEY,
  ...['node', 'boot_id', 'netns', 'pid', 'owner_cgroup_id', 'ip_version', 'application_protocol'],
  ...['source_address', 'destination_address', 'source_port', 'source_basis', 'destination_basis'],
  ...DIALLED_COLUMNS,
]);

const isDialled = (column: string) => DIALLED_COLUMNS.includes(column);

const isShared = (parameter: FilterParameter) =>
  parameter.name !== 'flow_id' && parameter.columns.every((one) => SHARED.has(one.name));

/** Filters of /v1/edges: on connections, and on requests. */
export const EDGE_FILTERS: ReadonlyMap<string, FilterParameter> = new Map([
  ...[...REQUESTS_DEFINITION.filters].filter(([name]) => name !== 'flow_id'),
  ...[...FLOWS_DEFINITION.filters].filter(([, parameter]) => isShared(parameter)),
]);

/** General parameters that the route takes. */
export const EDGE_GENERAL = ['since', 'until', 'limit', 'cursor', 'order', 'group_by', 'interval', 'format'] as const;

/** Columns that edges can be grouped by. */
const KEY_COLUMNS = [
  ...EDGE_KEY.filter((name) => name !== 'observation_point'),
  'source_address',
  'destination_address',
];

/** What edges_1h is by. */
const HOUR_KEYS = ['cluster', 'interval_start', ...ENDS.flatMap((end) => HOUR_PROPERTIES.map((of) => `${end}_${of}`))];

/** What is asked of edges. */
export interface EdgesQuestion
  extends Pick<Question, 'since' | 'until' | 'scope' | 'filters' | 'limit' | 'format' | 'order'> {
  readonly keys: readonly GroupKey[];
  readonly interval: bigint | undefined;
  readonly cursor: Cursor | undefined;
  readonly hash: string;
  /** Whether it speaks of services: then clients' views alone tell, for servers do not know what was dialled. */
  readonly asDialled: boolean;
  /** What can answer it. */
  readonly from: 'edges_1m' | 'rows';
  /** Up to when edges_1m is built, on a whole minute; nanoseconds since the epoch. */
  readonly builtUntil: bigint;
  /** Whether edges_1h can tell it, as far as it is built. */
  readonly isHourly: boolean;
  /** Hours that edges_1h holds: times without a gap. */
  readonly builtHours: readonly Window[];
  /** Whether only edges with requests that pass the filters are wanted. */
  readonly onlyWithRequests: boolean;
  /** The filters that say something about rows of the table. */
  readonly filtersFor: (table: Table) => readonly Filter[];
}

/** Names that edges can be grouped by. */
export function edgeKeyNames(): string[] {
  return [...KEY_COLUMNS, 'service', ...ENDS.flatMap((end) => END_PROPERTIES.map((property) => `${end}_${property}`))];
}

function keyOf(name: string): GroupKey {
  if (name === 'service') return { name, kind: 'service' };
  if (KEY_COLUMNS.includes(name)) return { name, kind: 'column', column: column(FLOWS, name) };
  for (const end of ENDS) {
    const property = END_PROPERTIES.find((candidate) => name === `${end}_${candidate}`);
    if (property !== undefined) return { name, kind: 'end', end, property };
  }
  throw badValue('group_by', name, edgeKeyNames());
}

function readKeys(query: QueryString, interval: bigint | undefined): GroupKey[] {
  const asked = (query.group_by ?? []).flatMap((value) => value.split(','));
  const names = asked.length === 0 ? ['source_endpoint_id', 'destination_endpoint_id'] : [...new Set(asked)];
  const keys = names.map(keyOf);
  return interval === undefined ? keys : [{ name: 'interval_start', kind: 'interval' }, ...keys];
}

function readOrder(query: QueryString, keys: readonly GroupKey[]): Question['order'] {
  const text = single(query, 'order') ?? '-requests';
  const descending = text.startsWith('-');
  const by = descending ? text.slice(1) : text;
  const allowed = [...keys.map((key) => key.name), ...EDGE_MEASURES.map((measure) => measure.name)];
  if (!allowed.includes(by)) throw badValue('order', text, allowed);
  return { by, descending };
}

/**
 * Reads the query string of /v1/edges.
 * @throws QueryError with status 400 or 422
 */
export function readEdgesQuestion(
  query: QueryString,
  accept: string | undefined,
  scope: Scope,
  limits: Limits,
): Omit<EdgesQuestion, 'builtUntil' | 'builtHours'> {
  refuseUnknown(query, [...EDGE_GENERAL, ...EDGE_FILTERS.keys()]);
  const filters = Object.entries(query).flatMap(([name, values]) => {
    const parameter = EDGE_FILTERS.get(name);
    return parameter === undefined ? [] : [readFilter(parameter, values)];
  });
  const columnsOf = ({ any, none }: Filter) => [...any, ...none].map((alternative) => alternative.column.name);
  const shared = filters.filter((filter) => columnsOf(filter).every((name) => SHARED.has(name)));
  const interval = readInterval(query);
  const keys = readKeys(query, interval);
  const inRollup = (name: string) => EDGE_KEY.includes(name);
  const rollup =
    filters.every((filter) => columnsOf(filter).every(inRollup)) &&
    // a minute may hold rows of before and after
    !filters.some(({ any, none }) => [...any, ...none].some(({ test }) => mayChange(test))) &&
    keys.every((key) => (key.kind !== 'column' || inRollup(key.name)) && key.kind !== 'service') &&
    (interval === undefined || interval % 60_000_000_000n === 0n);
  const isHourly =
    rollup &&
    filters.every((filter) => columnsOf(filter).every((name) => name === 'cluster')) &&
    keys.every((key) => HOUR_KEYS.includes(key.name)) &&
    (interval === undefined || interval % 3_600_000_000_000n === 0n);
  const hash = questionHash('edges', query);
  const text = single(query, 'cursor');
  const cursor = text === undefined ? undefined : decodeCursor(hash, text, 1);
  return {
    ...readWindow(query, limits, cursor),
    scope,
    filters,
    limit: readLimit(query, limits),
    format: readFormat(query, accept),
    order: readOrder(query, keys),
    keys,
    interval,
    cursor,
    hash,
    asDialled:
      keys.some(({ kind }) => kind === 'service') || filters.some((filter) => columnsOf(filter).some(isDialled)),
    from: rollup ? 'edges_1m' : 'rows',
    isHourly,
    onlyWithRequests: shared.length < filters.length,
    filtersFor: (table) => (table.name === REQUESTS.name ? filters : shared),
  };
}

/** Docs of the general parameters. */
export const EDGE_GENERAL_DOCS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(EDGE_GENERAL.map((name) => [name, GENERAL_PARAMETERS[name] ?? ''])),
  order: 'Measure or key to order by, largest first with a leading -. Default: -requests.',
  group_by: `What makes an edge, separated by commas, of ${edgeKeyNames().join(', ')}. Default: both endpoint ids.`,
};
