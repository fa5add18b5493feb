/**
 * Row writers for the hot tables, compiled from the table's columns and the wire's offsets: neighbouring wire fields
 * become one copy, neighbouring constants another, the rest is one function per column. Nothing is allocated per row.
 */
import type { WireField } from '../../../bpf/wire/events.gen.ts';
import type { Column, Table } from '../../../store/tables.ts';
import type { Arena } from '../batch/arena.ts';

/** Writes something of the record at `record` to the row at `row`; returns where the row goes on. */
export type RowWriter = (record: number, row: number) => number;

/** Where a collector's column gets its value: the same in every row, or written row by row. */
export type ColumnValue = { readonly constant: Uint8Array } | { readonly write: RowWriter };

type Step =
  | { readonly kind: 'copy'; readonly from: number; size: number }
  | { readonly kind: 'constant'; bytes: Buffer }
  | { readonly kind: 'write'; readonly write: RowWriter };

const WIRE_SIZES: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };
const ROW_SIZES: Readonly<Record<string, number>> = {
  UInt8: 1,
  Enum8: 1,
  Bool: 1,
  UInt16: 2,
  UInt32: 4,
  UInt64: 8,
  IPv6: 16,
  UUID: 16,
};

function wireSize(field: WireField): number {
  return WIRE_SIZES[field.type] ?? Number(field.type.replace('bytes', ''));
}

function isText(column: Column): boolean {
  return /^(LowCardinality\()?String\)?$/.test(column.type);
}

/** RowBinary's UUID: two little-endian halves, the high one first. */
export function uuidBytes(uuid: string): Buffer {
  const hex = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (hex.length !== 16) throw new RangeError(`${uuid} is no UUID`);
  return Buffer.concat([hex.subarray(0, 8).reverse(), hex.subarray(8).reverse()]);
}

/** Text of a fixed wire field whose length stands in the byte before it, as struct and RowBinary both have it. */
function textWriter(arena: Arena, field: WireField): RowWriter {
  const { bytes } = arena;
  const from = field.offset - 1;
  const most = wireSize(field);
  return (record, row) => {
    const length = Math.min(bytes[record + from] as number, most);
    bytes[row] = length;
    bytes.copyWithin(row + 1, record + field.offset, record + field.offset + length);
    return row + 1 + length;
  };
}

function stepOf(arena: Arena, column: Column, values: Readonly<Record<string, ColumnValue>>): Step {
  if (column.source !== 'collector') {
    const field = column.source.wire;
    if (isText(column)) return { kind: 'write', write: textWriter(arena, field) };
    const size = ROW_SIZES[column.type.replace(/\(.*/, '')];
    if (size !== wireSize(field)) throw new Error(`${column.name}: ${column.type} is not as wide as ${field.type}`);
    return { kind: 'copy', from: field.offset, size };
  }
  const value = values[column.name];
  if (value === undefined) throw new Error(`${column.name}: the collector has no value for it`);
  return 'constant' in value
    ? { kind: 'constant', bytes: Buffer.from(value.constant) }
    : { kind: 'write', write: value.write };
}

function merged(steps: readonly Step[]): Step[] {
  const out: Step[] = [];
  for (const step of steps) {
    const last = out.at(-1);
    if (last?.kind === 'copy' && step.kind === 'copy' && last.from + last.size === step.from) last.size += step.size;
    else if (last?.kind === 'constant' && step.kind === 'constant')
      last.bytes = Buffer.concat([last.bytes, step.bytes]);
    else out.push({ ...step });
  }
  return out;
}

function writerOf(arena: Arena, step: Step): RowWriter {
  const { bytes } = arena;
  if (step.kind === 'write') return step.write;
  if (step.kind === 'copy') {
    const { from, size } = step;
    return (record, row) => {
      bytes.copyWithin(row, record + from, record + from + size);
      return row + size;
    };
  }
  const at = arena.keep(step.bytes);
  const end = at + step.bytes.length;
  return (_record, row) => {
    bytes.copyWithin(row, at, end);
    return row + end - at;
  };
}

/**
 * Compiles the writer of a table's rows.
 * @param values one for each column whose source is the collector; others are ignored
 * @returns writes one whole row; record and row are offsets in the arena
 */
export function compileRow(arena: Arena, table: Table, values: Readonly<Record<string, ColumnValue>>): RowWriter {
  const steps = merged(table.columns.map((column) => stepOf(arena, column, values)));
  const writers = steps.map((step) => writerOf(arena, step));
  return writers.reduceRight((rest, first) => (record, row) => rest(record, first(record, row)));
}
