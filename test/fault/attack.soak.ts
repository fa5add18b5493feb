/** The attacks of store_attack and query_api_attack whole: every parameter of every route, and again for minutes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';

const ROUNDS = 5;

for (const name of ['store_attack', 'query_api_attack']) {
  test(`${name}, ${ROUNDS} times, whole`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const child = spawn(process.execPath, ['--test', join(import.meta.dirname, `${name}.test.ts`)], {
        stdio: 'inherit',
        env: { ...process.env, FLOWSPAN_ATTACK_WHOLE: '1', NODE_TEST_CONTEXT: '' },
      });
      const [code] = (await once(child, 'exit')) as [number | null];
      assert.equal(code, 0);
    }
  });
}
