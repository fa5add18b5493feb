/** Request rows in the words of nginx's access log. */
import type { AccessLogEntry } from '../support/nginx.ts';
import type { World } from '../support/world.ts';

/** One row, as seen from one end. */
export interface RequestRow {
  readonly method: string;
  /** Path and query. */
  readonly uri: string;
  readonly status: string;
  /** Bytes of the response's body, of the whole response. */
  readonly body: string;
  readonly bytes: string;
}

/** Rows of what port 80 was asked for, as seen from one end. */
export function requestRows(world: World, point: 'client' | 'server'): Promise<RequestRow[]> {
  return world.flowspan.query<RequestRow>(`
    SELECT operation AS method, if(http_query = '', http_path, concat(http_path, '?', http_query)) AS uri, status,
      toString(response_body_bytes) AS body, toString(response_bytes) AS bytes
    FROM requests
    WHERE netns = ${world[point].namespace.inode} AND observation_point = '${point}' AND destination_port = 80`);
}

/** What log line and row have in common: method, path, status, bytes of the response. */
export function logLine({ method, uri, status, bytes_sent }: AccessLogEntry): string {
  return `${method} ${uri} ${status} ${bytes_sent}`;
}

/** The same of a row. */
export function rowLine({ method, uri, status, bytes }: RequestRow): string {
  return `${method} ${uri} ${status} ${bytes}`;
}
