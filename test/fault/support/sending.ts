/** A delivery that sends to some address, without kernel and records: what it is given, what it tells. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Arena } from '../../../collector/src/batch/arena.ts';
import { openClient } from '../../../collector/src/deliver/clickhouse.ts';
import { Delivery, type DeliveryOptions, deliveryBytes } from '../../../collector/src/deliver/delivery.ts';

export const NODE = 'n1';
export const SCOPE = { cluster: 'c', node: NODE, boot_id: '11111111-2222-3333-4444-555555555555' };
const CHUNKS = 128;

export interface SendingOptions {
  readonly url: string;
  readonly password?: string;
  /** Left out: one of its own, which goes with it. */
  readonly dataDir?: string;
  readonly more?: Partial<DeliveryOptions>;
}

/** An open delivery with its counts. */
export interface Sending {
  readonly delivery: Delivery;
  readonly dataDir: string;
  readonly stored: Record<string, number>;
  readonly lost: Record<string, number>;
  /** Codes of what it warned of. */
  readonly codes: string[];
  /** Ends it without sending what waits. */
  close(): Promise<void>;
}

export async function openSending({ url, password = '', dataDir, more }: SendingOptions): Promise<Sending> {
  const directory = dataDir ?? mkdtempSync(join(tmpdir(), 'flowspan-sending-'));
  const client = openClient(url, { username: 'collector', password }, 'flowspan');
  const stored: Record<string, number> = {};
  const lost: Record<string, number> = {};
  const codes: string[] = [];
  const write = (line: string) => void codes.push(String((JSON.parse(line) as { code?: string }).code ?? ''));
  const delivery = await Delivery.open({
    arena: new Arena(deliveryBytes(CHUNKS)),
    chunks: CHUNKS,
    dataDir: directory,
    spool: { spool_bytes: 1e9, spool_max_age_s: 86_400, spool_sync_ms: 1000 },
    limits: { maxRows: 50_000, maxBytes: 8 * 1024 ** 2, maxAgeMs: 1000 },
    client,
    database: 'flowspan',
    node: NODE,
    log: pino({ level: 'warn' }, { write }),
    stored: (table, rows) => {
      stored[table] = (stored[table] ?? 0) + rows;
    },
    leftOver: () => undefined,
    lost: (table, rows, reason) => {
      lost[`${table} ${reason}`] = (lost[`${table} ${reason}`] ?? 0) + rows;
    },
    ...more,
  });
  return {
    delivery,
    dataDir: directory,
    stored,
    lost,
    codes,
    async close() {
      await delivery.close(Date.now(), 0);
      await client.close();
      if (dataDir === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}
