import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RunningStore } from './running_store.ts';

let store: RunningStore;
let trap: Server;
let trapped = 0;
let port = 0;
before(async () => {
  store = await RunningStore.start([
    '--store-reader-password',
    'secret',
    '--store-max-result-rows',
    '1000',
    '--store-max-rows-to-read',
    '10000000',
    '--store-max-memory-bytes',
    '64MiB',
    '--store-max-execution-s',
    '2',
  ]);
  trap = createServer((socket) => {
    trapped++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => trap.once('listening', resolve));
  port = (trap.address() as { port: number }).port;
});
after(async () => {
  trap.close();
  await store.close();
});

interface Reply {
  readonly status: number;
  readonly code: string | null;
  readonly text: string;
}

async function ask(
  sql: string,
  settings: Record<string, string> = {},
  user = 'default',
  password = 'secret',
): Promise<Reply> {
  const search = new URLSearchParams(settings);
  const response = await fetch(`${store.url}/?${search}`, {
    method: 'POST',
    headers: { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password },
    body: sql,
  });
  return {
    status: response.status,
    code: response.headers.get('x-clickhouse-exception-code'),
    text: await response.text(),
  };
}

const writerPassword = () => readFileSync(join(store.dataDir, 'writer_password'), 'utf8').trim();
const asWriter = (sql: string, settings: Record<string, string> = {}) =>
  ask(sql, settings, 'collector', writerPassword());

test('passwords', async () => {
  assert.equal((await ask('SELECT 1')).text, '1\n');
  assert.equal((await ask('SELECT 1', {}, 'default', 'wrong')).code, '516');
  assert.equal((await ask('SELECT 1', {}, 'nobody', '')).code, '516');
  assert.equal((await ask('SELECT 1', {}, 'collector', '')).status, 403);
  const basic = (text: string) => ({ headers: { Authorization: `Basic ${Buffer.from(text).toString('base64')}` } });
  assert.equal((await fetch(`${store.url}/?query=SELECT+1`, basic('default:secret'))).status, 200);
  assert.equal((await fetch(`${store.url}/?query=SELECT+1`, basic('default:'))).status, 403);
  assert.equal((await fetch(`${store.url}/?query=SELECT+1&user=default&password=secret`)).status, 200);
  assert.equal((await fetch(`${store.url}/?query=SELECT+1`)).status, 403);
  assert.equal((await fetch(`${store.url}/ping`)).status, 200, 'ping needs none');
});

test('readers change nothing', async () => {
  await asWriter('CREATE TABLE flowspan.t (a UInt64) ENGINE = MergeTree ORDER BY a');
  for (const sql of [
    'INSERT INTO flowspan.t VALUES (1)',
    'INSERT INTO flowspan.t SELECT 1',
    'DROP TABLE flowspan.t',
    'CREATE TABLE flowspan.x (a Int8) ENGINE = Memory',
    'ALTER TABLE flowspan.t DELETE WHERE 1',
    'TRUNCATE TABLE flowspan.t',
    'OPTIMIZE TABLE flowspan.t FINAL',
    'SYSTEM STOP MERGES',
    'KILL QUERY WHERE 1 ASYNC',
    'SET max_threads = 1',
    'CREATE TEMPORARY TABLE x (a Int8)',
    'CREATE FUNCTION f AS (x) -> x',
    '/* SELECT */ INSERT INTO flowspan.t VALUES (1)',
  ]) {
    assert.equal((await ask(sql)).code, '164', sql);
  }
  assert.equal((await asWriter('SELECT count() FROM flowspan.t')).text, '0\n');
  const get = await fetch(`${store.url}/?query=DROP+TABLE+flowspan.t&user=collector&password=${writerPassword()}`);
  assert.equal(get.headers.get('x-clickhouse-exception-code'), '164', 'GET never changes anything');
});

test('settings: formats pass, limits only tighten, all else is refused', async () => {
  const big = 'SELECT count() FROM numbers(20000000)';
  assert.equal((await ask('SELECT 1', { max_execution_time: '60', max_rows_to_read: '0' })).status, 200);
  assert.equal((await ask(big, { max_rows_to_read: '1000000000' })).code, '158');
  assert.equal((await ask(big, { max_rows_to_read: '0' })).code, '158');
  assert.equal((await ask('SELECT count() FROM numbers(1000)', { max_rows_to_read: '10' })).code, '158');
  assert.equal((await ask('SELECT 1', { max_rows_to_read: 'all' })).code, '36');
  assert.equal(
    (await ask('SELECT toUInt64(1) AS a FORMAT JSONEachRow', { output_format_json_quote_64bit_integers: '1' })).text,
    '{"a":"1"}\n',
  );
  for (const name of [
    'max_server_memory_usage',
    'allow_ddl',
    'log_queries_min_type',
    'format_schema',
    'use_structure_from_insertion_table_in_table_functions',
    'max_block_size',
    'nonesuch',
    'allow_introspection_functions',
  ]) {
    assert.equal((await ask('SELECT 1', { [name]: '1' })).code, '164', name);
  }
  assert.equal((await ask('SELECT 1', { readonly: '0' })).code, '164');
  assert.equal((await ask('SELECT 1', { readonly: '2' })).text, '1\n');
  assert.equal((await ask("SELECT getSetting('readonly')", { readonly: '2' })).text, '1\n');
  assert.equal((await ask('SELECT 1 SETTINGS max_execution_time = 1000')).code, '164');
  for (const clause of [
    'SETTINGS readonly = 0',
    'settings readonly=0',
    'SETTINGS/**/`readonly` = 0',
    'SETTINGS\u200b\u00a0readonly\u2003= 0',
    'SETTINGS -- x\n max_rows_to_read = 0',
  ]) {
    assert.equal((await ask(`SELECT * FROM (SELECT 1 ${clause})`)).code, '164', clause);
  }
});

test('additional_table_filters filter, and do not reach outside', async () => {
  await asWriter('INSERT INTO flowspan.t SELECT number FROM numbers(10)');
  const filtered = await ask('SELECT count() FROM flowspan.t', { additional_table_filters: "{'flowspan.t': 'a < 3'}" });
  assert.equal(filtered.text, '3\n');
  const quoted = await ask('SELECT count() FROM flowspan.t', {
    additional_table_filters: "{'flowspan.t': 'toString(a) IN (\\'1\\', \\'2\\')'}",
  });
  assert.equal(quoted.text, '2\n');
  for (const filter of [
    "{'flowspan.t': 'a IN (SELECT 1 SETTINGS readonly = 0)'}",
    "{'flowspan.t': 'file(\\'/etc/passwd\\') != \\'\\''}",
    "{'flowspan.t': '`fi\\\\x6ce`(\\'/etc/passwd\\') != 1'}",
  ]) {
    assert.equal(
      (await ask('SELECT count() FROM flowspan.t', { additional_table_filters: filter })).code,
      '164',
      filter,
    );
  }
});

test('limits on rows, time and memory name themselves', async () => {
  const rows = await ask('SELECT number FROM numbers(5000)');
  assert.equal(rows.code, '396');
  assert.match(rows.text, /max rows: 1.00 thousand/);
  const slow = await ask(
    'SELECT count() FROM numbers(9000000) WHERE sleepEachRow(0.000001) = 0 AND sipHash64(number) = 1',
  );
  assert.equal(slow.code, '159');
  const memory = await ask('SELECT uniqExact(number), groupArray(number) FROM numbers(9000000)');
  assert.equal(memory.code, '241');
  assert.equal((await ask('SELECT 1')).text, '1\n', 'the store goes on');
});

test('nothing reaches files, networks or processes', async () => {
  const secret = join(store.dataDir, 'secret.csv');
  writeFileSync(secret, 'hidden-text\n');
  const url = `http://127.0.0.1:${port}/x`;
  const tries = [
    `SELECT file('${secret}')`,
    `SELECT FILE('${secret}')`,
    `SELECT \`file\`('${secret}')`,
    `SELECT "file"('${secret}')`,
    `SELECT \`fi\\x6ce\`('${secret}')`,
    `SELECT file/**/('${secret}')`,
    `SELECT file -- x\n('${secret}')`,
    `SELECT file\u00a0('${secret}')`,
    `SELECT \u200bfile\u200b('${secret}')`,
    `SELECT * APPLY file FROM (SELECT '${secret}')`,
    `SELECT * APPLY(file) FROM (SELECT '${secret}')`,
    `SELECT COLUMNS('.*') APPLY (\`file\`) FROM (SELECT '${secret}')`,
    `SELECT arrayMap(x -> file(x), ['${secret}'])`,
    `WITH x -> file(x) AS f SELECT f('${secret}')`,
    `SELECT * FROM file('${secret}', LineAsString)`,
    `DESCRIBE file('${secret}')`,
    `DESCRIBE TABLE file('${secret}', 'CSV')`,
    `EXPLAIN SELECT * FROM file('${secret}', LineAsString)`,
    `SELECT * FROM '${secret}'`,
    `SELECT * FROM \`${secret}\``,
    `SELECT 1 INTO OUTFILE '${secret}.out'`,
    `SELECT 1 /**/ into /**/ outfile '${secret}.out' truncate`,
    `SELECT * FROM url('${url}', LineAsString)`,
    `DESCRIBE url('${url}')`,
    `SELECT * FROM s3('http://b.127.0.0.1:${port}/x', 'CSV')`,
    `SELECT * FROM s3('${url}/y/z.csv', 'CSV')`,
    `DESCRIBE s3('${url}/y/z.csv')`,
    `SELECT * FROM gcs('${url}/y/z.csv', 'CSV')`,
    `SELECT * FROM iceberg('${url}/y/')`,
    `SELECT * FROM deltaLake('${url}/y/')`,
    `SELECT * FROM remote('127.0.0.1:${port}', 'system.one')`,
    `SELECT * FROM remoteSecure('127.0.0.1:${port}', 'system.one')`,
    `SELECT * FROM mysql('127.0.0.1:${port}', 'a', 'b', 'c', 'd')`,
    `SELECT * FROM postgresql('127.0.0.1:${port}', 'a', 'b', 'c', 'd')`,
    `SELECT * FROM mongodb('127.0.0.1:${port}', 'a', 'b', 'c', 'd', 'e String')`,
    `SELECT * FROM redis('127.0.0.1:${port}', 'k', 'k String')`,
    `SELECT * FROM hdfs('hdfs://127.0.0.1:${port}/x', 'TSV')`,
    `SELECT * FROM azureBlobStorage('${url}', 'c', 'x.csv')`,
    `SELECT * FROM executable('id', 'TSV', 'a String')`,
    `SELECT * FROM sqlite('${secret}', 't')`,
    `SELECT * FROM filesystem('${store.dataDir}')`,
    `SELECT * FROM urlCluster('default', '${url}', 'TSV', 'a String')`,
    `SELECT * FROM view(SELECT file('${secret}'))`,
    `SELECT * FROM (SELECT * FROM url('${url}', LineAsString))`,
    `SELECT dictGet('x', 'y', file('${secret}'))`,
    `WITH (SELECT file('${secret}')) AS x SELECT x`,
    `SELECT {f:Identifier}('${secret}')`,
    `SELECT $x$'$x$, file('${secret}')`,
    `SELECT 'a\\'', file('${secret}'), '`,
    `SELECT \u2018'\u2019, file('${secret}')`,
    `SELECT 1 # '\n, file('${secret}')`,
  ];
  for (const sql of tries) {
    const { status, text } = await ask(sql, { param_f: 'file' });
    assert.notEqual(status, 200, `${sql} -> ${text}`);
    assert.doesNotMatch(text, /hidden-text/, sql);
  }
  for (const sql of [
    `SELECT file('${secret}')`,
    `INSERT INTO FUNCTION file('${secret}.out', 'CSV', 'a Int8') VALUES (1)`,
    `INSERT INTO flowspan.t FROM INFILE '${secret}' FORMAT CSV`,
    `INSERT INTO flowspan.t SELECT * FROM url('${url}', CSV, 'a UInt64')`,
    `SELECT 1 INTO OUTFILE '${secret}.out'`,
  ]) {
    assert.notEqual((await asWriter(sql)).status, 200, `writer: ${sql}`);
  }
  assert.equal(trapped, 0, 'no connection was made');
  assert.ok(!existsSync(`${secret}.out`));
  assert.deepEqual(readdirSync(join(store.dataDir, 'store', 'incoming')), []);
});

test('formats read no files', async () => {
  const secret = join(store.dataDir, 'template.txt');
  writeFileSync(secret, 'hidden-text\n');
  for (const name of [
    'format_template_row',
    'format_template_resultset',
    'format_schema',
    'format_avro_schema_registry_url',
    'input_format_record_errors_file_path',
  ]) {
    for (const format of ['Template', 'Protobuf', 'CapnProto']) {
      const reply = await ask(`SELECT 1 AS a FORMAT ${format}`, { [name]: secret });
      assert.equal(reply.code, '164', `${name} ${format}`);
    }
  }
  const inQuery = await ask(`SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '${secret}'`);
  assert.equal(inQuery.code, '164');
  assert.doesNotMatch(inQuery.text, /hidden-text/);
  const custom = await ask('SELECT 1 AS a, 2 AS b FORMAT CustomSeparated', { format_custom_field_delimiter: '|' });
  assert.equal(custom.text, '1|2\n');
});

test('words that only look like it pass', async () => {
  for (const [sql, wanted] of [
    ["SELECT 'a file', profile FROM (SELECT 1 AS profile)", 'a file\t1\n'],
    ["SELECT format('{}-{}', 1, 2)", '1-2\n'],
    ['SELECT sum(number) FROM numbers(4)', '6\n'],
    ["SELECT count() FROM merge(flowspan, '^t$')", '10\n'],
    ["SELECT toString(a) AS url FROM flowspan.t WHERE url IN ('1')", '1\n'],
  ] as const) {
    assert.equal((await ask(sql)).text, wanted, sql);
  }
});

test('listening beyond loopback needs a password', async () => {
  await assert.rejects(RunningStore.start(['--store-listen', '0.0.0.0:0']), /FLOW_CONFIG_EXPOSED/);
});
