/** Puts segments into ClickHouse. */
import { Readable } from 'node:stream';
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client';
import { insertColumns } from '../../../store/remainders.ts';
import { TABLES } from '../../../store/tables.ts';
import type { Account } from '../accounts.ts';
import type { Segment } from './segment.ts';
import type { Answer } from './sender.ts';

/** By what rows of a table name their columns. */
const COLUMNS = new Map(TABLES.map((table) => [table.name, insertColumns(table)]));

/** Longest that one INSERT may take, milliseconds. */
export const LONGEST_INSERT_MS = 60_000;

/**
 * A client for the collector's account.
 * @param database undefined for one that names none: there may be none yet
 * @param settings of everything it sends
 */
export function openClient(
  url: string,
  account: Account,
  database?: string,
  settings: ClickHouseSettings = {},
): ClickHouseClient {
  return createClient({
    url,
    clickhouse_settings: settings,
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
/**
 * Error codes that come before an INSERT begins. 60, 81: there is no such table or database; 164, 497, 516: the account
 * may not; 202: too much runs already.
 */
const NEVER_BEGUN = new Set(['60', '81', '164', '202', '497', '516']);
/** Errors of a connection that never came to be. */
const NEVER_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Whether an INSERT that failed so has surely changed nothing, and will not. */
export function neverRan(error: unknown): boolean {
  if (error instanceof ClickHouseError) return NEVER_BEGUN.has(error.code);
  return NEVER_CONNECTED.has((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** The deduplication token of a segment. @param node part of it: two nodes may give one name */
export function segmentToken(node: string, { table, name }: Segment): string {
  return `${node}/${table}/${name}`;
}

/** What one INSERT sends. */
export interface Insertion {
  readonly table: string;
  readonly token: string;
  /** RowBinary, cut anywhere. */
  readonly rows: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly signal: AbortSignal;
  readonly headers: Record<string, string>;
}

/**
 * One INSERT; acknowledged means stored, views included.
 * @throws whatever the client throws when another attempt may help
 */
export async function insertRows(
  client: ClickHouseClient,
  { table, token, rows, signal, headers }: Insertion,
): Promise<Answer> {
  try {
    const { stream } = await client.exec({
      query: `INSERT INTO ${table} ${COLUMNS.get(table) ?? ''} FORMAT RowBinary`,
      values: Readable.from(rows, { objectMode: false, highWaterMark: 256 * 1024 }),
      clickhouse_settings: {
        insert_deduplication_token: token,
        insert_deduplicate: 1,
        deduplicate_blocks_in_dependent_materialized_views: 1,
        // A batch is a block of its own already.
        async_insert: 0,
        max_execution_time: LONGEST_INSERT_MS / 1000,
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
}
