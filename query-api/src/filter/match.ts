/** Filters as a test of a row of the live feed. Means the same as filter/sql.ts; a test runs both on the same rows. */
import type { Alternative, EndpointTest, Filter } from './filter.ts';
import { addressOf } from './values.ts';

/** Whether an endpoint id stands for an endpoint that a filter names; asked for every live row. */
export type EndpointMatcher = (test: EndpointTest, id: string) => boolean;

/** Whether the whole text fits a pattern with `*` and `?`. Time is bounded by pattern length times text length. */
export function globMatches(pattern: string, text: string, fold = false): boolean {
  const [wanted, given] = fold ? [[...pattern.toLowerCase()], [...text.toLowerCase()]] : [[...pattern], [...text]];
  let at = 0;
  let star = -1;
  let resume = 0;
  for (let index = 0; index < given.length; ) {
    if (wanted[at] === '*') {
      star = at++;
      resume = index;
    } else if (at < wanted.length && (wanted[at] === '?' || wanted[at] === given[index])) {
      at += 1;
      index += 1;
    } else if (star >= 0) {
      at = star + 1;
      resume += 1;
      index = resume;
    } else {
      return false;
    }
  }
  while (wanted[at] === '*') at += 1;
  return at === wanted.length;
}

type Row = Readonly<Record<string, unknown>>;

function alternativeHolds({ column, test }: Alternative, row: Row, endpoints: EndpointMatcher): boolean {
  const value = row[column.name];
  if (test.kind === 'flow') {
    return (
      String(row.boot_id).toLowerCase() === test.boot.toLowerCase() &&
      String(row.socket_cookie) === String(test.cookie) &&
      String(row.generation) === String(test.generation)
    );
  }
  if (value === null || value === undefined) return false;
  switch (test.kind) {
    case 'equals':
      return value === test.value || String(value) === String(test.value);
    case 'glob':
      return globMatches(test.pattern, String(value), test.fold);
    case 'between': {
      const number = BigInt(String(value));
      return (test.from === undefined || number >= test.from) && (test.to === undefined || number <= test.to);
    }
    case 'address': {
      const number = addressOf(String(value));
      return number !== undefined && number >= test.from && number <= test.to;
    }
    case 'service':
      return (
        value !== '' &&
        globMatches(test.namespace ?? '*', String(row.service_namespace ?? '')) &&
        globMatches(test.pattern, String(value))
      );
    case 'endpoint':
      return endpoints(test, String(value));
  }
}

/**
 * Whether all filters hold for the row. A filter on a column that the row's table does not have never holds.
 * @param row as decodeRows gives it: 64-bit numbers as strings, null for what is not known
 */
export function filtersHold(filters: readonly Filter[], row: Row, endpoints: EndpointMatcher): boolean {
  return filters.every(({ any, none }) => {
    const holds = (alternative: Alternative) => alternativeHolds(alternative, row, endpoints);
    const known = [...any, ...none].some(({ column }) => column.name in row);
    return known && (any.length === 0 || any.some(holds)) && !none.some(holds);
  });
}
