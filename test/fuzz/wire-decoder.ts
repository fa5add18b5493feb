/** Records that no kernel writes, through the data path: what must hold whatever the bytes are. */
import assert from 'node:assert/strict';
import { ENUMS } from '../../bpf/wire/events.gen.ts';
import { RECORD_KINDS } from '../../collector/src/counters.ts';
import { openPath } from '../collector/support/path.ts';

/** Bytes of the longest input. */
export const REGION_BYTES = 64 * 1024;
/** Stands behind the records: no row may hold it. */
const BEYOND = 'BEYOND-THE-RECORD';
/** The header of a record, as wire/events.h has it: length, kind, time. */
const HEADER_BYTES = 16;

/** What bytes amount to, read independently: how many records of which kind, and bytes that are none. */
function walked(bytes: Buffer): { kinds: Map<number, number>; malformed: number } {
  const kinds = new Map<number, number>();
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.length - at >= 4 ? bytes.readUInt32LE(at) : 0;
    if (length < HEADER_BYTES || length > bytes.length - at) return { kinds, malformed: bytes.length - at };
    const kind = bytes[at + 4] as number;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    at += Math.ceil(length / 8) * 8;
  }
  return { kinds, malformed: 0 };
}

/** A data path that is fed one input after the other. */
export class WireDecoder {
  readonly #path = openPath({ mostEndpoints: 500 });
  readonly #region = this.#path.arena.take(REGION_BYTES + 1024);

  /** @throws AssertionError if something does not hold of these bytes, or whatever the data path throws */
  decode(input: Buffer): void {
    const { arena, counters, out, pipeline } = this.#path;
    // rings hand out multiples of eight bytes
    const bytes = input.subarray(0, Math.min(input.length, REGION_BYTES) & ~7);
    const region = arena.bytes.subarray(this.#region, this.#region + REGION_BYTES + 1024);
    region.fill(BEYOND);
    region.set(bytes);
    const before = structuredClone({ kinds: counters.kinds, discards: counters.discards });
    out.clear();
    pipeline.read(this.#region, this.#region + bytes.length);
    pipeline.finish();

    const { kinds, malformed } = walked(bytes);
    const discarded = (what: keyof typeof counters.discards) => counters.discards[what] - before.discards[what];
    assert.equal(discarded('record_bytes_malformed'), malformed, 'bytes that are no record');
    let known = 0;
    for (const kind of RECORD_KINDS) {
      const count = (what: 'read' | 'rows' | 'discarded' | 'aggregated' | 'held') =>
        counters.kinds[kind][what] - before.kinds[kind][what];
      const records = kinds.get(ENUMS.record_kind[kind]) ?? 0;
      known += records;
      assert.equal(count('read'), records, `${kind} read`);
      assert.equal(count('held'), 0, `${kind} held`);
      assert.equal(count('read'), count('rows') + count('discarded') + count('aggregated'), `${kind}: one fate each`);
    }
    const all = [...kinds.values()].reduce((sum, records) => sum + records, 0);
    assert.equal(discarded('record_kind_unknown'), all - known, 'records of no known kind');
    assert.ok(bytes.equals(region.subarray(0, bytes.length)), 'records stay as they are');
    for (const [table, rows] of out)
      for (const row of rows)
        for (const value of Object.values(row))
          assert.ok(!(typeof value === 'string' && value.includes('BEYOND')), `${table} holds bytes behind its record`);
  }
}
