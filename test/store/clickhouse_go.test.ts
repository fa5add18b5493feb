import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { RunningStore } from './running_store.ts';

const PEER = join(import.meta.dirname, '../../fixtures/bin/clickhouse-go');
const skip = existsSync(PEER) ? false : 'fixtures/bin/clickhouse-go is missing: make fixtures';

/** What the peer prints per step. */
interface Step {
  readonly name: string;
  readonly result?: unknown;
  /** ClickHouse's error code. */
  readonly code?: number;
  readonly error?: string;
}

let store: RunningStore;
before(async () => {
  if (skip === false) store = await RunningStore.start();
});
after(() => store?.close());

async function run(user: string, password: string, compression: string): Promise<Map<string, Step>> {
  const address = store.url.replace('http://', '');
  const { stdout } = await promisify(execFile)(PEER, [address, user, password, compression], { timeout: 30_000 });
  return new Map((JSON.parse(stdout) as Step[]).map((step) => [step.name, step]));
}

for (const compression of ['none', 'gzip']) {
  test(`clickhouse-go over HTTP, compression ${compression}`, { skip }, async () => {
    const password = readFileSync(join(store.dataDir, 'writer_password'), 'utf8').trim();
    const steps = await run(compression === 'none' ? 'collector' : '', password, compression);
    const expected: Record<string, unknown> = {
      select: ['1'],
      tables: ['t'],
      columns: ['a', 'time', 'address', 'kind', 'word', 'labels'],
      parameters: ["it's\t18446744073709551615"],
      types: [10, '2023-11-14T22:13:20.123456789Z', '::ffff:10.0.0.1', 'y', { k: 'v' }],
      additional_table_filters: ['3'],
      large: 124_999_750_000,
    };
    for (const name of ['ping', 'server_version', 'databases', ...Object.keys(expected)]) {
      assert.equal(steps.get(name)!.error, undefined, name);
      if (name in expected) assert.deepEqual(steps.get(name)!.result, expected[name], name);
    }
    if (compression === 'none') assert.equal(steps.get('batch')!.error, undefined);
    assert.match(String(steps.get('server_version')!.result), /^flowspan 26\.7 /);
    assert.equal(steps.get('unknown_identifier')!.code, 47);
    assert.equal(steps.get('refused_setting')!.code, 164);
    assert.equal(steps.get('error_in_the_middle')!.code, 395);
    assert.match(steps.get('cancelled')!.error!, /context deadline exceeded/);
  });
}

test('a cancelled query of clickhouse-go stops in the engine', { skip }, async () => {
  for (const until = Date.now() + 5000; ; ) {
    const result = await store.reader().query({
      query: "SELECT count() AS n FROM system.processes WHERE query LIKE '%/* go */%' AND query NOT LIKE '%processes%'",
      format: 'JSONCompactEachRow',
    });
    const [[running]] = (await result.json<[number]>()) as [[number]];
    if (running === 0) return;
    assert.ok(Date.now() < until, 'it still runs');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
