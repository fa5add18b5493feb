/** Ids in answers. Those of requests are made in store/ids.ts, for views and spans have them too. */
import { parseRequestId, type RequestIdentity, type RequestPlace, requestId } from '../../store/ids.ts';
import { QueryError } from './errors.ts';

/** Id of a row of table requests, as answers show it. */
export function idOf(row: Readonly<Record<string, unknown>>): string {
  return requestId(row as unknown as RequestIdentity);
}

/**
 * Where the request with this id is.
 * @throws QueryError FLOW_QUERY_BAD_ID if the text is no id
 */
export function placeOf(id: string): RequestPlace {
  try {
    return parseRequestId(id);
  } catch (cause) {
    throw new QueryError(400, 'FLOW_QUERY_BAD_ID', 'id: not an id of a request', {
      parameter: 'id',
      value: id.slice(0, 200),
      allowed: 'the id of a row of /v1/requests',
      cause,
    });
  }
}

/** Id of a connection at one end: the same on all its rows in all tables. */
export function flowId(row: Readonly<Record<string, unknown>>): string {
  return `${row.boot_id}.${row.socket_cookie}.${row.generation}`;
}
