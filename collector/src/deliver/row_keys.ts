/** What tells one stored row from every other: read off rows in RowBinary, and asked for in SQL. */
import { FlowspanError } from '../../../store/errors.ts';
import { COLLECTOR_REPORTS, FLOWS, LOSSES, REQUESTS, type Table, TCP_EVENTS, VERDICTS } from '../../../store/tables.ts';
import { type Skip, skipOf } from './value_end.ts';

/**
 * Columns that make a row's key beside its time, which comes first. Times count nanoseconds, so that two rows of one
 * node and socket have one time as good as never; the losses of one report share theirs. Tables that are not here keep
 * the latest of like rows: a second copy changes nothing.
 */
const KEYS = new Map<string, readonly string[]>([
  ...[FLOWS, TCP_EVENTS, REQUESTS].map(({ name }): [string, readonly string[]] => [name, ['node', 'socket_cookie']]),
  [VERDICTS.name, ['node', 'verdict_id']],
  [LOSSES.name, ['node', 'kind', 'reason']],
  [COLLECTOR_REPORTS.name, ['node']],
]);

/** A row as it is looked for. */
export interface KeyedRow {
  readonly key: string;
  readonly timeNs: bigint;
  /** What it takes of the bytes that it was read from. */
  readonly bytes: number;
}

/** The key of one table's rows. */
export interface RowKey {
  /** Expression of a stored row's key. */
  readonly sql: string;
  /** How many rows stand back to back; NaN if these bytes do not end where a row of these columns does. */
  count(bytes: Buffer): number;
  /** These rows, one at a time. @throws FlowspanError FLOW_DELIVER_ROWS where `count` is NaN */
  rows(bytes: Buffer): Generator<KeyedRow>;
}

interface Part {
  readonly skip: Skip;
  readonly read: ((bytes: Buffer, at: number, end: number) => string) | undefined;
}

const readUint64 = (bytes: Buffer, at: number) => bytes.readBigUInt64LE(at).toString();
/** A String of less than 128 bytes has one byte of length; of a longer one the rest of the length is part of the key. */
const readString = (bytes: Buffer, at: number, end: number) => bytes.toString('utf8', at + 1, end);

/** The key of a table's rows; undefined for tables that need none. @param table its first column is `time` */
export function rowKey(table: Table): RowKey | undefined {
  const names = KEYS.get(table.name);
  if (names === undefined) return undefined;
  const parts = table.columns.map(
    ({ name, type }): Part => ({
      skip: skipOf(type),
      read: names.includes(name) ? (type === 'UInt64' ? readUint64 : readString) : undefined,
    }),
  );
  const inOrder = table.columns.filter(({ name }) => names.includes(name));
  const foreign = `rows of ${table.name} do not have the columns of this version`;
  return {
    sql: `concat(toString(toUnixTimestamp64Nano(time)), ${inOrder.map(({ name }) => `'/', toString(${name})`).join(', ')})`,
    count(bytes) {
      let rows = 0;
      let at = 0;
      for (; at < bytes.length; rows += 1) {
        for (const { skip } of parts) at = skip(bytes, at);
      }
      return at === bytes.length ? rows : Number.NaN;
    },
    *rows(bytes) {
      for (let begin = 0; begin < bytes.length; ) {
        let key = '';
        let at = begin;
        for (const { skip, read } of parts) {
          const end = skip(bytes, at);
          if (!(end <= bytes.length)) throw new FlowspanError('FLOW_DELIVER_ROWS', foreign);
          if (read !== undefined) key += `/${read(bytes, at, end)}`;
          at = end;
        }
        const timeNs = bytes.readBigInt64LE(begin);
        yield { key: `${timeNs}${key}`, timeNs, bytes: at - begin };
        begin = at;
      }
    },
  };
}
