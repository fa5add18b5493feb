/** Slots that stay where they are, and places that rest before they are given out again. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Places } from '../../../collector/src/control/services/rest.ts';
import { nextSlots } from '../../../collector/src/control/services/slots.ts';
import { numbers } from './numbers.ts';

const weights = (text: string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const each of text) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
};

describe('slots', () => {
  const CASES: readonly [before: string, weights: string, after: string][] = [
    ['', 'abc', 'abc'],
    ['abc', 'abc', 'abc'],
    ['abc', 'abcd', 'abcd'],
    ['abcd', 'acd', 'adc'],
    ['abcd', 'abc', 'abc'],
    ['abcd', 'd', 'd'],
    ['abcd', '', ''],
    ['abcd', 'axcd', 'axcd'],
    ['abcd', 'xy', 'xy'],
    ['aabb', 'ab', 'ab'],
    ['aab', 'aabbb', 'aabbb'],
    ['aaab', 'ab', 'ab'],
  ];
  for (const [before, wanted, after] of CASES)
    it(`${before || 'none'} for ${wanted || 'none'} are ${after || 'none'}`, () =>
      assert.equal(nextSlots([...before], weights(wanted)).join(''), after));

  it('are as many as the weights say, and a backend that leaves moves as many as it had', () => {
    const random = numbers(7);
    let slots: readonly string[] = [];
    for (let step = 0; step < 500; step += 1) {
      const wanted = new Map<string, number>();
      for (const name of 'abcdefghij') if (random(3) > 0) wanted.set(name, 1 + random(4));
      const next = nextSlots(slots, wanted);
      assert.deepEqual(weights(next.join('')), new Map([...wanted].toSorted(byFirst(next))));
      const [left] = wanted.keys();
      if (left !== undefined) {
        const had = wanted.get(left)!;
        wanted.delete(left);
        const without = nextSlots(next, wanted);
        const moved = without.filter((name, slot) => next[slot] !== name).length;
        assert.ok(moved <= had, `${moved} moved for ${had} of ${left}`);
      }
      slots = next;
    }
  });
});

const byFirst = (slots: readonly string[]) => (one: [string, number], other: [string, number]) =>
  slots.indexOf(one[0]) - slots.indexOf(other[0]);

describe('places', () => {
  it('rest before they are given out again', () => {
    const places = new Places(4);
    assert.deepEqual([places.take(2, 0), places.take(2, 0), places.take(2, 0)], [0, 2, undefined]);
    places.giveBack(2, 2, 500);
    assert.equal(places.take(2, 1499), undefined);
    assert.equal(places.take(2, 1500), 2);
    assert.equal(places.used, 4);
    places.giveBack(0, 2, 2000);
    assert.equal(places.take(1, 2500), undefined);
    assert.deepEqual([places.take(1, 3000), places.take(1, 3000), places.take(1, 3000)], [0, 1, undefined]);
  });

  it('that an earlier run left are taken, and those between them are free', () => {
    const places = Places.takenUp(8, [
      { at: 5, size: 1 },
      { at: 0, size: 2 },
    ]);
    assert.equal(places.used, 3);
    assert.deepEqual(
      [6, 7].map(() => places.take(1, 0)),
      [4, 6],
    );
    assert.deepEqual([places.take(2, 0), places.take(1, 0), places.take(1, 0)], [2, 7, undefined]);
    assert.throws(() => Places.takenUp(8, [{ at: 7, size: 2 }]), RangeError);
    const twice = [
      { at: 1, size: 2 },
      { at: 2, size: 1 },
    ];
    assert.throws(() => Places.takenUp(8, twice), RangeError);
  });
});
