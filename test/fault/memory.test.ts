/** A ClickHouse that is away costs disk, not memory; what waited arrives whole, and live rows do not wait for it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fifo } from '../../collector/src/deliver/fifo.ts';
import { whyNot } from '../support/flowspan.ts';
import { awayText, beAway } from './support/away.ts';

const SECONDS = 8;
/** Stated bound of the collector's resident memory while ClickHouse is away, and while it catches up. */
const AWAY_MIB = 150;
const CATCHING_UP_MIB = 180;
/** Stated bound of what a live row waits while the backlog is sent, times what this machine may be slower. */
const LIVE_MS = 5000 * 6;

describe('ClickHouse away at 5,000 rows/s', { skip: whyNot() ?? false }, () => {
  it('takes no memory, and delays no live row when it is back', async (t) => {
    const away = await beAway(SECONDS);
    t.diagnostic(awayText(away));
    assert.deepEqual(away.losses, []);
    assert.ok(away.awayMiB <= AWAY_MIB, awayText(away));
    assert.ok(away.mostMiB <= CATCHING_UP_MIB, awayText(away));
    assert.ok(away.liveMs <= LIVE_MS, awayText(away));
  });
});

it('a queue gives up what was taken from it', () => {
  const queue = new Fifo<number>();
  for (let item = 0; item < 100_000; item += 1) queue.push(item);
  for (let item = 0; item < 50_000; item += 1) assert.equal(queue.shift(), item);
  assert.equal(
    queue.take((item) => item === 70_000),
    70_000,
  );
  assert.equal(
    queue.take((item) => item === 1),
    undefined,
  );
  assert.equal(queue.length, 49_999);
  for (let item = 50_000; item < 70_000; item += 1) assert.equal(queue.shift(), item);
  assert.equal(queue.first, 70_001);
});
