import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { migrate } from '../../store/migrate.ts';
import { REQUESTS } from '../../store/tables.ts';
import { insertSql, requestColumns } from './generated_rows.ts';
import { RunningStore } from './running_store.ts';

let store: RunningStore;
before(async () => {
  store = await RunningStore.start(['--store-max-execution-s', '8', '--store-max-memory-bytes', '100MiB']);
  await migrate(store.writer(), 'flowspan');
});
after(() => store.close());

test('SIGTERM ends it in under 3 s, whatever runs, and it is ready again in under 5', async () => {
  const long = store
    .reader()
    .query({ query: 'SELECT count() FROM numbers(900000000) WHERE sipHash64(number) = 1', format: 'JSON' })
    .catch((error: Error) => error);
  const stuck = connect(Number(new URL(store.url).port), '127.0.0.1');
  await once(stuck, 'connect');
  stuck.write('GET /?query=SELECT+number+FROM+numbers(1000000) HTTP/1.1\r\nHost: x\r\n\r\n');
  stuck.pause();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const stopping = performance.now();
  assert.equal(await store.kill('SIGTERM'), 0);
  const stopped = performance.now() - stopping;
  assert.ok(stopped < 3000, `took ${stopped} ms to stop`);
  assert.ok((await long) instanceof Error);
  stuck.destroy();
  assert.ok(!readdirSync(join(store.dataDir, 'store')).includes('pipes'), 'pipes are removed');
  const starting = performance.now();
  await store.restart();
  const started = performance.now() - starting;
  assert.ok(started < 5000, `took ${started} ms to start`);
});

test('a second process on the same data says so and leaves it alone', async () => {
  const second = spawn(
    process.execPath,
    [join(import.meta.dirname, 'run_store.ts'), '--data-dir', store.dataDir, '--store-listen', '127.0.0.1:0'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let told = '';
  second.stderr.on('data', (chunk) => {
    told += chunk;
  });
  const [code] = await once(second, 'exit');
  assert.equal(code, 1);
  assert.match(told, /FLOW_STORE_OPEN.*another flowspan store runs/s);
  assert.deepEqual(await store.reader().ping(), { success: true });
});

test('memory stays bounded while readers ask for too much', async () => {
  const writer = store.writer();
  const begin = "toDateTime64(toStartOfHour(now() - 7200), 9, 'UTC')";
  await writer.command({ query: insertSql(REQUESTS, requestColumns(begin, 5_000_000), 300_000) });
  const queries = [
    'SELECT groupArray(number), uniqExact(number) FROM numbers(500000000)',
    'SELECT * FROM flowspan.requests ORDER BY sipHash64(socket_cookie), http_path',
    'SELECT a.time FROM flowspan.requests AS a CROSS JOIN flowspan.requests AS b ORDER BY a.time, b.time',
    'SELECT number, count() FROM numbers(900000000) GROUP BY number',
  ];
  let highest = 0;
  const watch = setInterval(() => {
    highest = Math.max(highest, store.residentBytes());
  }, 50);
  const asked = Array.from({ length: 12 }, async (_, index) => {
    try {
      const result = await store.reader().exec({ query: `${queries[index % queries.length]} FORMAT Null` });
      for await (const _chunk of result.stream);
      return 'answered';
    } catch (error) {
      return String((error as { code?: string }).code);
    }
  });
  const codes = new Set(await Promise.all(asked));
  clearInterval(watch);
  for (const code of codes) assert.ok(['241', '158', '159', '396', 'answered'].includes(code), code);
  assert.ok(codes.has('241'), [...codes].join());
  assert.ok(highest < 500e6 + 12 * 100 * 1024 ** 2, `${highest} bytes resident`);
  assert.deepEqual(await store.reader().ping({ select: true }), { success: true });
});
