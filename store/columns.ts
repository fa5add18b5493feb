/** What tables and columns are, and how a column follows from a field of a wire record. */
import { ENUMS, type WireField } from '../bpf/wire/events.gen.ts';
import type { Remainder } from './remainders.ts';

/** A column as the database keeps it: what it is called in every layer and what it means. */
export interface StoredColumn {
  readonly name: string;
  /** ClickHouse type. */
  readonly type: string;
  /** ClickHouse codec, without the word CODEC; ZSTD(1) if absent. */
  readonly codec?: string;
  /** Unit of the number; none for names, ids and enums. */
  readonly unit?: 'ns' | 'us' | 'bytes' | 'segments' | 'count';
  readonly doc: string;
  /** 0 (or the empty string, or ::) means "not known" and is shown as null in answers. */
  readonly zeroIsUnknown?: true;
  /** What is stored in its stead, where other columns of the row nearly tell it. */
  readonly remainder?: Remainder;
}

/** A column that collectors fill. */
export interface Column extends StoredColumn {
  /** Where the value comes from: a field of the table's wire record, or the collector. */
  readonly source: { readonly wire: WireField } | 'collector';
}

/** One table with its layout, whoever fills it. */
export interface StoredTable {
  readonly name: string;
  readonly doc: string;
  readonly columns: readonly StoredColumn[];
  readonly engine: string;
  readonly partitionBy: string;
  readonly orderBy: string;
  /** Default days to keep a row; 0 keeps it. */
  readonly ttlDays: number;
  /** Time column the days count from; `time` if absent. */
  readonly ttlColumn?: string;
  /** Only rows for which this holds go when their days are over. */
  readonly ttlWhere?: string;
  readonly indices?: readonly string[];
}

/** One table that collectors insert into. */
export interface Table extends StoredTable {
  readonly columns: readonly Column[];
}

/** What a column has other than its field says. */
export interface WireOverride {
  readonly type?: string;
  readonly codec?: string;
  readonly zeroIsUnknown?: true;
  readonly remainder?: Remainder;
}

const SCALARS: Record<string, string> = { u8: 'UInt8', u16: 'UInt16', u32: 'UInt32', u64: 'UInt64', bytes16: 'IPv6' };

function enumType(name: string): string {
  const values = Object.entries(ENUMS[name as keyof typeof ENUMS]);
  return `Enum8(${values.map(([key, value]) => `'${enumLabel(name, key)}' = ${value}`).join(', ')})`;
}

/** How an enum value is spelled in rows: verdicts in capitals as Hubble writes them, all else in lower case. */
export function enumLabel(enumName: string, key: string): string {
  return enumName === 'verdict' ? key.toUpperCase() : key;
}

function unitOf(name: string): Column['unit'] {
  if (name.endsWith('_ns')) return 'ns';
  if (name.endsWith('_us')) return 'us';
  if (name.startsWith('bytes_') || name.endsWith('_bytes')) return 'bytes';
  if (name.includes('segments')) return 'segments';
  return undefined;
}

/**
 * Columns for the fields of a wire record: name, doc and, where it is not overridden, type come from the record.
 * @param leaveOut fields that become no column
 * @param overrides by field name
 */
export function fromWire(
  fields: readonly WireField[],
  leaveOut: readonly string[],
  overrides: Record<string, WireOverride>,
): Column[] {
  return fields
    .filter((field) => !HEADER_FIELDS.includes(field.name) && !leaveOut.includes(field.name))
    .map((field): Column => {
      const override = { ...COMMON_OVERRIDES[field.name], ...overrides[field.name] };
      const unit = unitOf(field.name);
      const type = override.type ?? (field.enumName === undefined ? SCALARS[field.type] : enumType(field.enumName));
      if (type === undefined) throw new Error(`${field.name}: no ClickHouse type for ${field.type}`);
      return {
        name: field.name,
        type,
        doc: field.doc,
        source: { wire: field },
        ...(unit === undefined ? {} : { unit, codec: MEASURE_CODEC }),
        ...(override.codec === undefined ? {} : { codec: override.codec }),
        ...(override.zeroIsUnknown === undefined ? {} : { zeroIsUnknown: true }),
        ...(override.remainder === undefined ? {} : { remainder: override.remainder }),
      };
    });
}

const HEADER_FIELDS = ['length', 'record_kind', 'time_boot_ns'];
/** For columns in which 0 means that it is not known. */
export const UNKNOWN = { zeroIsUnknown: true } as const;
/** Times and amounts differ from row to row by less than their width. `make bench NAME=disk` chose between codecs. */
export const MEASURE_CODEC = 'T64, ZSTD(1)';
const COMMON_OVERRIDES: Record<string, WireOverride> = {
  initiator_known: { type: 'Bool' },
  owner_cgroup_id: UNKNOWN,
  pid: UNKNOWN,
  srtt_us: { codec: "T64('bit'), ZSTD(1)", ...UNKNOWN },
  error_number: UNKNOWN,
};
