/** The same as memory.test.ts for a longer time: FLOWSPAN_AWAY_S seconds, an hour if it is not set. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { whyNot } from '../support/flowspan.ts';
import { awayText, beAway } from './support/away.ts';

/** Stated bounds of resident memory, MB: while it is away, and while what has gathered for long is sent. */
const MOST_MB = { away: 150, catchingUp: 200 };

it('ClickHouse away for long takes no memory', { skip: whyNot() ?? false }, async () => {
  for await (const away of beAway(Number(process.env.FLOWSPAN_AWAY_S ?? 3600), 60)) {
    process.stdout.write(`${awayText(away)}\n`);
    assert.ok(away.awayMB <= MOST_MB.away, awayText(away));
    assert.ok(away.catchUpMB <= MOST_MB.catchingUp, awayText(away));
  }
});
