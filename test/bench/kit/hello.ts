/** What benches ask nginx for: an answer of 20 bytes and no log, about the least that a request can cost a server. */
import type { Flowspan } from '../../support/flowspan.ts';

/** Answers on a connection that benches keep for as long as they last. */
export const KEPT = 'keepalive_requests 1000000; ';

/** A location of nginx. @param match such as `= /r/bench`; @param more further directives of it */
export const helloLocation = (match: string, more = ''): string =>
  `location ${match} { access_log off; ${more}return 200 "hello from a server\\n"; }`;

/** Requests for a path that were answered and of which there is a row, at one end or both. */
export async function helloRows(query: Flowspan['query'], path: string): Promise<number> {
  const [row] = await query<{ count: string }>(
    `SELECT toString(count()) AS count FROM requests WHERE http_path = '${path}' AND status = '200'`,
  );
  return Number(row?.count);
}
