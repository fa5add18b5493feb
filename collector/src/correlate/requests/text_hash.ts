/** Bytes of the arena as keys: their hash, whether they are the same, and their way into a row. */
import type { Arena } from '../../batch/arena.ts';

/** Hash of the bytes between two offsets; 30 bits. @param seed what else tells them apart */
export function hashOf({ bytes, view }: Arena, begin: number, end: number, seed: number): number {
  let hash = seed | 0;
  let at = begin;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getUint32(at, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] as number), 0x85ebca77);
  return (hash ^ (hash >>> 13)) & 0x3fffffff;
}

/** Whether so many bytes are the same at two offsets. */
export function isSame({ bytes, view }: Arena, one: number, other: number, length: number): boolean {
  const words = length & ~3;
  let at = 0;
  for (; at < words; at += 4) if (view.getInt32(one + at, true) !== view.getInt32(other + at, true)) return false;
  for (; at < length; at += 1) if (bytes[one + at] !== bytes[other + at]) return false;
  return true;
}

/**
 * Copies bytes word by word into a row, and up to three bytes more, which the next column overwrites.
 * @returns where the row goes on
 */
export function copyInto({ view }: Arena, row: number, from: number, length: number): number {
  for (let at = 0; at < length; at += 4) view.setInt32(row + at, view.getInt32(from + at, true), true);
  return row + length;
}
