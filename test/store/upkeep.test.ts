import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createTableSql } from '../../store/ddl.ts';
import { keepByteBudget } from '../../store/embedded/byte_budget.ts';
import { Engine } from '../../store/embedded/engine.ts';
import { applyRetention } from '../../store/embedded/retention.ts';
import { budgetExpiredBeforeSql } from '../../store/expirations.ts';
import { SCHEMA } from '../../store/schema.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowspan-upkeep-'));
let engine: Engine;
before(async () => {
  engine = await Engine.open(directory, { readers: 2, writers: 1, memoryBytes: 1024 ** 3 });
  await run('CREATE DATABASE d');
  for (const table of SCHEMA.tables) await run(createTableSql('d', table));
});
after(async () => {
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
});

const run = (sql: string) => engine.run({ sql, role: 'upkeep' });

async function fill(table: string, hoursAgo: number): Promise<void> {
  const [name, value] = table === 'requests' ? ['given_http_path', 'toString(rand64())'] : ['duration_ns', 'rand64()'];
  const time = `toStartOfHour(now()) - toIntervalHour(${hoursAgo}) + toIntervalMillisecond(number)`;
  await run(`INSERT INTO d.${table} (time, ${name}) SELECT ${time}, ${value} FROM numbers(20000)`);
}

interface Size {
  readonly bytes: string;
}

test('the oldest partitions go first, over all tables, and that is noted', async () => {
  for (const hours of [1, 2, 3, 4]) await fill('requests', hours);
  for (const hours of [2, 5]) await fill('flows', hours);
  await run(
    "INSERT INTO d.endpoints (endpoint_id, valid_from, valid_to, updated) VALUES (1, '2026-01-01', '2262-01-01', now())",
  );
  const hours = () =>
    engine.rows(`SELECT table, toUInt32(dateDiff('hour', toDateTime(partition), now())) AS hours FROM system.parts
      WHERE active AND table IN ('flows', 'requests') GROUP BY ALL ORDER BY ALL`);
  assert.deepEqual(await keepByteBudget(engine, 'd', 1e12), []);
  const [size] = await engine.rows<Size>(
    "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = 'd'",
  );
  const expired = await keepByteBudget(engine, 'd', Number(size!.bytes) / 2);
  assert.deepEqual(
    expired.slice(0, 2).map(({ table }) => table),
    ['flows', 'requests'],
  );
  const left = await hours();
  assert.ok(left.length > 0 && left.length < 6);
  assert.ok(!JSON.stringify(left).includes('"hours":5'));
  const [noted] = await engine.rows<{ expired_before: string }>(budgetExpiredBeforeSql('d', 'requests'));
  const [oldest] = await engine.rows<{ time: string }>('SELECT min(time) AS time FROM d.requests');
  assert.ok(noted!.expired_before <= oldest!.time, `${noted!.expired_before} ${oldest!.time}`);
  const [deleted] = await engine.rows<{ rows: string }>(
    "SELECT sum(rows) AS rows FROM d.expirations WHERE table_name = 'requests'",
  );
  assert.equal(
    Number(deleted!.rows),
    expired.filter(({ table }) => table === 'requests').reduce((sum, { rows }) => sum + rows, 0),
  );
  assert.deepEqual(await engine.rows(budgetExpiredBeforeSql('d', 'losses')), [{ expired_before: null }]);
  await keepByteBudget(engine, 'd', 0);
  assert.deepEqual(await hours(), []);
  assert.deepEqual(await engine.rows('SELECT toUInt32(count()) AS n FROM d.endpoints'), [{ n: 1 }], 'endpoints stay');
});

test('retention of the configuration becomes the TTL, and rows past it go', async () => {
  const ttl = async () => {
    const [row] = await engine.rows<{ engine_full: string }>(
      "SELECT engine_full FROM system.tables WHERE database = 'd' AND name = 'requests'",
    );
    return /toIntervalDay\(\d+\)/.exec(row!.engine_full)?.[0];
  };
  await fill('requests', 30);
  await fill('requests', 1);
  assert.equal(await ttl(), 'toIntervalDay(3)');
  await applyRetention(engine, 'd', { requests: 1 });
  assert.equal(await ttl(), 'toIntervalDay(1)');
  await applyRetention(engine, 'd', { requests: 1 });
  await run('OPTIMIZE TABLE d.requests FINAL');
  const [row] = await engine.rows<{ n: number }>('SELECT toUInt32(count()) AS n FROM d.requests');
  assert.equal(row!.n, 20_000);
  await applyRetention(engine, 'd', { requests: 0 });
  assert.equal(await ttl(), undefined);
  await assert.rejects(applyRetention(engine, 'd', { nonesuch: 1 }), { code: 'FLOW_STORE_RETENTION' });
});
