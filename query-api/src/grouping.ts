/** Reads what to group by and what to tell of each group. */
import type { Column } from '../../store/tables.ts';
import type { RowDefinition } from './definition.ts';
import { END_PROPERTIES, ENDS, type End, hasEnds } from './endpoint_names.ts';
import { badValue, QueryError } from './errors.ts';
import { kindOf } from './fields.ts';
import { type Measure, measureOf, measuresAllowed } from './measures.ts';
import { type QueryString, single } from './query_string.ts';
import type { GroupProperty } from './sql/endpoints_by_id.ts';
import { DURATION_ALLOWED, parseDuration } from './time.ts';

/** One thing that all rows of a group have in common: a column, a property of an end, or a span of time. */
export type GroupKey =
  | { readonly name: string; readonly kind: 'column'; readonly column: Column }
  | { readonly name: string; readonly kind: 'end'; readonly end: End; readonly property: GroupProperty }
  | { readonly name: string; readonly kind: 'label'; readonly end: End; readonly label: string }
  /** The service that was dialled, `namespace/name`. */
  | { readonly name: string; readonly kind: 'service' }
  | { readonly name: string; readonly kind: 'interval' };

/** How rows are grouped. */
export interface Grouping {
  readonly keys: readonly GroupKey[];
  readonly measures: readonly Measure[];
  /** Length of the spans of time, in nanoseconds; undefined if time does not group. */
  readonly interval: bigint | undefined;
}

const MAX_KEYS = 12;
/** Longest key of a label: a subdomain, a slash and a name. */
const MAX_LABEL = 253 + 1 + 63;
/** What of an end rows can be grouped by, as it was at their time. */
const GROUP_PROPERTIES: readonly GroupProperty[] = [...END_PROPERTIES, 'services'];
const MAX_MEASURES = 40;
const SECOND = 1_000_000_000n;

/** Names that can be grouped by. */
export function groupNames(definition: RowDefinition): string[] {
  const own = definition.table.columns.filter((one) => !['time', 'list', 'map'].includes(kindOf(one)));
  const names = own.map((one) => one.name);
  if (!hasEnds(definition.table)) return names;
  const ends = ENDS.flatMap((end) => GROUP_PROPERTIES.map((property) => `${end}_${property}`));
  return [...names, 'service', ...ends, ...ENDS.map((end) => `${end}_label:<key>`)];
}

function keyOf(definition: RowDefinition, name: string): GroupKey {
  const column = definition.table.columns.find((one) => one.name === name);
  if (column !== undefined && groupNames(definition).includes(name)) return { name, kind: 'column', column };
  if (!hasEnds(definition.table)) throw badValue('group_by', name, groupNames(definition));
  if (name === 'service') return { name, kind: 'service' };
  for (const end of ENDS) {
    const property = GROUP_PROPERTIES.find((candidate) => name === `${end}_${candidate}`);
    if (property !== undefined) return { name, kind: 'end', end, property };
    const label = name.startsWith(`${end}_label:`) ? name.slice(end.length + '_label:'.length) : '';
    if (label !== '' && label.length <= MAX_LABEL) return { name, kind: 'label', end, label };
  }
  throw badValue('group_by', name, groupNames(definition));
}

/**
 * Length of the spans of time to group by, in nanoseconds; undefined if none is asked for.
 * @throws QueryError FLOW_QUERY_BAD_VALUE
 */
export function readInterval(query: QueryString): bigint | undefined {
  const text = single(query, 'interval');
  const interval = text === undefined ? undefined : parseDuration(text);
  if (text !== undefined && (interval === undefined || interval < SECOND || interval % SECOND !== 0n)) {
    throw badValue('interval', text, `${DURATION_ALLOWED}; whole seconds`);
  }
  return interval;
}

/**
 * Reads `group_by`, `measures` and `interval`; undefined if rows are asked for.
 * @throws QueryError
 */
export function readGrouping(definition: RowDefinition, query: QueryString): Grouping | undefined {
  const names = (parameter: string, most: number) => {
    const list = [...new Set((query[parameter] ?? []).flatMap((value) => value.split(',')))];
    if (list.length > most) throw badValue(parameter, `${list.length} names`, `at most ${most} names`);
    return list;
  };
  const interval = readInterval(query);
  const groupBy = names('group_by', MAX_KEYS);
  const measureNames = names('measures', MAX_MEASURES);
  if (groupBy.length === 0 && interval === undefined) {
    if (measureNames.length === 0) return undefined;
    throw new QueryError(400, 'FLOW_QUERY_BAD_VALUE', 'measures: need group_by or interval beside them', {
      parameter: 'measures',
      value: measureNames.join(','),
      allowed: 'together with group_by or interval',
    });
  }
  const measures = (measureNames.length === 0 ? ['count'] : measureNames).map((name) => {
    const measure = measureOf(definition, name);
    if (measure === undefined) throw badValue('measures', name, measuresAllowed(definition));
    return measure;
  });
  const keys = groupBy.map((name) => keyOf(definition, name));
  return {
    keys: interval === undefined ? keys : [{ name: 'interval_start', kind: 'interval' }, ...keys],
    measures,
    interval,
  };
}
