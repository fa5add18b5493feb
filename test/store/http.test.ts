import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { ClickHouseClient } from '@clickhouse/client';
import { RunningStore } from './running_store.ts';

let store: RunningStore;
let writer: ClickHouseClient;
let reader: ClickHouseClient;
before(async () => {
  store = await RunningStore.start(['--store-max-execution-s', '20']);
  writer = store.writer({ database: 'flowspan' });
  reader = store.reader({ database: 'flowspan' });
  await writer.command({ query: 'CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a' });
});
after(() => store.close());

const count = async (where = '1') => {
  const result = await reader.query({ query: `SELECT count() AS n FROM t WHERE ${where}`, format: 'JSONEachRow' });
  return (await result.json<{ n: number }>())[0]!.n;
};

test('ping', async () => {
  assert.deepEqual(await reader.ping(), { success: true });
  assert.deepEqual(await reader.ping({ select: true }), { success: true });
});

test('every format of the client', async () => {
  const query = "SELECT number AS a, concat('s', toString(number)) AS b FROM numbers(3)";
  const formats = ['JSON', 'JSONStrings', 'JSONCompact', 'JSONObjectEachRow', 'JSONColumnsWithMetadata'] as const;
  for (const format of formats) {
    const parsed = (await (await reader.query({ query, format })).json()) as unknown as Record<string, unknown>;
    assert.ok(JSON.stringify(parsed).includes('s2'), format);
  }
  const streams = [
    'JSONEachRow',
    'JSONStringsEachRow',
    'JSONCompactEachRow',
    'JSONCompactEachRowWithNamesAndTypes',
    'CSV',
    'CSVWithNames',
    'TabSeparated',
    'TabSeparatedWithNamesAndTypes',
    'CustomSeparated',
  ] as const;
  for (const format of streams) {
    const seen: string[] = [];
    const result = await reader.query({ query, format });
    for await (const rows of result.stream()) for (const row of rows as { text: string }[]) seen.push(row.text);
    assert.ok(seen.join('\n').includes('s2'), format);
  }
  const binary = await reader.exec({ query: `${query} FORMAT RowBinary` });
  const bytes = Buffer.concat(await binary.stream.toArray());
  assert.equal(bytes.length, 3 * (8 + 3));
  for (const format of ['Native', 'Parquet', 'Arrow', 'XML', 'Pretty', 'Values', 'Markdown', 'SQLInsert']) {
    const { stream } = await reader.exec({ query: `${query} FORMAT ${format}` });
    assert.ok(Buffer.concat(await stream.toArray()).length > 10, format);
  }
});

test('headers: query id, format, summary', async () => {
  const result = await reader.query({
    query: 'SELECT sum(number) FROM numbers(1000)',
    format: 'JSON',
    query_id: 'mine',
  });
  assert.equal(result.query_id, 'mine');
  assert.equal(result.response_headers['x-clickhouse-query-id'], 'mine');
  assert.equal(result.response_headers['x-clickhouse-format'], 'JSON');
  const summary = JSON.parse(String(result.response_headers['x-clickhouse-summary']));
  assert.equal(summary.result_rows, '1');
  await result.json();
});

test('inserts: arrays, streams, formats, settings, counts', async () => {
  const inserted = await writer.insert({ table: 't', values: [{ a: 1, b: 'x' }, { a: 2 }], format: 'JSONEachRow' });
  assert.equal(inserted.summary?.written_rows, '2');
  await writer.insert({
    table: 't',
    values: Readable.from(['3,"p"\n', '4,"q"\n'], { objectMode: false }),
    format: 'CSV',
  });
  await writer.insert({
    table: 't',
    values: Readable.from([
      [5, 'a'],
      [6, 'b'],
    ]),
    format: 'JSONCompactEachRow',
  });
  await writer.insert({ table: 't', columns: ['a'], values: [[7]], format: 'JSONCompactEachRow' });
  await writer.insert({ table: 't', values: { meta: [], data: [{ a: 8, b: '' }] }, format: 'JSON' });
  await writer.command({ query: "INSERT INTO t VALUES (9, 'v'), (10, concat('w', 'z'))" });
  await writer.command({ query: 'INSERT INTO t (a) SELECT number + 11 FROM numbers(2)' });
  await writer.command({
    query: "INSERT INTO t SETTINGS input_format_values_interpret_expressions = 1 VALUES (13, lower('Q'))",
  });
  const row = Buffer.alloc(9);
  row.writeBigUInt64LE(14n);
  await writer.exec({ query: 'INSERT INTO t FORMAT RowBinary', values: Readable.from([row], { objectMode: false }) });
  assert.equal(await count(), 14);
  assert.equal(await count("b IN ('wz', 'q')"), 3);
  await assert.rejects(writer.insert({ table: 't', values: [{ a: 'none' }], format: 'JSONEachRow' }), { code: '27' });
  await assert.rejects(writer.insert({ table: 'nonesuch', values: [{ a: 1 }], format: 'JSONEachRow' }), { code: '60' });
  assert.equal(await count(), 14);
});

test('a large insert and a large answer stream', async () => {
  async function* rows() {
    for (let row = 0; row < 400_000; row++) yield { a: 1000 + row, b: 'x'.repeat(100) };
  }
  await writer.insert({ table: 't', values: Readable.from(rows()), format: 'JSONEachRow' });
  assert.equal(await count('a >= 1000'), 400_000);
  const result = await reader.query({ query: 'SELECT * FROM t WHERE a >= 1000 ORDER BY a', format: 'JSONEachRow' });
  assert.equal(
    result.response_headers['x-clickhouse-summary'],
    undefined,
    'a streamed answer begins before its end is known',
  );
  let seen = 0;
  let last = 0;
  for await (const batch of result.stream<{ a: number }>()) {
    seen += batch.length;
    last = batch.at(-1)!.json().a;
  }
  assert.deepEqual([seen, last], [400_000, 400_999]);
});

test('gzip both ways', async () => {
  const zipped = store.writer({ database: 'flowspan', compression: { request: true, response: true } });
  await zipped.insert({ table: 't', values: [{ a: 900, b: 'zip' }], format: 'JSONEachRow' });
  const result = await zipped.query({
    query: 'SELECT b FROM t WHERE a = 900 OR a >= 400000 ORDER BY a LIMIT 20000',
    format: 'JSONEachRow',
  });
  assert.equal(result.response_headers['content-encoding'], 'gzip');
  assert.equal((await result.json<{ b: string }>())[0]!.b, 'zip');
  const raw = await fetch(`${store.url}/?query=SELECT+1`, { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(raw.headers.get('content-encoding'), null, 'only when enable_http_compression asks for it');
  const body = gzipSync('SELECT 42');
  const asked = await fetch(store.url, { method: 'POST', headers: { 'Content-Encoding': 'gzip' }, body });
  assert.equal(await asked.text(), '42\n');
  const broken = await fetch(store.url, {
    method: 'POST',
    headers: { 'Content-Encoding': 'gzip' },
    body: body.subarray(0, 12),
  });
  assert.equal(broken.headers.get('x-clickhouse-exception-code'), '354');
  assert.equal(gunzipSync(body).toString(), 'SELECT 42');
});

test('query parameters', async () => {
  const result = await reader.query({
    query:
      'SELECT {n:UInt64} AS n, {s:String} AS s, {a:Array(String)} AS list, {t:DateTime64(3)} AS t, {i:Identifier} AS i FROM t WHERE a = 1',
    query_params: {
      n: '18446744073709551615',
      s: "it's\n\t\\ ü {x}",
      a: ["a'b", 'c'],
      t: new Date(1_700_000_000_123),
      i: 'b',
    },
    format: 'JSONEachRow',
    clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
  });
  assert.deepEqual(await result.json(), [
    { n: '18446744073709551615', s: "it's\n\t\\ ü {x}", list: ["a'b", 'c'], t: '2023-11-14 22:13:20.123', i: 'x' },
  ]);
});

test('typed errors before and after the first byte', async () => {
  await assert.rejects(reader.query({ query: 'SELECT nope' }), { code: '47', type: 'UNKNOWN_IDENTIFIER' });
  await assert.rejects(reader.query({ query: 'SELEC 1' }), { code: '62', type: 'SYNTAX_ERROR' });
  await assert.rejects(reader.query({ query: 'SELECT 1', clickhouse_settings: { nonesuch: 1 } as never }), {
    code: '164',
  });
  await assert.rejects(writer.command({ query: 'SELECT 1', clickhouse_settings: { nonesuch: 1 } as never }), {
    code: '115',
  });
  await assert.rejects(reader.query({ query: 'SELECT 1; SELECT 2', format: 'CSV' }), { code: '62' });
  const result = await reader
    .query({ query: 'SELECT number AS a, throwIf(a = 900000) FROM numbers(1000000)', format: 'JSONEachRow' })
    .catch((error) => error);
  if (result instanceof Error) {
    assert.equal((result as unknown as { code: string }).code, '395');
  } else {
    await assert.rejects(async () => {
      for await (const _ of result.stream());
    }, /395|throwIf/);
  }
});

test('a query stops in the engine when its client goes away', async () => {
  const gone = new AbortController();
  const asked = reader.query({
    query: 'SELECT count() FROM numbers(1000000000) WHERE sipHash64(number) = 1 /* long */',
    format: 'JSON',
    abort_signal: gone.signal,
  });
  await running(1);
  gone.abort();
  await assert.rejects(asked);
  await running(0);
});

async function running(wanted: number): Promise<void> {
  const until = Date.now() + 5000;
  for (;;) {
    const result = await reader.query({
      query:
        "SELECT count() AS n FROM system.processes WHERE query LIKE '%/* long */%' AND query NOT LIKE '%system.processes%'",
      format: 'JSONEachRow',
    });
    const [row] = await result.json<{ n: number }>();
    if (row!.n === wanted) return;
    assert.ok(Date.now() < until, `${row!.n} long queries run instead of ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a client that leaves in the middle of a large answer frees its slot', async () => {
  for (let round = 0; round < 60; round++) {
    const gone = new AbortController();
    const answer = await fetch(`${store.url}/?query=SELECT+*+FROM+flowspan.t+WHERE+a>=1000`, { signal: gone.signal });
    await answer.body!.getReader().read();
    gone.abort();
  }
  assert.equal(await count('a = 1'), 1);
});

test('many clients at once', async () => {
  const asked = Array.from({ length: 120 }, async (_, index) => {
    const result = await reader.query({
      query: `SELECT sum(number) + ${index} AS n FROM numbers(100000)`,
      format: 'JSONEachRow',
    });
    return (await result.json<{ n: number }>())[0]!.n - index;
  });
  assert.deepEqual([...new Set(await Promise.all(asked))], [4_999_950_000]);
});

test('answers stay whole and their own while others leave', async () => {
  let leaving = true;
  const leavers = Array.from({ length: 4 }, async (_, salt) => {
    for (let round = 0; leaving; round++) {
      const gone = new AbortController();
      setTimeout(() => gone.abort(), (round * 7 + salt * 3) % 23);
      const query = `SELECT repeat('${salt}', 100) FROM numbers(${20_000 + round * 1000})`;
      await fetch(`${store.url}/?query=${encodeURIComponent(query)}`, { signal: gone.signal })
        .then((answer) => answer.text())
        .catch(() => undefined);
    }
  });
  const asked = Array.from({ length: 80 }, async (_, index) => {
    const rows = 1 + index * 250;
    const answer = await fetch(`${store.url}/?query=SELECT+${index}00000000+%2B+number+FROM+numbers(${rows})`);
    const text = await answer.text();
    const wanted = Array.from({ length: rows }, (_, row) => `${index * 1e8 + row}\n`).join('');
    assert.ok(text === wanted, `answer ${index}: ${text.length} bytes instead of ${wanted.length}`);
  });
  await Promise.all(asked).finally(() => {
    leaving = false;
  });
  await Promise.all(leavers);
});

test('an empty answer has a length, a missing page says so', async () => {
  const empty = await fetch(`${store.url}/?query=SELECT+1+WHERE+0+FORMAT+Native`);
  assert.equal(empty.headers.get('content-length'), '0');
  assert.equal((await fetch(`${store.url}/nonesuch`)).status, 404);
  assert.equal(
    await (await fetch(`${store.url}/?session_id=1&query=SELECT+1`)).text().then((text) => /48/.test(text)),
    true,
  );
});
