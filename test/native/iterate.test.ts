/** Iterators: over a map, here and on another thread. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BpfMap, BpfObject, Link } from '../../collector/native/addon.ts';
import { walk } from '../../collector/src/attach/walk.ts';
import { nativeError, u32, withProbe } from './probe.ts';

/** Fills `numbers` with the keys 0 to count - 1. */
function fillNumbers(object: BpfObject, count: number): BpfMap {
  const keys = new Uint32Array(count).map((_, index) => index);
  const map = object.map('numbers');
  map.updateBatch(new Uint8Array(keys.buffer), Buffer.alloc(count * 8));
  return map;
}

/** The keys that a walk printed, in ascending order. */
function keysOf(output: Buffer): number[] {
  return Array.from({ length: output.length / 4 }, (_, index) => output.readUInt32LE(index * 4)).sort((a, b) => a - b);
}

test('a walk gives everything the program printed, however much it is', () =>
  withProbe((object) => {
    const link = object.attachIterator('walk_numbers', 'numbers');
    assert.equal(object.iterate(link).length, 0);
    fillNumbers(object, 50_000);
    assert.deepEqual(
      keysOf(object.iterate(link)),
      Array.from({ length: 50_000 }, (_, index) => index),
    );
    assert.equal(object.iterate(link).length, 200_000, 'each walk begins anew');
  }));

test('an iterator over a map needs one that is there', () =>
  withProbe((object) => {
    nativeError('FLOW_NATIVE_ATTACH', () => object.attachIterator('walk_numbers'));
    nativeError('FLOW_NATIVE_MAP', () => object.attachIterator('walk_numbers', 'no_such_map'));
    nativeError('FLOW_NATIVE_ATTACH', () => object.attachIterator('walk_numbers', 'ring'));
    nativeError('FLOW_NATIVE_ATTACH', () => object.attachIterator('write_records', 'numbers'));
  }));

test('only links of iterators can be walked, and only while they are open', () =>
  withProbe(async (object) => {
    const link = object.attachIterator('walk_numbers', 'numbers');
    nativeError('FLOW_NATIVE_ITERATE', () => object.iterate(object.attach('on_system_call')));
    nativeError('FLOW_NATIVE_ARGUMENT', () => object.iterate({} as Link));
    nativeError('FLOW_NATIVE_ARGUMENT', () => object.openIterator(object as unknown as Link));
    link.close();
    link.close();
    nativeError('FLOW_NATIVE_CLOSED', () => object.iterate(link));
    nativeError('FLOW_NATIVE_CLOSED', () => object.openIterator(link));
  }));

test('a walk on another thread leaves this one free', () =>
  withProbe(
    async (object) => {
      const map = fillNumbers(object, 20_000);
      const link = object.attachIterator('walk_numbers', 'numbers');
      let turns = 0;
      let walking = true;
      const spin = () => {
        if (!walking) return;
        turns++;
        map.lookup(u32(1));
        setImmediate(spin);
      };
      setImmediate(spin);
      const [first, second] = await Promise.all([walk(object, link), walk(object, link)]);
      walking = false;
      assert.equal(first, 80_000);
      assert.equal(second, 80_000);
      assert.ok(turns > 10, `${turns} turns of the loop during the walk`);
    },
    (object) => object.setGlobal('walk_delay', u32(2000)),
  ));

test('a walk that has begun ends well although its link and its object are closed', async () => {
  const begun = await withProbe(
    (object) => {
      fillNumbers(object, 20_000);
      const link = object.attachIterator('walk_numbers', 'numbers');
      const started = walk(object, link);
      link.close();
      return { started };
    },
    (object) => object.setGlobal('walk_delay', u32(2000)),
  );
  assert.equal(await begun.started, 80_000);
});
