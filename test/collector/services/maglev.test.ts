/** Maglev tables: what the paper (NSDI 2016, section 3.4) says of balance, disruption and agreement. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  MAGLEV_LARGE_SIZE,
  MAGLEV_SIZE,
  type MaglevBackend,
  maglevTable,
  movedShare,
} from '../../../collector/src/control/services/maglev.ts';

const named = (count: number, weight = (_: number) => 1): MaglevBackend[] =>
  Array.from({ length: count }, (_, at) => ({ name: `10.0.${at >> 8}.${at & 255}:8080`, weight: weight(at) }));

function entriesOf(table: Uint32Array, backends: readonly MaglevBackend[]): number[] {
  const counts = backends.map(() => 0);
  for (const index of table) counts[index]! += 1;
  return counts;
}

describe('a Maglev table', () => {
  for (const [count, size] of [
    [1, 7],
    [3, 7],
    [7, 7],
    [5, MAGLEV_SIZE],
    [100, MAGLEV_SIZE],
    [1000, MAGLEV_LARGE_SIZE],
  ] as const)
    it(`gives ${count} backends of ${size} entries as many, give or take one`, () => {
      const backends = named(count);
      const counts = entriesOf(maglevTable(backends, size), backends);
      assert.equal(
        counts.reduce((sum, each) => sum + each),
        size,
      );
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${Math.min(...counts)} to ${Math.max(...counts)}`);
    });

  it('gives each by its weight', () => {
    const backends = named(10, (at) => at + 1);
    const counts = entriesOf(maglevTable(backends, MAGLEV_LARGE_SIZE), backends);
    for (const [at, entries] of counts.entries()) {
      const share = ((at + 1) / 55) * MAGLEV_LARGE_SIZE;
      assert.ok(Math.abs(entries - share) <= 10, `${entries} for ${share}`);
    }
  });

  it('is filled in turns, each taking its next wish that is free', () => {
    // The paper's own table, made by hand from the wishes that our hash gives: by its pseudo code, without ours.
    const backends = named(3);
    const size = 11;
    const table = maglevTable(backends, size);
    const wishes = backends.map((only) => wishesOf(only.name, size));
    const expected: number[] = Array(size).fill(-1);
    const next = [0, 0, 0];
    for (let filled = 0, turn = 0; filled < size; filled += 1, turn = (turn + 1) % 3) {
      while (expected[wishes[turn]![next[turn]!]!] !== -1) next[turn]! += 1;
      expected[wishes[turn]![next[turn]!]!] = turn;
    }
    assert.deepEqual([...table], expected);
  });

  it('is the same in whatever order the backends are told', () => {
    const backends = named(50);
    const table = maglevTable(backends);
    const reversed = backends.toReversed();
    const other = maglevTable(reversed);
    for (const [entry, index] of table.entries())
      assert.equal(reversed[other[entry]!]!.name, backends[index]!.name, `entry ${entry}`);
  });

  for (const [count, size] of [
    [100, MAGLEV_SIZE],
    [1000, MAGLEV_LARGE_SIZE],
  ] as const)
    it(`moves little of the others when one of ${count} leaves or comes`, () => {
      const all = { backends: named(count), table: maglevTable(named(count), size) };
      for (const gone of [0, 17, count - 1]) {
        const backends = all.backends.filter((_, at) => at !== gone);
        const without = { backends, table: maglevTable(backends, size) };
        const moved = movedShare(all, without);
        // Its own entries must move, one in `count`. Each that goes to another may push that one's next wish away, and so on.
        assert.ok(moved < 10 / count, `${moved} of ${count}`);
        assert.ok(moved > 0, 'consistency is not perfect, says the paper: a test that never sees it is none');
        const back = movedShare(without, all);
        assert.ok(back < 10 / count, `${back} when it comes back`);
      }
    });

  it('moves next to nothing of a table that is much larger than needed, unlike a remainder of a division', () => {
    const all = { backends: named(10), table: maglevTable(named(10), MAGLEV_LARGE_SIZE) };
    const backends = all.backends.slice(1);
    const moved = movedShare(all, { backends, table: maglevTable(backends, MAGLEV_LARGE_SIZE) });
    const divided = (count: number) => Uint32Array.from({ length: MAGLEV_LARGE_SIZE }, (_, at) => at % count);
    const naive = movedShare({ ...all, table: divided(10) }, { backends, table: divided(9) });
    assert.ok(moved < 0.05, `${moved}`);
    assert.ok(naive > 0.7, `${naive}`);
  });

  it('is refused where it could not be right', () => {
    assert.throws(() => maglevTable(named(2), 16), RangeError);
    assert.throws(() => maglevTable(named(2), 1), RangeError);
    assert.throws(() => maglevTable(named(8), 7), RangeError);
    assert.throws(() => maglevTable([...named(2), ...named(1)]), RangeError);
    for (const weight of [0, -1, 1.5, Number.NaN]) assert.throws(() => maglevTable(named(2, () => weight)), RangeError);
    assert.equal(maglevTable([]).length, 0);
  });
});

/** All entries in the order in which a backend wants them, by the paper's formula over the hash that maglev.ts names. */
function wishesOf(name: string, size: number): number[] {
  const hash = createHash('sha256').update(name).digest();
  const offset = Number(hash.readBigUInt64LE(0) & 0xffff_ffff_ffffn) % size;
  const skip = (Number(hash.readBigUInt64LE(6) & 0xffff_ffff_ffffn) % (size - 1)) + 1;
  return Array.from({ length: size }, (_, at) => (offset + at * skip) % size);
}
