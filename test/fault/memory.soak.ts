/** The same as memory.test.ts for a longer time: FLOWSPAN_AWAY_S seconds, an hour if it is not set. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { whyNot } from '../support/flowspan.ts';
import { awayText, beAway } from './support/away.ts';

it('ClickHouse away for long takes no memory', { skip: whyNot() ?? false }, async (t) => {
  const away = await beAway(Number(process.env.FLOWSPAN_AWAY_S ?? 3600));
  t.diagnostic(awayText(away));
  assert.ok(away.awayMiB <= 150, awayText(away));
});
