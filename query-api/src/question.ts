/** Reads a query string into a question; whatever it says that is not understood is refused. */
import { type Cursor, decodeCursor, questionHash } from './cursor.ts';
import type { RowDefinition } from './definition.ts';
import { badValue, QueryError } from './errors.ts';
import { isNumeric } from './fields.ts';
import type { Filter } from './filter/filter.ts';
import { readFilter } from './filter/read.ts';
import { type Grouping, readGrouping } from './grouping.ts';
import type { Limits } from './options.ts';
import { type QueryString, refuseUnknown, single } from './query_string.ts';
import type { Scope } from './scope.ts';
import { DURATION_ALLOWED, INSTANT_ALLOWED, parseInstant, wallClock } from './time.ts';

/** Time that a question covers: from `since`, before `until`; nanoseconds since the epoch. */
export interface Window {
  readonly since: bigint;
  readonly until: bigint;
}

/** What is asked of one table. */
export interface Question extends Window {
  readonly definition: RowDefinition;
  readonly scope: Scope;
  readonly filters: readonly Filter[];
  readonly limit: number;
  readonly format: 'json' | 'ndjson';
  /** Column that orders the answer, newest or largest first if `descending`. For groups: a measure or grouped column. */
  readonly order: { readonly by: string; readonly descending: boolean };
  readonly grouping: Grouping | undefined;
  readonly cursor: Cursor | undefined;
  /** Which question a cursor belongs to. */
  readonly hash: string;
}

/** Parameters that every question about rows takes, beside its filters, with what they mean. */
export const GENERAL_PARAMETERS: Readonly<Record<string, string>> = {
  since: `Begin of the time asked for: ${INSTANT_ALLOWED}. Default: 15m before until.`,
  until: `End of the time asked for, not included; spelled like since. Default: now.`,
  limit: 'Most rows or groups of the answer. A page may hold fewer although more follow: next tells.',
  cursor: '`next` of the page before: goes on behind it, over the same time.',
  order: 'Column to order by, largest first with a leading -. Default: -time; for groups: -count.',
  group_by:
    'Columns to group by, separated by commas; the answer then has groups instead of rows. Also what the ends were at ' +
    'that time (source_zone, destination_workload, source_services, …), their labels (source_label:<key>), and the ' +
    'service that was dialled (service).',
  measures: 'What to tell of each group, separated by commas. Default: count.',
  interval: `Groups by spans of time of this length as well (interval_start): ${DURATION_ALLOWED}.`,
  format: 'json or ndjson; an Accept header of application/x-ndjson means the same.',
};

/** Times behind it are too late for DateTime64(9), nanoseconds since the epoch. */
const END_OF_TIME = 9_000_000_000_000_000_000n;
const DEFAULT_RANGE = 15n * 60n * 1_000_000_000n;

/**
 * The time asked for. `cursor` wins: every page of an answer covers the same.
 * @param range from since to until where since is not given, nanoseconds
 */
export function readWindow(
  query: QueryString,
  limits: Limits,
  cursor: Cursor | undefined,
  range = DEFAULT_RANGE,
): Window {
  const now = wallClock();
  const read = (name: 'since' | 'until') => {
    const text = single(query, name);
    const value = text === undefined ? undefined : parseInstant(text, now);
    if (text !== undefined && (value === undefined || value >= END_OF_TIME)) {
      throw badValue(name, text, INSTANT_ALLOWED);
    }
    return value;
  };
  const asked = { since: read('since'), until: read('until') };
  const until = cursor?.until ?? asked.until ?? now;
  const since = cursor?.since ?? asked.since ?? (until > range ? until - range : 0n);
  // Anybody can make a cursor.
  if (until >= END_OF_TIME) throw badValue('cursor', single(query, 'cursor') ?? '', '`next` of the page before');
  if (since >= until) throw badValue('since', single(query, 'since') ?? '', 'a time before until');
  const longest = BigInt(limits.max_range_s) * 1_000_000_000n;
  if (until - since > longest) {
    throw new QueryError(422, 'FLOW_QUERY_RANGE_TOO_LONG', 'the time between since and until is longer than allowed', {
      limit: `query_api.max_range_s = ${limits.max_range_s}`,
      next_step: 'Ask for less time, or raise the limit in the configuration.',
    });
  }
  return { since, until };
}

/** Number of rows asked for. */
export function readLimit(query: QueryString, limits: Limits): number {
  const text = single(query, 'limit');
  if (text === undefined) return limits.default_limit;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > limits.max_limit) throw badValue('limit', text, `1 to ${limits.max_limit}`);
  return value;
}

/** json or ndjson, by parameter or else by Accept header. */
export function readFormat(query: QueryString, accept: string | undefined): 'json' | 'ndjson' {
  const text = single(query, 'format');
  if (text === undefined) return /\bapplication\/(x-)?ndjson\b/.test(accept ?? '') ? 'ndjson' : 'json';
  if (text !== 'json' && text !== 'ndjson') throw badValue('format', text, ['json', 'ndjson']);
  return text;
}

function readOrder(query: QueryString, definition: RowDefinition, grouping: Grouping | undefined): Question['order'] {
  const text = single(query, 'order');
  if (text === undefined) return { by: grouping === undefined ? 'time' : grouping.measures[0]!.name, descending: true };
  const descending = text.startsWith('-');
  const by = descending ? text.slice(1) : text;
  const allowed =
    grouping === undefined
      ? definition.table.columns.filter((one) => one.name === 'time' || isNumeric(one)).map((one) => one.name)
      : [...grouping.keys.map((key) => key.name), ...grouping.measures.map((measure) => measure.name)];
  if (!allowed.includes(by)) throw badValue('order', text, allowed);
  return { by, descending };
}

/**
 * Reads a query string.
 * @throws QueryError with status 400 or 422
 */
export function readQuestion(
  definition: RowDefinition,
  query: QueryString,
  accept: string | undefined,
  scope: Scope,
  limits: Limits,
): Question {
  refuseUnknown(query, [...Object.keys(GENERAL_PARAMETERS), ...definition.filters.keys()]);
  const filters = Object.entries(query).flatMap(([name, values]) => {
    const parameter = definition.filters.get(name);
    return parameter === undefined ? [] : [readFilter(parameter, values)];
  });
  const grouping = readGrouping(definition, query);
  const order = readOrder(query, definition, grouping);
  const hash = questionHash(definition.route, query);
  const text = single(query, 'cursor');
  const values = grouping !== undefined ? 1 : order.by === 'time' ? 2 : 3;
  const cursor = text === undefined ? undefined : decodeCursor(hash, text, values);
  return {
    ...readWindow(query, limits, cursor),
    definition,
    scope,
    filters,
    limit: readLimit(query, limits),
    format: readFormat(query, accept),
    order,
    grouping,
    cursor,
    hash,
  };
}
