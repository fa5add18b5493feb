import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { migrate } from '../../store/migrate.ts';
import { insertColumns } from '../../store/remainders.ts';
import { decodeRows, encodeRow } from '../../store/rowbinary.ts';
import { SCHEMA, type Schema } from '../../store/schema.ts';
import { TABLES, type Table } from '../../store/tables.ts';
import { rfc3339 } from '../../store/time.ts';
import { RunningStore } from './running_store.ts';
import { PLACEHOLDER, recordedStates } from './states/state.ts';

const NOW = rfc3339(BigInt(Date.now()) * 1_000_000n + 123_456n);
const NOW_SQL = NOW.slice(0, 29).replace('T', ' ');

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
});
after(() => store.close());

/** CREATE statements; the order of SETTINGS, which depends on when each was set, left out of account. */
async function schemaOf(database: string): Promise<unknown> {
  const result = await store.writer().query({
    query: 'SELECT name, create_table_query AS sql FROM system.tables WHERE database = {database:String} ORDER BY name',
    query_params: { database },
    format: 'JSONEachRow',
  });
  return (await result.json<{ name: string; sql: string }>()).map(({ name, sql }) => {
    const [, create, settings = '', comment] = /^(.*?)(?: SETTINGS ([\w =,]*))?( COMMENT '(?:[^']|\\')*')?$/s.exec(
      sql.replaceAll(database, 'the_database'),
    )!;
    return { name, create, settings: settings.split(', ').sort(), comment };
  });
}

test('a fresh database gets every table; a second run changes nothing', async () => {
  const writer = store.writer();
  await migrate(writer, 'fresh');
  const made = await schemaOf('fresh');
  await migrate(writer, 'fresh');
  assert.deepEqual(await schemaOf('fresh'), made);
  const rows = await writer.query({ query: 'SELECT count() AS n FROM fresh.schema_migrations', format: 'JSONEachRow' });
  assert.deepEqual(await rows.json(), [{ n: 1 }]);
});

test('rows go in and come out in the column order of tables.ts', async () => {
  for (const table of TABLES) {
    const times = table.columns.filter((column) => column.type.startsWith('DateTime64'));
    const bytes = encodeRow(table, Object.fromEntries(times.map(({ name }) => [name, NOW])));
    const response = await fetch(
      `${store.url}/?query=INSERT INTO fresh.${table.name} ${insertColumns(table)} FORMAT RowBinary`,
      {
        method: 'POST',
        headers: { 'X-ClickHouse-User': 'collector', 'X-ClickHouse-Key': writerKey() },
        body: new Uint8Array(bytes),
      },
    );
    assert.equal(response.status, 200, await response.text());
    const names = table.columns.map(({ name }) => name).join(', ');
    const answer = await fetch(`${store.url}/?query=SELECT ${names} FROM fresh.${table.name} FORMAT RowBinary`);
    assert.deepEqual(decodeRows(table, await answer.bytes()), decodeRows(table, bytes), table.name);
  }
});

function writerKey(): string {
  return readFileSync(`${store.dataDir}/writer_password`, 'utf8').trim();
}

test('changed columns, TTL and order end as a fresh database does, rows kept', async () => {
  const flows = TABLES.find((table) => table.name === 'flows')!;
  const older: Table = {
    ...flows,
    ttlDays: 2,
    orderBy: '(time, source_port)',
    columns: [
      ...flows.columns
        .filter((column) => column.name !== 'srtt_us' && column.name !== 'time')
        .map((column) => ({ ...column, codec: 'LZ4' })),
      { ...flows.columns[0]!, codec: 'ZSTD(3)' },
      { name: 'gone', type: 'UInt8', doc: 'Of an older version.', source: 'collector' },
    ],
  };
  const losses = TABLES.find((table) => table.name === 'losses')!;
  const olderLosses: Table = {
    ...losses,
    ttlDays: 2,
    columns: [...losses.columns.slice(0, 3), ...losses.columns.slice(5).reverse()],
    indices: ['gone_too count TYPE minmax GRANULARITY 1'],
  };
  const olderSchema: Schema = { tables: [older, olderLosses], views: [] };
  const writer = store.writer();
  await migrate(writer, 'older', olderSchema);
  await writer.command({
    query: `INSERT INTO older.flows (time, source_port) VALUES ('${NOW_SQL}', 4711)`,
  });
  await writer.command({ query: `INSERT INTO older.losses (time, kind) VALUES ('${NOW_SQL}', 'flow')` });
  await migrate(writer, 'older', SCHEMA);
  await migrate(writer, 'wholly_fresh', SCHEMA);
  assert.deepEqual(await schemaOf('older'), await schemaOf('wholly_fresh'));
  const kept = await writer.query({ query: 'SELECT time, source_port FROM older.flows', format: 'JSONEachRow' });
  assert.deepEqual(await kept.json(), [{ time: NOW_SQL, source_port: 4711 }]);
});

test('a migration that was cut off while it copied goes on, and no row is there twice', async () => {
  const writer = store.writer();
  const flows = TABLES.find((table) => table.name === 'flows')!;
  const database = 'cut_off';
  await migrate(writer, database, { tables: [{ ...flows, orderBy: '(time, source_port)' }], views: [] });
  for (const hours of [1, 2, 3]) {
    const values = `SELECT now64(9) - toIntervalHour(${hours}), number FROM numbers(1000)`;
    await writer.command({ query: `INSERT INTO ${database}.flows (time, source_port) ${values}` });
  }
  let copies = 0;
  const cutting = Object.create(writer, {
    command: {
      value: (parameters: { query: string }) => {
        if (parameters.query.includes('DROP PARTITION') && ++copies === 2) throw new Error('cut off');
        return writer.command(parameters);
      },
    },
  });
  await assert.rejects(migrate(cutting, database), { code: 'FLOW_STORE_MIGRATION' });
  await writer.command({ query: `INSERT INTO ${database}.flows (time, source_port) VALUES (now64(9), 7)` });
  await migrate(writer, database);
  const counted = await writer.query({
    query: `SELECT count() AS n, uniqExact(time, source_port) AS u FROM ${database}.flows`,
    format: 'JSONEachRow',
  });
  assert.deepEqual(await counted.json(), [{ n: 3001, u: 3001 }]);
  await migrate(writer, 'wholly_fresh');
  assert.deepEqual(await schemaOf(database), await schemaOf('wholly_fresh'));
});

for (const [name, state] of recordedStates()) {
  test(`the recorded state ${name} ends as a fresh database does, rows kept`, async () => {
    const writer = store.writer();
    const database = `from_${state.schema_hash}`;
    await writer.command({ query: `CREATE DATABASE ${database}` });
    for (const sql of state.statements) await writer.command({ query: sql.replaceAll(PLACEHOLDER, database) });
    const had = TABLES.filter(({ name }) => state.statements.some((sql) => sql.includes(` ${PLACEHOLDER}.${name} (`)));
    for (const table of had) {
      const times = table.columns.filter((column) => column.type.startsWith('DateTime64')).map((column) => column.name);
      await writer.command({
        query: `INSERT INTO ${database}.${table.name} (${times.join(', ')}) VALUES (${times.map(() => 'now64(9)').join(', ')})`,
      });
    }
    const hour = 'toStartOfHour(now()) - 7200';
    // as inserts left them: two rows of one key
    const hadEdges = state.statements.some((sql) => sql.includes(` ${PLACEHOLDER}.edges_1m (`));
    for (const requests of hadEdges ? [3, 4] : []) {
      await writer.command({
        query: `INSERT INTO ${database}.edges_1m (minute, requests_ok) SELECT ${hour}, ${requests}`,
      });
    }
    await migrate(writer, database);
    await migrate(writer, 'wholly_fresh');
    assert.deepEqual(await schemaOf(database), await schemaOf('wholly_fresh'));
    const edges = await writer.query({
      query: `SELECT sum(requests_ok) AS n FROM ${database}.edges_1m FINAL WHERE minute = ${hour}`,
      format: 'JSONEachRow',
    });
    assert.deepEqual(await edges.json(), [{ n: hadEdges ? 7 : 0 }], 'edges keep their sums');
    for (const table of had) {
      const kept = await writer.query({
        query: `SELECT count() AS n FROM ${database}.${table.name}`,
        format: 'JSONEachRow',
      });
      assert.deepEqual(await kept.json(), [{ n: 1 }], table.name);
    }
    const query = `INSERT INTO ${database}.requests (time, outcome, sample_weight) VALUES (now64(9), 'ok', 1)`;
    await writer.command({ query });
    const fed = await writer.query({
      query: `SELECT sum(requests_ok) AS n FROM ${database}.edges_1m_current`,
      format: 'JSONEachRow',
    });
    assert.deepEqual(await fed.json(), [{ n: hadEdges ? 8 : 1 }], 'feeds run after the migration');
  });
}
