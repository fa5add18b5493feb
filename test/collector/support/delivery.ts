/** A delivery of a test: its own folder, a ClickHouse that only takes inserts, and what it tells of its rows. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { Arena } from '../../../collector/src/batch/arena.ts';
import { openClient } from '../../../collector/src/deliver/clickhouse.ts';
import { Delivery, type DeliveryOptions, deliveryBytes } from '../../../collector/src/deliver/delivery.ts';
import { TABLES } from '../../../store/tables.ts';
import { FakeClickHouse } from './clickhouse.ts';

/** Columns that every row has. */
export const SCOPE = { cluster: 'c', node: 'n', boot_id: '11111111-2222-3333-4444-555555555555' };

/** A row of `losses`. */
export const loss = (count: number) => ({ ...SCOPE, time: 1n, kind: 'flow', reason: 'ring_full', count });

/** What a test sets. */
export interface Setting {
  /** Left out: a new folder, removed at the end. */
  readonly dataDir?: string;
  readonly spoolBytes?: number;
  readonly maxRows?: number;
  readonly chunks?: number;
  readonly maxAgeS?: number;
  readonly tellLosses?: DeliveryOptions['tellLosses'];
}

/** Rows that were told as lost, and of when. */
export interface Told {
  readonly table: string;
  readonly rows: number;
  readonly reason: string;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}

/** Opens a delivery; `openAgain` opens another one on the same folder, as the next run does. */
export async function openDelivery(t: TestContext, setting: Setting = {}) {
  const dataDir = setting.dataDir ?? mkdtempSync(join(tmpdir(), 'flowspan-delivery-'));
  const logged: string[] = [];
  const told: Told[] = [];
  const server = new FakeClickHouse();
  const url = await server.listen();
  const stored: Record<string, number> = {};
  const lost: Record<string, number> = {};
  const leftOver: Record<string, number> = {};
  const left = { flows: 0 };
  const openAgain = async (more: Setting = {}) => {
    const { spoolBytes = 1e9, maxRows = 1e6, chunks = 8, maxAgeS = 1e6, tellLosses } = { ...setting, ...more };
    const client = openClient(url, { username: 'collector', password: '' });
    t.after(() => client.close());
    return Delivery.open({
      arena: new Arena(deliveryBytes(chunks)),
      chunks,
      dataDir,
      spool: { spool_bytes: spoolBytes, spool_max_age_s: maxAgeS, spool_sync_ms: 1000 },
      limits: { maxRows, maxBytes: 1e6, maxAgeMs: 1000 },
      client,
      database: 'flowspan',
      node: 'n',
      ...(tellLosses === undefined ? {} : { tellLosses }),
      log: pino({ level: 'info' }, { write: (line) => void logged.push(line) }),
      stored: (table, rows) => {
        stored[table] = (stored[table] ?? 0) + rows;
      },
      leftOver: (table, rows) => {
        leftOver[table] = (leftOver[table] ?? 0) + rows;
      },
      flowsLeft: (rows) => {
        left.flows += rows;
      },
      lost: (table, rows, reason, fromMs, toMs) => {
        told.push({ table, rows, reason, fromMs, toMs });
        lost[`${table} ${reason}`] = (lost[`${table} ${reason}`] ?? 0) + rows;
      },
    });
  };
  const delivery = await openAgain();
  t.after(async () => {
    await delivery.close(Date.now(), 0);
    await server.close();
    if (setting.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  });
  const files = () => TABLES.flatMap(({ name }) => filesIn(join(dataDir, 'spool', name)));
  return { delivery, server, stored, lost, leftOver, left, told, logged, files, dataDir, openAgain };
}

function filesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Waits for something, at most 5 s. */
export async function until(what: () => boolean): Promise<void> {
  for (let turns = 0; turns < 500 && !what(); turns += 1) await wait(10);
  assert.ok(what(), what.toString());
}
