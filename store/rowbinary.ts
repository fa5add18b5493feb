/**
 * RowBinary rows of a table as plain objects and back: for the live feed, for tests and for the small tables that are
 * written a few rows at a time. The collector's hot tables have their own writer, which builds no objects.
 */
import { ColumnError } from './errors.ts';
import { type Codec, type Cursor, codecOf } from './rowbinary_types.ts';
import type { Column, Table } from './tables.ts';

/**
 * Decodes rows that stand back to back.
 *
 * UInt64 and Int64 become decimal strings, smaller numbers numbers, DateTime64(9) RFC 3339 with nine digits, IPv6 text
 * (v4-mapped addresses as IPv4), enums their label, FixedString lower-case hex, UUID text, Map an object. What a column
 * with zeroIsUnknown holds as 0, '' or :: becomes null.
 * @param bytes whole rows; not kept, not changed
 * @throws ColumnError FLOW_STORE_ROW_CUT if the bytes end inside a row
 */
export function decodeRows(table: Table, bytes: Uint8Array): Record<string, unknown>[] {
  const readers = compiled(table);
  const cursor: Cursor = { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 };
  const rows: Record<string, unknown>[] = [];
  while (cursor.at < bytes.length) {
    const start = cursor.at;
    const row: Record<string, unknown> = {};
    try {
      for (const { column, codec } of readers) {
        const value = codec.read(cursor);
        row[column.name] = column.zeroIsUnknown && value === codec.zeroRead ? null : value;
      }
    } catch (cause) {
      if (cause instanceof RangeError) throw cut(table, start, cause);
      throw cause;
    }
    if (cursor.at > bytes.length) throw cut(table, start);
    rows.push(row);
  }
  return rows;
}

/**
 * Encodes one row in the table's column order. Takes what decodeRows gives, and also bigint and number for 64-bit
 * columns, bigint nanoseconds since the epoch for times, Buffers for FixedString. null and absent columns are zero.
 * @throws ColumnError FLOW_STORE_VALUE for a value its column cannot hold, FLOW_STORE_COLUMN for an unknown name
 */
export function encodeRow(table: Table, row: Readonly<Record<string, unknown>>): Buffer {
  const codecs = compiled(table);
  for (const name of Object.keys(row)) {
    if (!table.columns.some((column) => column.name === name)) {
      throw new ColumnError('FLOW_STORE_COLUMN', `table ${table.name} has no column ${name}: check store/tables.ts`);
    }
  }
  const out: Buffer[] = [];
  for (const { column, codec } of codecs) {
    const value = row[column.name] ?? codec.zero;
    try {
      codec.write(value, out);
    } catch (cause) {
      const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
      throw new ColumnError(
        'FLOW_STORE_VALUE',
        `${table.name}.${column.name} (${column.type}) cannot hold ${shown}: give a value of that type`,
        { cause },
      );
    }
  }
  return Buffer.concat(out);
}

const compiledTables = new WeakMap<Table, { column: Column; codec: Codec }[]>();

function compiled(table: Table): { column: Column; codec: Codec }[] {
  let codecs = compiledTables.get(table);
  if (codecs === undefined) {
    codecs = table.columns.map((column) => ({ column, codec: codecOf(column.type) }));
    compiledTables.set(table, codecs);
  }
  return codecs;
}

function cut(table: Table, start: number, cause?: unknown): ColumnError {
  return new ColumnError(
    'FLOW_STORE_ROW_CUT',
    `bytes end inside the row of ${table.name} that starts at byte ${start}: pass whole rows of this table's columns`,
    { cause },
  );
}
