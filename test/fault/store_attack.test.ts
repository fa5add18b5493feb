/**
 * The embedded store under attack by one who may read: whatever is sent is refused or cut off with a number in time, and
 * the store goes on answering.
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { eventually } from '../../deploy/lab/wait.ts';
import { RunningStore } from '../store/running_store.ts';
import { BOMBS } from './support/bombs.ts';
import { Crowd, openRaw, sendRaw } from './support/raw_http.ts';

/** Every attack is answered within so long, milliseconds. */
const BOUND_MS = 5_000;
/** Bombs that are sent together. */
const AT_ONCE = 6;

let store: RunningStore;
before(async () => {
  store = await RunningStore.start(['--store-max-execution-s', '1', '--store-max-memory-bytes', '256MiB']);
});
after(() => store.close());

interface Reply {
  readonly status: number;
  readonly code: string | null;
  readonly text: string;
  readonly ms: number;
}

async function ask(sql: string, search = '', headers: Record<string, string> = {}): Promise<Reply> {
  const begun = performance.now();
  const response = await fetch(`${store.url}/?${search}`, { method: 'POST', headers, body: sql });
  const text = await response.text();
  const code = response.headers.get('x-clickhouse-exception-code');
  return { status: response.status, code, text, ms: performance.now() - begun };
}

const port = () => Number(new URL(store.url).port);

async function assertAlive(): Promise<void> {
  assert.equal((await ask('SELECT 42')).text, '42\n');
}

test('every table function that the engine has is refused, or is one of the inner ones', async () => {
  const names = (await ask('SELECT DISTINCT name FROM system.table_functions')).text.trim().split('\n');
  assert.ok(names.length > 50);
  const inner = [];
  for (const name of names) {
    const replies = await Promise.all([ask(`SELECT * FROM ${name}('/etc/passwd')`), ask(`DESCRIBE ${name}('x', 'y')`)]);
    for (const { status, text } of replies) assert.doesNotMatch(text, /root:/, `${name}: ${status}`);
    if (replies.some(({ code }) => code !== '164')) inner.push(name);
  }
  const known =
    /^(format|generate_series|generateRandom|generateSeries|merge|mergeTreeIndex|null|numbers|numbers_mt|one|primes|values|view|zeros|zeros_mt)$/i;
  assert.deepEqual(
    inner.filter((name) => !known.test(name)),
    [],
  );
});

test('what would get out of the account or the statement is refused', async () => {
  const out = join(store.dataDir, 'stolen');
  writeFileSync(join(store.dataDir, 'hidden.csv'), 'hidden-text\n');
  const hidden = join(store.dataDir, 'hidden.csv');
  for (const sql of [
    `SELECT 1 /* /* */ ' */ INTO OUTFILE '${out}' -- '`,
    `SELECT 1 /* /* */ \` */ INTO OUTFILE '${out}' FORMAT CSV -- \``,
    `SELECT 1 /* a /* b */ c */ INTO OUTFILE '${out}'`,
    `(SELECT 1) INTO OUTFILE '${out}'`,
    `SELECT 1; DROP DATABASE flowspan`,
    `SELECT 1 $x$;$x$; DROP DATABASE flowspan`,
    `SELECT * FROM (SELECT file/* /* */ */('${hidden}'))`,
    `SELECT 1 PARALLEL WITH DROP DATABASE flowspan`,
    `EXPLAIN PIPELINE INSERT INTO FUNCTION file('${out}') SELECT 1`,
    `CREATE VIEW v AS SELECT 1 SETTINGS readonly = 0`,
    `CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'id' FORMAT TSV)) LAYOUT(FLAT()) LIFETIME(1)`,
    `CREATE TEMPORARY TABLE t (a Int8)`,
    `SET readonly = 0`,
    `ATTACH TABLE t`,
    `SYSTEM SHUTDOWN`,
    `BACKUP DATABASE flowspan TO File('${out}')`,
    `WITH editDistance('a', 'b') AS d SELECT d`,
  ]) {
    const { code, status, text } = await ask(sql);
    assert.ok(code !== null && status >= 400, `${sql}: ${status} ${text}`);
    assert.doesNotMatch(text, /hidden-text/);
  }
  assert.ok(!existsSync(out));
  for (const [search, code] of [
    ['session_id=1', '48'],
    ['role=admin', '48'],
    ['user=collector', '516'],
    ['user=collector&password=wrong', '516'],
    ['readonly=0', '164'],
    ['allow_ddl=1', '164'],
    ['max_expanded_ast_elements=1000000000', '164'],
    ['allow_introspection_functions=1', '164'],
    ['priority=-1', '164'],
    ['decompress=1', '48'],
    ["param_x'=1", '36'],
    ['database=system%60%3B%20DROP', '81'],
    ['additional_result_filter=file(%27/etc/passwd%27)=1', '164'],
  ]) {
    const reply = await ask('SELECT {x:String}, hostName()', `param_x=1&${search}`);
    assert.equal(reply.code, code, `${search}: ${reply.text}`);
  }
  // External data: there are no temporary tables, the parts of the form are no statement.
  const form = new FormData();
  form.set('t', new Blob(['1\n']), 't');
  const external = await fetch(`${store.url}/?query=SELECT+*+FROM+t&t_structure=a+Int8`, {
    method: 'POST',
    body: form,
  });
  assert.ok(external.headers.has('x-clickhouse-exception-code'), await external.text());
  assert.equal((await ask('SHOW DATABASES')).text.includes('flowspan'), true);
});

test('bombs are refused or cut off with a number, in time', async (t) => {
  let longest = 0;
  for (let at = 0; at < BOMBS.length; at += AT_ONCE) {
    const some = BOMBS.slice(at, at + AT_ONCE).map(async ([name, sql, mayEnd]) => {
      // Each as an asker of its own: what the engine cannot stop keeps its slot.
      const { code, ms, text } = await ask(sql, `quota_key=${encodeURIComponent(name)}`);
      longest = Math.max(longest, ms);
      assert.ok(ms < BOUND_MS, `${name} took ${ms} ms`);
      if (!mayEnd) assert.ok(code !== null || text.includes('__exception__'), `${name}: ${text.slice(0, 200)}`);
    });
    await Promise.all(some);
  }
  t.diagnostic(`longest answer to ${BOMBS.length} bombs: ${Math.round(longest)} ms`);
  await assertAlive();
});

test('statements made to be read slowly are read in time', async () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => `$${index}$ `).join('');
  for (const [name, sql] of [
    ['comments behind a refused name', `SELECT file${'/**/'.repeat(60_000)}x`],
    ['comments behind SETTINGS', `SELECT settings${'/**/'.repeat(60_000)}x`],
    ['comments in comments', `SELECT ${'file/* '.repeat(30_000)}`],
    ['comments that close late', `SELECT ${'file/*'.repeat(20_000)}${'*/ '.repeat(20_000)}`],
    ['heredocs', `SELECT ${lines}`],
    ['curly quotes', `SELECT ${'\u2018'.repeat(60_000)}`],
    ['quotes', `SELECT ${`'\\`.repeat(100_000)}`],
    ['signs', `SELECT ${'-'.repeat(250_000)}`],
    ['more than a statement has', 'SELECT 1'.padEnd(3_000_000)],
  ] as const) {
    const { ms, code } = await ask(sql);
    assert.ok(code !== null && ms < BOUND_MS, `${name}: ${code} after ${ms} ms`);
  }
  const bomb = gzipSync(Buffer.alloc(300_000_000, 0x20));
  const zipped = await fetch(store.url, { method: 'POST', headers: { 'Content-Encoding': 'gzip' }, body: bomb });
  assert.equal(zipped.headers.get('x-clickhouse-exception-code'), '62');
  const chunks = '1\r\n \r\n'.repeat(200_000);
  const small = await sendRaw(
    port(),
    `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
  );
  assert.match(small.text, /X-ClickHouse-Exception-Code: (62|159)/);
  assert.ok(small.ms < BOUND_MS, `${small.ms} ms`);
  await assertAlive();
});

test('slow requests and slow readers are ended with a number', async () => {
  const slow = await Promise.all([
    sendRaw(port(), ''),
    sendRaw(port(), 'GET /?query=SELECT+1 HTTP/1.1\r\nX-A: '),
    sendRaw(port(), 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nSELECT 1'),
    sendRaw(port(), `GET / HTTP/1.1\r\nX-A: ${'a'.repeat(300_000)}\r\n\r\n`),
    sendRaw(port(), 'BREW / HTTP/9.9\r\n\r\n'),
  ]);
  const numbers = slow.map(({ text }) => /X-ClickHouse-Exception-Code: (\d+)/.exec(text)?.[1]);
  assert.deepEqual(numbers, ['159', '159', '159', '36', '36']);
  for (const { ms } of slow) assert.ok(ms < BOUND_MS + 1000, `${ms} ms`);
  const lazy = await Promise.all(
    Array.from({ length: 20 }, () =>
      openRaw(port(), 'GET /?query=SELECT+repeat(%27a%27,200)+FROM+numbers(900000) HTTP/1.1\r\nHost: x\r\n\r\n'),
    ),
  );
  for (const socket of lazy) socket.pause();
  const { text, ms } = await ask('SELECT 42', 'quota_key=other');
  assert.equal(text, '42\n');
  assert.ok(ms < BOUND_MS);
  for (const socket of lazy) socket.destroy();
});

test('ten thousand connections leave room for others', async (t) => {
  const crowd = new Crowd(port(), '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5');
  await crowd.open(10_000);
  const begun = performance.now();
  await assertAlive();
  t.diagnostic(`${crowd.left} of 10,000 connections open; SELECT in ${Math.round(performance.now() - begun)} ms`);
  assert.ok(performance.now() - begun < BOUND_MS);
  assert.ok((await crowd.shrunk(1024)) <= 1024, `${crowd.left} are open`);
  crowd.close();
});

test('who asks for much at once leaves others their answers', async (t) => {
  const ordinary = 'SELECT count(), uniq(number % 1000) FROM numbers(300000)';
  const times = async () => {
    const took: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      const begun = performance.now();
      const { status, text } = await sendRaw(
        port(),
        `GET /?query=${encodeURIComponent(ordinary)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        '127.0.0.9',
      );
      assert.equal(status, 200, text);
      took.push(performance.now() - begun);
    }
    return took.sort((a, b) => a - b);
  };
  const median = (of: readonly number[]) => of[of.length >> 1]!;
  const quiet = await times();
  let attacking = true;
  const attack = Array.from({ length: 30 }, async (_, index) => {
    const codes: (string | null)[] = [];
    while (attacking) codes.push((await ask(BOMBS[index % 4]![1])).code);
    return codes;
  });
  const busy = await times();
  attacking = false;
  const codes = (await Promise.all(attack)).flat();
  t.diagnostic(
    `ordinary answers: median ${median(quiet).toFixed(0)} ms alone, ${median(busy).toFixed(0)} ms beside 30 heavy askers` +
      ` (ratio ${(median(busy) / median(quiet)).toFixed(2)}), longest ${busy.at(-1)!.toFixed(0)} ms`,
  );
  assert.ok(busy.at(-1)! < BOUND_MS, `${busy.at(-1)} ms`);
  assert.ok(codes.every((code) => code !== null));
});

/** Slots of readers, all taken by askers whose queries last. */
const SLOTS = 16;
const LASTING = 'SELECT sleep(3), sleep(2.9)';

test('readers that take every slot stop no insert, and who would start too late is refused', async (t) => {
  // whoever starts it may give too few threads
  process.env.UV_THREADPOOL_SIZE = String(SLOTS);
  t.after(() => delete process.env.UV_THREADPOOL_SIZE);
  const busy = await RunningStore.start(['--store-max-execution-s', '6']);
  t.after(() => busy.close());
  const writer = busy.writer();
  await writer.command({ query: 'CREATE TABLE flowspan.t (a UInt64) ENGINE = MergeTree ORDER BY a' });
  const leaving = new AbortController();
  const read = async (asker: string, sql: string) => {
    const url = `${busy.url}/?quota_key=${asker}`;
    const response = await fetch(url, { method: 'POST', body: sql, signal: leaving.signal });
    await response.text();
    return response.headers.get('x-clickhouse-exception-code');
  };
  let ended = 0;
  const readers = Array.from({ length: SLOTS }, (_, asker) =>
    read(`one-${asker}`, LASTING)
      .catch(() => undefined)
      .finally(() => ended++),
  );
  await eventually('every slot to be taken', async () => {
    const page = await (await fetch(`${busy.url}/metrics`)).text();
    return page.includes(`running_statements{account="reader"} ${SLOTS}`);
  });
  const late = read('late', 'SELECT 1');
  await writer.insert({ table: 'flowspan.t', values: [{ a: 1 }, { a: 2 }], format: 'JSONEachRow' });
  assert.equal(ended, 0, 'the insert has waited for a reader');
  assert.equal(await late, '202');
  leaving.abort();
  await Promise.all(readers);
});
