import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Engine } from '../../../store/embedded/engine.ts';
import { FLOW_MODEL } from './flows.ts';
import { REQUEST_MODEL } from './requests.ts';
import { piecesOfDay } from './shape.ts';
import { createSchema, insertPiece } from './store.ts';

/** The first connections of noon. */
const PIECE = { ...piecesOfDay(1_000_000)[144]!, count: 200 };

/** What stands in the tables; changes only with the generator, on purpose. */
const HASHES = [
  ['requests', REQUEST_MODEL, '80152135898B1AA5'],
  ['flows', FLOW_MODEL, 'FBD893E8A96E818C'],
] as const;

test('the generated traffic is the same on every run, and what it says it is', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flowspan-traffic-'));
  const engine = await Engine.open(directory, { readers: 1, writers: 1, memoryBytes: 1024 ** 3 });
  t.after(async () => {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  });
  await createSchema(engine);
  await insertPiece(engine, PIECE);
  await insertPiece(engine, PIECE);
  for (const [table, model, hash] of HASHES) {
    const [row] = await engine.rows<{ hash: string }>(
      `SELECT hex(sum(cityHash64(toString((${Object.keys(model).join(', ')}))))) AS hash FROM flowspan.${table}`,
    );
    assert.equal(row!.hash, hash, table);
  }
  const [requests] = await engine.rows<Record<string, number>>(
    `SELECT count() AS rows, avg(has_trace) AS traced, avg(endsWith(resource, '{id}')) AS with_id,
       uniqExactIf(http_path, endsWith(resource, '{id}')) / countIf(endsWith(resource, '{id}')) AS unique,
       avg(observation_point = 'server') AS server, min(toInt64(duration_ns) - toInt64(response_start_ns)) AS least
     FROM flowspan.requests`,
  );
  assert.equal(requests!.server, 0.5);
  assert.equal(requests!.unique, 0.5, 'each id comes once, at both ends');
  assert.ok(Math.abs(requests!.with_id! - 0.3) < 0.02, `ids: ${requests!.with_id}`);
  assert.ok(Math.abs(requests!.traced! - 0.1) < 0.01, `traced: ${requests!.traced}`);
  assert.ok(Number(requests!.least) >= 0, 'a response begins before it ends');
  const [bytes] = await engine.rows<Record<string, string>>(
    `SELECT (SELECT sumIf(request_bytes, observation_point = 'client') FROM flowspan.requests) AS requests,
       sumIf(bytes_sent, observation_point = 'client') AS flows FROM flowspan.flows`,
  );
  assert.equal(bytes!.flows, bytes!.requests, 'flow rows carry what the requests did');
});
