/** Query strings: every parameter with all its values, as it was sent. */
import { badValue, QueryError } from './errors.ts';

/** A query string: every parameter with its values. */
export type QueryString = Readonly<Record<string, readonly string[]>>;

/** Reads a query string from the target of a request. */
export function readQueryString(target: string): QueryString {
  const query: Record<string, string[]> = Object.create(null);
  for (const [name, value] of new URL(target, 'http://localhost').searchParams) {
    query[name] ??= [];
    query[name].push(value);
  }
  return query;
}

/**
 * Value of a parameter that may be given once; undefined if it was not.
 * @throws QueryError FLOW_QUERY_BAD_VALUE
 */
export function single(query: QueryString, name: string): string | undefined {
  const values = query[name];
  if (values === undefined) return undefined;
  if (values.length !== 1) throw badValue(name, values.join(' '), 'one value');
  return values[0];
}

/**
 * Refuses parameters that the route does not have.
 * @throws QueryError FLOW_QUERY_UNKNOWN_PARAMETER
 */
export function refuseUnknown(query: QueryString, known: readonly string[]): void {
  for (const name of Object.keys(query)) {
    if (known.includes(name)) continue;
    throw new QueryError(400, 'FLOW_QUERY_UNKNOWN_PARAMETER', `there is no parameter ${JSON.stringify(name)} here`, {
      parameter: name,
      allowed: [...known].sort(),
    });
  }
}
