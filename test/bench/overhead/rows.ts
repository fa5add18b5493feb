/** What the store holds of one run. */
import type { Flowspan } from '../../support/flowspan.ts';
import type { Site } from './site.ts';

/** Rows that one run must have made, and were found. */
export interface Check {
  readonly what: string;
  readonly found: number;
  readonly least: number;
  readonly most: number;
}

/** Which connections. */
export interface Which {
  readonly site: Site;
  /** The server's. */
  readonly port: number;
  /** Begun since then, milliseconds since the epoch. */
  readonly fromMs: number;
  /** What they carried: `application_protocol`. */
  readonly protocol: string;
}

/** Connections to a site's server of which there is a last row, from the server's end. */
export async function flowsOf(query: Flowspan['query'], { site, port, fromMs, protocol }: Which): Promise<number> {
  const [row] = await query<{ count: string }>(
    `SELECT toString(uniqExact(boot_id, socket_cookie, generation)) AS count FROM flows WHERE observation_point = 'server' AND netns = ${site.server.namespace.inode}
     AND destination_port = ${port} AND flow_state = 'closed' AND application_protocol = '${protocol}'
     AND time >= fromUnixTimestamp64Milli(${Math.floor(fromMs)})`,
  );
  return Number(row?.count);
}
