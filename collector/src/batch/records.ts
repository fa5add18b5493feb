/** Walks drained bytes record by record. */
import { FLOW_RECORD } from '../../../bpf/wire/events.gen.ts';
import type { Arena } from './arena.ts';

/** Every record begins with the same header: its length, its kind, its time. */
const { length: LENGTH, record_kind: KIND, socket_cookie: HEADER_BYTES } = FLOW_RECORD;

/** Visits one record: its offset in the arena, its kind, its unpadded length in bytes. */
export type RecordVisitor = (at: number, kind: number, length: number) => void;

/**
 * Visits the records between two offsets, which stand back to back, each padded to eight bytes.
 * @returns bytes that could not be walked because a length makes no sense; 0 when all is well
 */
export function walkRecords(arena: Arena, begin: number, end: number, visit: RecordVisitor): number {
  const { view, bytes } = arena;
  let at = begin;
  while (at < end) {
    const length = view.getUint32(at + LENGTH, true);
    if (length < HEADER_BYTES || length > end - at) return end - at;
    visit(at, bytes[at + KIND] as number, length);
    at += (length + 7) & ~7;
  }
  return 0;
}
