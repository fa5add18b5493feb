import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { migrate } from '../../store/migrate.ts';
import { insertColumns } from '../../store/remainders.ts';
import { decodeRows, encodeRow } from '../../store/rowbinary.ts';
import { SCHEMA } from '../../store/schema.ts';
import { FLOWS, REQUESTS, type StoredColumn, type Table } from '../../store/tables.ts';
import { RunningStore } from './running_store.ts';

const NOW = BigInt(Date.now()) * 1_000_000n;
const MOST = 2n ** 64n - 1n;
const AMOUNTS = [0n, 1n, 3n, 2n ** 63n - 1n, 2n ** 63n, MOST];
const PAIRS = AMOUNTS.flatMap((one) => AMOUNTS.map((other) => [one, other] as const));

const FLOW_ROWS = PAIRS.map(([one, other], index) => ({
  time: NOW + BigInt(index),
  connection_age_ns: other,
  bytes_sent: one,
  bytes_acked: other,
  data_segments_sent: Number(one & 0xffff_ffffn),
  delivered_segments: Number(other & 0xffff_ffffn),
  socket_cgroup_id: one,
  owner_cgroup_id: other,
}));

const ROUTES = ['', '/', '/items', '/items/{id}', '/items/{id}/{part}', '{all}', '/ä/{id}', ' ', '/ {id}'];
const PATHS = [
  '',
  '*',
  '/',
  '/items',
  '/items/',
  '/items/7',
  '/items/7/list',
  '/items/ 7',
  ' /items/7',
  '/ä/1',
  '/ä',
  '/other/7',
  ' ',
  '/ ',
];

const REQUEST_ROWS = [
  ...PAIRS.map(([one, other]) => ({
    duration_ns: one,
    response_start_ns: other,
    response_bytes: one,
    response_body_bytes: other,
  })),
  ...ROUTES.flatMap((resource) => PATHS.map((http_path) => ({ resource, http_path }))),
].map((row, index) => ({ time: NOW + BigInt(index), ...row }));

const CASES: [Table, Record<string, unknown>[]][] = [
  [FLOWS, FLOW_ROWS],
  [REQUESTS, REQUEST_ROWS],
];

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
});
after(() => store.close());

async function insert(into: string, columns: string, bytes: Buffer): Promise<void> {
  const { stream } = await store.writer().exec({
    query: `INSERT INTO ${into} ${columns} FORMAT RowBinary`,
    values: Readable.from([bytes], { objectMode: false }),
  });
  stream.resume();
  await finished(stream);
}

async function stored(database: string, table: Table): Promise<Record<string, unknown>[]> {
  const names = table.columns.map(({ name }) => name).join(', ');
  const query = `SELECT ${names} FROM ${database}.${table.name} ORDER BY time FORMAT RowBinary`;
  const answer = await fetch(`${store.url}/?query=${encodeURIComponent(query)}`);
  return decodeRows(table, await answer.bytes());
}

for (const [table, rows] of CASES) {
  const bytes = Buffer.concat(rows.map((row) => encodeRow(table, row)));

  test(`whatever ${table.name} are told is read again`, async () => {
    await migrate(store.writer(), 'flowspan');
    await insert(`flowspan.${table.name}`, insertColumns(table), bytes);
    assert.deepEqual(await stored('flowspan', table), decodeRows(table, bytes));
  });

  test(`${table.name} of a version that stored each column by itself say what they said`, async () => {
    const columns = table.columns.map(({ remainder: _, ...column }): StoredColumn => column);
    const older = { ...table, columns };
    const database = `older_${table.name}`;
    await migrate(store.writer(), database, { tables: [older], views: [] });
    await insert(`${database}.${table.name}`, insertColumns(older), bytes);
    await migrate(store.writer(), database, SCHEMA);
    assert.deepEqual(await stored(database, table), decodeRows(table, bytes));
    await migrate(store.writer(), database, { tables: [older], views: [] });
    assert.deepEqual(await stored(database, table), decodeRows(table, bytes), 'and back');
  });
}

test('resolved rows have all columns; a question about one that is put together reads its buckets only', async () => {
  const writer = store.writer({ database: 'flowspan' });
  await writer.command({
    query: `INSERT INTO requests ${insertColumns(REQUESTS, ['time', 'resource', 'http_path'])}
      SELECT now64(9) - toIntervalSecond(3600 + number), '/r/{id}', concat('/r/', toString(number)) FROM numbers(100000)`,
  });
  await writer.command({ query: 'OPTIMIZE TABLE requests FINAL' });
  const names = REQUESTS.columns.map(({ name }) => name).join(', ');
  const where = "time >= now64(9) - toIntervalSecond(7300) AND http_path = '/r/3601' AND response_start_ns = 0";
  const read = async (from: string) => {
    const result = await writer.query({ query: `SELECT ${names} FROM ${from} WHERE ${where}`, format: 'JSONEachRow' });
    return await result.json();
  };
  const [row] = await read('requests_resolved');
  assert.equal((row as { http_path: string }).http_path, '/r/3601');
  assert.deepEqual(await read('requests'), [row]);
  const explained = await writer.query({
    query: `EXPLAIN indexes = 1, actions = 1 SELECT count() FROM requests WHERE ${where}`,
    format: 'TabSeparatedRaw',
  });
  const text = await explained.text();
  assert.match(text, /Prewhere filter column: .*rest_of_http_path/);
  const [, granules, of] = /Granules: (\d+)\/(\d+)/.exec(text)!;
  assert.ok(Number(granules) < Number(of) / 2, text);
});
