/** The same as memory.test.ts for a longer time: FLOWSPAN_AWAY_S seconds, an hour if it is not set. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { whyNot } from '../support/flowspan.ts';
import { awayText, beAway } from './support/away.ts';

it('ClickHouse away for long takes no memory', { skip: whyNot() ?? false }, async (t) => {
  for (const away of await beAway(Number(process.env.FLOWSPAN_AWAY_S ?? 3600), 60)) {
    t.diagnostic(awayText(away));
    assert.ok(Math.max(away.awayMiB, away.catchUpMiB) <= 150, awayText(away));
  }
});
