/** A ClickHouse that is away costs disk, not memory; what waited arrives whole, and live rows do not wait for it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fifo } from '../../collector/src/deliver/fifo.ts';
import { whyNot } from '../support/flowspan.ts';
import { awayText, beAway } from './support/away.ts';

/** Two times away. */
const SECONDS = [6, 4];
/** Stated bound of the collector's resident memory: while ClickHouse is away, catching up, and after a restart, too. */
const MOST_MB = 150;
/** Stated bound of what a live row waits while the backlog is sent, times what this machine may be slower. */
const LIVE_MS = 5000 * 6;

describe('ClickHouse away at 5,000 rows/s', { skip: whyNot() ?? false }, () => {
  it('takes no memory, and delays no live row when it is back; nor after kill -9', async (t) => {
    for await (const away of beAway(...SECONDS)) {
      const text = awayText(away);
      t.diagnostic(text);
      assert.ok(away.awayMB <= MOST_MB, text);
      assert.ok(away.catchUpMB <= MOST_MB, text);
      assert.ok(away.liveMs <= LIVE_MS, text);
      // The governor is off; rings may still overflow on a busy machine, and then it is told.
      assert.ok(away.stored <= away.made && away.stored + away.lost >= away.made, text);
    }
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
