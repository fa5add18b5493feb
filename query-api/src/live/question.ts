/** Reads what a watcher wants to see: kinds of rows, and the same filters as the other questions. */
import type { RowDefinition } from '../definition.ts';
import { badValue, QueryError } from '../errors.ts';
import type { Filter } from '../filter/filter.ts';
import { readFilter } from '../filter/read.ts';
import { type QueryString, refuseUnknown } from '../query_string.ts';
import { saysWhichEnd } from '../sql/exchange.ts';
import { FLOWS_DEFINITION } from '../sql/flows.ts';
import { REQUESTS_DEFINITION } from '../sql/requests.ts';
import { TCP_EVENTS_DEFINITION } from '../sql/tcp_events.ts';
import { VERDICTS_DEFINITION } from '../sql/verdicts.ts';

/** Kinds of live rows and the tables they go to. */
export const LIVE_TYPES = {
  flow: FLOWS_DEFINITION,
  request: REQUESTS_DEFINITION,
  tcp_event: TCP_EVENTS_DEFINITION,
  verdict: VERDICTS_DEFINITION,
} as const;
export type LiveType = keyof typeof LIVE_TYPES;

/** What a watcher wants: filters by kind of row; kinds that are not there are not wanted. */
export interface LiveQuestion {
  readonly filters: ReadonlyMap<LiveType, readonly Filter[]>;
  /** Whether requests are wanted as each end saw them instead of once. */
  readonly everyView: boolean;
}

const TYPES = Object.keys(LIVE_TYPES) as LiveType[];

/** Names of all parameters, with what they mean. */
export function liveParameters(): Record<string, string> {
  const docs: Record<string, string> = {
    types: `Kinds of rows, of ${TYPES.join(', ')}, separated by commas. Default: all.`,
  };
  for (const definition of Object.values<RowDefinition>(LIVE_TYPES)) {
    for (const { name, doc, allowed } of definition.filters.values()) docs[name] ??= `${doc} Takes ${allowed}.`;
  }
  return docs;
}

/** Filters of one kind of row; undefined if a parameter has no meaning for it. */
function filtersOf(type: LiveType, query: QueryString): Filter[] | undefined {
  const filters: Filter[] = [];
  for (const [name, values] of Object.entries(query)) {
    if (name === 'types') continue;
    const parameter = LIVE_TYPES[type].filters.get(name);
    if (parameter === undefined) return undefined;
    filters.push(readFilter(parameter, values));
  }
  return filters;
}

/**
 * Reads the query string of the live feed. A kind of row that has no such column cannot pass a filter on it, so it is
 * left out.
 * @throws QueryError with status 400
 */
export function readLiveQuestion(query: QueryString): LiveQuestion {
  refuseUnknown(query, Object.keys(liveParameters()));
  const asked = (query.types ?? []).flatMap((value) => value.split(','));
  for (const name of asked) if (!TYPES.includes(name as LiveType)) throw badValue('types', name, TYPES);
  const types = asked.length === 0 ? TYPES : (asked as LiveType[]);
  const filters = new Map<LiveType, readonly Filter[]>();
  let refused: unknown;
  for (const type of types) {
    try {
      const found = filtersOf(type, query);
      if (found !== undefined) filters.set(type, found);
    } catch (error) {
      refused = error;
    }
  }
  if (filters.size > 0) return { filters, everyView: saysWhichEnd({ filters: filters.get('request') ?? [] }) };
  throw (
    refused ??
    new QueryError(400, 'FLOW_QUERY_NOTHING_LEFT', `no kind of row of ${types.join(', ')} has all of these columns`, {
      parameter: 'types',
      value: types.join(','),
      allowed: TYPES,
    })
  );
}
