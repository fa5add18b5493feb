/** Memory given back to the kernel is no longer resident, and nobody else's is touched. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { giveBackMemory, giveBackPages } from '../../collector/native/addon.ts';
import { Arena } from '../../collector/src/batch/arena.ts';
import { ChunkPool } from '../../collector/src/deliver/chunks.ts';

const MIB = 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

const residentMiB = () => process.memoryUsage.rss() / MIB;

describe('memory', () => {
  it('pages that are given back are empty and not resident; those beside them stay', () => {
    const memory = Buffer.alloc(64 * MIB, 1);
    const before = residentMiB();
    giveBackPages(memory.subarray(1, 48 * MIB));
    assert.ok(before - residentMiB() > 40, `${before} -> ${residentMiB()} MiB`);
    assert.equal(memory[0], 1);
    assert.equal(memory[16 * MIB], 0);
    assert.ok(memory.subarray(48 * MIB).every((byte) => byte === 1));
    memory.fill(2);
    assert.equal(memory[16 * MIB], 2);
  });

  it('less than a page stays, and what is no memory is refused', () => {
    const memory = Buffer.alloc(100, 1);
    giveBackPages(memory);
    assert.ok(memory.every((byte) => byte === 1));
    assert.throws(() => giveBackPages('memory' as never), { code: 'FLOW_NATIVE_ARGUMENT' });
  });

  it('chunks that were lent once and not since are given back, those in use and the next to be lent are not', () => {
    const arena = new Arena(256 * CHUNK_BYTES);
    const pool = new ChunkPool(arena, 256, CHUNK_BYTES);
    const lend = (count: number) => Array.from({ length: count }, () => pool.take());
    const fill = (chunk: number) => arena.bytes.fill(7, chunk, chunk + CHUNK_BYTES);
    const isFull = (chunk: number) => arena.bytes.subarray(chunk, chunk + CHUNK_BYTES).every((byte) => byte === 7);
    const [kept = -1, ...many] = lend(200);
    for (const chunk of [kept, ...many]) fill(chunk);
    for (const chunk of many) pool.give(chunk);
    pool.tidy();
    assert.ok(many.every(isFull), 'all were in use since');
    const before = residentMiB();
    const again = lend(9);
    for (const chunk of again) pool.give(chunk);
    pool.tidy();
    assert.ok(before - residentMiB() > 40, `${before} -> ${residentMiB()} MiB`);
    assert.ok([kept, ...again].every(isFull));
    assert.equal(pool.free, 255);
    assert.equal(new Set(lend(256)).size, 256, 'each is lent once, then none');
  });

  it('code and constants that are given back are there when they are used', () => {
    const texts = () => [new Intl.NumberFormat('de').format(1234.5), JSON.stringify(structuredClone({ a: [1] }))];
    const before = texts();
    giveBackMemory();
    assert.deepEqual(texts(), before);
  });
});
