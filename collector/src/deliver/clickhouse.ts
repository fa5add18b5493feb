/** Puts segments into ClickHouse. */
import { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { Account } from '../accounts.ts';
import type { Segment } from './segment.ts';
import type { Answer } from './sender.ts';

/** Longest that one INSERT may take, milliseconds. */
const LONGEST_INSERT_MS = 60_000;

/** A client for the collector's account. @param database undefined for one that names none: there may be none yet */
export function openClient(url: string, account: Account, database?: string): ClickHouseClient {
  return createClient({
    url,
    ...account,
    ...(database === undefined ? {} : { database }),
    application: 'flowspan-collector',
    request_timeout: LONGEST_INSERT_MS,
    // What goes wrong is logged by whoever asked, once.
    log: { level: ClickHouseLogLevel.OFF },
  });
}

/**
 * Error codes that mean the bytes themselves cannot be read as rows: sending them again cannot help. 26, 27, 33:
 * cannot parse or read them; 32: they end too early; 131, 128: a length in them is absurd; 117: incorrect data.
 */
const REFUSALS = new Set(['26', '27', '32', '33', '117', '128', '131']);

/** The deduplication token of a segment. @param node part of it: two nodes may give one name */
export function segmentToken(node: string, { table, name }: Segment): string {
  return `${node}/${table}/${name}`;
}

/**
 * One INSERT per segment, RowBinary, under the segment's name as deduplication token.
 * @param node part of the token
 * @throws whatever the client throws when another attempt may help
 */
export function clickhousePost(client: ClickHouseClient, node: string) {
  return async (segment: Segment, signal: AbortSignal, headers: Record<string, string> = {}): Promise<Answer> => {
    try {
      const { stream } = await client.exec({
        query: `INSERT INTO ${segment.table} FORMAT RowBinary`,
        values: Readable.from(segment.read(), { objectMode: false }),
        clickhouse_settings: {
          insert_deduplication_token: segmentToken(node, segment),
          // A batch is a block of its own already; acknowledged means stored.
          async_insert: 0,
        },
        abort_signal: signal,
        http_headers: headers,
      });
      for await (const _ of stream); // nothing of interest; the connection is free only after its end
      return 'stored';
    } catch (error) {
      if (error instanceof ClickHouseError && REFUSALS.has(error.code)) return 'refused';
      throw error;
    }
  };
}
