/**
 * Columns that others of the same row nearly tell: since when a connection is open beside how long it was, bytes that were
 * acknowledged beside those sent, a path beside its route. A codec sees one column, so that each would be paid for again.
 * What is stored is what the others leave open, `rest_of_<name>`. The column itself is read as ever, an ALIAS that puts it
 * together; an INSERT brings it as `given_<name>`, which is EPHEMERAL: the rest is made of it, and then it is gone.
 */
import type { StoredColumn, StoredTable } from './columns.ts';

/** What is stored in a column's stead. */
export interface Remainder {
  readonly type: string;
  readonly codec: string;
  /** The rest of a value, as SQL over the other columns of the row. */
  readonly of: (value: string) => string;
  /** The value of which this is the rest, as SQL over the other columns of the row. */
  readonly value: (rest: string) => string;
}

/**
 * What another number of the row has more. Signed 64 bits that wrap: exact for all numbers.
 * @param type of the column, which is unsigned
 * @param other SQL of the other number
 */
export function difference(type: string, other: string, codec: string): Remainder {
  const less = (number: string) => `toInt64(${other}) - toInt64(${number})`;
  return { type: 'Int64', codec, of: less, value: (rest) => `to${type}(${less(rest)})` };
}

/** A column as CREATE and ALTER TABLE have it. */
export interface DatabaseColumn extends StoredColumn {
  /** `ALIAS …`, `MATERIALIZED …` or `EPHEMERAL`; what an INSERT brings and the table stores if absent. */
  readonly made?: string;
}

/** By what an INSERT names a column. */
export function insertedAs({ name, remainder }: StoredColumn): string {
  return remainder === undefined ? name : `given_${name}`;
}

/**
 * `(time, given_http_path, …)` behind INSERT INTO and the table's name.
 * @param names of columns in the order of the rows; those of tables.ts in theirs if absent
 */
export function insertColumns(table: StoredTable, names?: readonly string[]): string {
  const given = new Map(table.columns.map((column) => [column.name, insertedAs(column)]));
  return `(${(names?.map((name) => given.get(name) ?? name) ?? [...given.values()]).join(', ')})`;
}

/** All columns of the table, in its order: those that are put together stand behind their own parts. */
export function databaseColumns(table: StoredTable): DatabaseColumn[] {
  return table.columns.flatMap((column): DatabaseColumn[] => {
    const { name, type, doc, remainder } = column;
    if (remainder === undefined) return [column];
    const [given, rest] = [insertedAs(column), `rest_of_${name}`];
    const made = `MATERIALIZED ${remainder.of(given)}`;
    return [
      { name: given, type, doc: `What an INSERT brings as ${name}.`, made: 'EPHEMERAL' },
      { name: rest, type: remainder.type, codec: remainder.codec, doc: `What is stored of ${name}.`, made },
      { name, type, doc, made: `ALIAS ${remainder.value(rest)}` },
    ];
  });
}

/** Everything that rows `alias` say, for a SELECT: `*` has no column that is put together. */
export function allColumns(table: StoredTable, alias: string): string {
  const madeUp = table.columns.filter(({ remainder }) => remainder !== undefined);
  return [`${alias}.*`, ...madeUp.map(({ name }) => `${alias}.${name} AS ${name}`)].join(', ');
}
