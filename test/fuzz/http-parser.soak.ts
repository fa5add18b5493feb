/** The kernel's HTTP parser, fuzzed for longer, from another seed each time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agree } from './http/agree.ts';
import { fuzz } from './http/native.ts';

const MINUTES = Number(process.env.FLOWSPAN_FUZZ_MINUTES ?? 10);

test(`the natively compiled HTTP parser holds for ${MINUTES} minutes`, {
  timeout: (MINUTES + 5) * 60_000,
}, async (t) => {
  const seed = Number(process.env.FLOWSPAN_FUZZ_SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`FLOWSPAN_FUZZ_SEED=${seed}`);
  const { tried, found } = await fuzz({ runs: -1, seconds: MINUTES * 60, seed });
  t.diagnostic(`${tried} inputs, of which ${found.length} reach something that no other does`);
  assert.ok(tried > found.length);
  agree(found);
});
