/** Maps: single entries, per-CPU values, whole maps by batch and without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MapEntries, possibleCpus } from '../../collector/native/addon.ts';
import { nativeError, u32, u64, withProbe } from './probe.ts';

/** Entries of a map from u32 to u64, in the order of their keys. */
function numbersOf({ keys, values, count }: MapEntries): [number, bigint][] {
  assert.equal(keys.length, count * 4);
  assert.equal(values.length, count * 8);
  const entries = Array.from({ length: count }, (_, index): [number, bigint] => [
    keys.readUInt32LE(index * 4),
    values.readBigUInt64LE(index * 8),
  ]);
  return entries.sort(([a], [b]) => a - b);
}

test('a map tells what it is', () =>
  withProbe((object) => {
    const { name, type, keySize, valueSize, valueStride, maxEntries } = object.map('numbers');
    assert.deepEqual(
      { name, type, keySize, valueSize, valueStride, maxEntries },
      { name: 'numbers', type: 'hash', keySize: 4, valueSize: 8, valueStride: 8, maxEntries: 100000 },
    );
    nativeError('FLOW_NATIVE_MAP', () => object.map('no_such_map'));
  }));

test('entries are written, read and deleted', () =>
  withProbe((object) => {
    const map = object.map('numbers');
    assert.equal(map.lookup(u32(7)), null);
    map.update(u32(7), u64(700n));
    assert.equal(map.lookup(u32(7))?.readBigUInt64LE(), 700n);
    assert.equal(nativeError('FLOW_NATIVE_MAP_ACCESS', () => map.update(u32(7), u64(1n), 1)).errno, 17);
    assert.equal(nativeError('FLOW_NATIVE_MAP_ACCESS', () => map.update(u32(8), u64(1n), 2)).errno, 2);
    assert.equal(map.delete(u32(7)), true);
    assert.equal(map.delete(u32(7)), false);
    assert.equal(map.lookup(u32(7)), null);
  }));

test('keys and values must have exactly the size of the map', () =>
  withProbe((object) => {
    const map = object.map('numbers');
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.lookup(Buffer.alloc(3)));
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.lookup(Buffer.alloc(5)));
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.update(u32(1), u32(1)));
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.delete(Buffer.alloc(0)));
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.updateBatch(Buffer.alloc(5), Buffer.alloc(8)));
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.updateBatch(Buffer.alloc(8), Buffer.alloc(8)));
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.deleteBatch(Buffer.alloc(6)));
    map.update(u32(1), new Uint8Array(8));
    assert.equal(map.entries().count, 1);
  }));

test('a map that is full says so', () =>
  withProbe(
    (object) => {
      const map = object.map('numbers');
      const write = (...keys: number[]) => map.updateBatch(Buffer.concat(keys.map(u32)), Buffer.alloc(8 * keys.length));
      assert.equal(write(), 0);
      assert.equal(write(1, 2), 2);
      assert.equal(write(2, 1, 3, 2), 2, 'those that are there have room, and it stops at the first that has none');
      assert.equal(map.entries().count, 2);
      assert.equal(nativeError('FLOW_NATIVE_MAP_ACCESS', () => map.update(u32(3), u64(3n))).errno, 7);
    },
    (object) => object.setMaxEntries('numbers', 2),
  ));

test('a map of many entries is read whole, each entry once', () =>
  withProbe((object) => {
    const map = object.map('numbers');
    assert.deepEqual(numbersOf(map.entries()), []);
    const count = 50_000;
    const keys = new Uint32Array(count);
    const values = new BigUint64Array(count);
    for (let i = 0; i < count; i++) {
      keys[i] = i * 3;
      values[i] = BigInt(i) ** 2n;
    }
    map.updateBatch(new Uint8Array(keys.buffer), new Uint8Array(values.buffer));
    const expected = [...keys].map((key, index): [number, bigint] => [key, values[index] ?? 0n]);
    assert.deepEqual(numbersOf(map.entries()), expected);
    assert.equal(map.deleteBatch(new Uint8Array(keys.buffer, 0, 4 * 20_000)), 20_000);
    assert.equal(map.deleteBatch(new Uint8Array(keys.buffer, 0, 4 * 20_001)), 1, 'those that are gone do not count');
    assert.deepEqual(numbersOf(map.entries()), expected.slice(20_001));
  }));

test('values of a per-CPU array have one part per processor, padded to eight bytes', () =>
  withProbe((object) => {
    const map = object.map('per_cpu');
    assert.equal(map.valueSize, 12);
    assert.equal(map.valueStride, 16 * possibleCpus);
    const value = Buffer.alloc(map.valueStride);
    for (let cpu = 0; cpu < possibleCpus; cpu++) value.writeUInt32LE(100 + cpu, cpu * 16 + 8);
    map.update(u32(2), value);
    const read = map.lookup(u32(2));
    for (let cpu = 0; cpu < possibleCpus; cpu++) assert.equal(read?.readUInt32LE(cpu * 16 + 8), 100 + cpu);
    nativeError('FLOW_NATIVE_ARGUMENT', () => map.update(u32(2), Buffer.alloc(12)));
    const all = map.entries();
    assert.equal(all.count, 4);
    assert.equal(all.values.length, 4 * map.valueStride);
    assert.deepEqual(all.values.subarray(2 * map.valueStride, 3 * map.valueStride), read);
    assert.equal(map.lookup(u32(4)), null);
    assert.equal(nativeError('FLOW_NATIVE_MAP_ACCESS', () => map.delete(u32(1))).errno, 22);
  }));

test('a per-CPU hash is read and written by batch', () =>
  withProbe((object) => {
    const map = object.map('per_cpu_numbers');
    const values = Buffer.alloc(3 * map.valueStride);
    for (let i = 0; i < 3; i++) values.writeBigUInt64LE(BigInt(i + 1), (i + 1) * map.valueStride - 8);
    map.updateBatch(Buffer.concat([u32(10), u32(20), u32(30)]), values);
    assert.equal(map.entries().count, 3);
    assert.equal(map.lookup(u32(20))?.readBigUInt64LE(map.valueStride - 8), 2n);
  }));

test('prefixes are looked up by longest match and listed', () =>
  withProbe((object) => {
    const map = object.map('prefixes');
    const prefix = (bits: number, ...address: number[]) => Buffer.concat([u32(bits), Buffer.from(address)]);
    map.updateBatch(Buffer.concat([prefix(8, 10, 0, 0, 0), prefix(24, 10, 1, 2, 0)]), Buffer.concat([u32(8), u32(24)]));
    assert.equal(map.lookup(prefix(32, 10, 1, 2, 3))?.readUInt32LE(), 24);
    assert.equal(map.lookup(prefix(32, 10, 9, 9, 9))?.readUInt32LE(), 8);
    assert.equal(map.lookup(prefix(32, 11, 0, 0, 1)), null);
    assert.equal(map.entries().count, 2);
  }));

test('maps of types without batch operations are read one by one', () =>
  withProbe((object) => {
    const map = object.map('per_cgroup');
    assert.equal(map.type, 'cgroup_storage');
    assert.deepEqual(map.entries().count, 0);
  }));

test('maps that are dropped without close do no harm', () =>
  withProbe((object) => {
    for (let i = 0; i < 20_000; i++) object.map('numbers');
    assert.equal(object.map('numbers').lookup(u32(1)), null);
  }));
