/**
 * Row writers for the hot tables, compiled from the table's columns and the wire's offsets: neighbouring wire fields
 * become one copy, neighbouring constants another, the rest is one function per column. Nothing is allocated per row.
 */
import type { WireField } from '../../../bpf/wire/events.gen.ts';
import type { Column, Table } from '../../../store/tables.ts';
import type { Arena } from '../batch/arena.ts';

/** Writes something of the record at `record` to the row at `row`; returns where the row goes on. */
export type RowWriter = (record: number, row: number) => number;

/** Where a collector's column gets its value: the same in every row, or told row by row. */
export type ColumnValue =
  | { readonly constant: Uint8Array }
  /** A number, as wide as the column. */
  | { readonly number: (record: number) => number }
  /** A String as RowBinary has it. */
  | { readonly text: (record: number) => Uint8Array }
  /** Where in the arena the column's bytes are. */
  | { readonly from: (record: number) => number }
  | { readonly write: RowWriter };

type Step =
  | { readonly kind: 'copy'; readonly from: number; size: number }
  | { readonly kind: 'constant'; bytes: Buffer }
  | { readonly kind: 'number'; readonly size: number; readonly number: (record: number) => number }
  | { readonly kind: 'from'; readonly size: number; readonly from: (record: number) => number }
  | { readonly kind: 'write'; readonly write: RowWriter };

const WIRE_SIZES: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };
const ROW_SIZES: Readonly<Record<string, number>> = {
  UInt8: 1,
  Enum8: 1,
  Bool: 1,
  UInt16: 2,
  UInt32: 4,
  Int32: 4,
  UInt64: 8,
  IPv6: 16,
  UUID: 16,
};

/** Texts up to here are copied byte by byte: `set` alone takes 50 ns. */
const SHORT_TEXT = 48;
/** Runs up to here are copied word by word: `copyWithin` alone takes 30 ns. */
const SHORT_RUN = 64;

function rowSize({ name, type }: Column): number {
  const size = ROW_SIZES[type.replace(/\(.*/, '')] ?? Number(/^FixedString\((\d+)\)$/.exec(type)?.[1]);
  if (Number.isNaN(size)) throw new Error(`${name}: ${type} is of no fixed width`);
  return size;
}

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
    for (let at = 0; at <= length; at += 1) bytes[row + at] = bytes[record + from + at] as number;
    bytes[row] = length;
    return row + 1 + length;
  };
}

function stepOf(arena: Arena, column: Column, values: Readonly<Record<string, ColumnValue>>): Step {
  if (column.source !== 'collector') {
    const field = column.source.wire;
    if (isText(column)) return { kind: 'write', write: textWriter(arena, field) };
    const size = rowSize(column);
    if (size !== wireSize(field)) throw new Error(`${column.name}: ${column.type} is not as wide as ${field.type}`);
    return { kind: 'copy', from: field.offset, size };
  }
  const value = values[column.name];
  if (value === undefined) throw new Error(`${column.name}: the collector has no value for it`);
  if ('constant' in value) return { kind: 'constant', bytes: Buffer.from(value.constant) };
  if ('number' in value) return { kind: 'number', size: rowSize(column), number: value.number };
  if ('from' in value) return { kind: 'from', size: rowSize(column), from: value.from };
  return { kind: 'write', write: 'text' in value ? bytesWriter(arena, value.text) : value.write };
}

function bytesWriter({ bytes }: Arena, text: (record: number) => Uint8Array): RowWriter {
  return (record, row) => {
    const from = text(record);
    const { length } = from;
    if (length > SHORT_TEXT) bytes.set(from, row);
    else for (let at = 0; at < length; at += 1) bytes[row + at] = from[at] as number;
    return row + length;
  };
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

/** Statements that copy so many bytes of the arena. */
function copying(to: string, from: string, size: number): string {
  if (size > SHORT_RUN) return `bytes.copyWithin(${to}, ${from}, ${from} + ${size});`;
  let out = '';
  let at = 0;
  for (; at + 4 <= size; at += 4)
    out += `view.setUint32(${to} + ${at}, view.getUint32(${from} + ${at}, true), true);\n`;
  for (; at < size; at += 1) out += `bytes[${to} + ${at}] = bytes[${from} + ${at}];\n`;
  return out;
}

/** Statements of a step, whose own function, if it has one, is called `own`. */
function statementsOf(arena: Arena, step: Step, own: string): string {
  const behind = (size: number) => `row = row + ${size} | 0;\n`;
  switch (step.kind) {
    case 'write':
      return `row = ${own}(record, row) | 0;\n`;
    case 'copy':
      return copying('row', `(record + ${step.from})`, step.size) + behind(step.size);
    case 'constant':
      return copying('row', String(arena.keep(step.bytes)), step.bytes.length) + behind(step.bytes.length);
    case 'from':
      return `{ const from = ${own}(record) | 0;\n${copying('row', 'from', step.size)} }\n${behind(step.size)}`;
    case 'number': {
      const { size } = step;
      const write =
        size === 1 ? `bytes[row] = ${own}(record);\n` : `view.setUint${size * 8}(row, ${own}(record), true);\n`;
      return write + behind(size);
    }
  }
}

const ownFunction = (step: Step): unknown =>
  step.kind === 'write'
    ? step.write
    : step.kind === 'number'
      ? step.number
      : step.kind === 'from'
        ? step.from
        : undefined;

/**
 * Compiles the writer of a table's rows, into a function of its own: written as closures that call one another, each call
 * would be of a place that all tables and columns share, which V8 can neither foresee nor inline.
 * @param values one for each column whose source is the collector; others are ignored
 * @returns writes one whole row; record and row are offsets in the arena
 */
export function compileRow(arena: Arena, table: Table, values: Readonly<Record<string, ColumnValue>>): RowWriter {
  const steps = merged(table.columns.map((column) => stepOf(arena, column, values)));
  const names = steps.map((_, index) => `own${index}`);
  const statements = steps.map((step, index) => statementsOf(arena, step, names[index] as string));
  const body = `'use strict'; return (record, row) => {\n${statements.join('')}return row;\n};`;
  return new Function('bytes', 'view', ...names, body)(arena.bytes, arena.view, ...steps.map(ownFunction));
}
