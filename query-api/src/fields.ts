/** What the columns of store/tables.ts are to the query API: kinds, JSON forms, schemas. */
import Type, { type TSchema } from 'typebox';
import type { Column, Table } from '../../store/tables.ts';
import { rfc3339 } from '../../store/time.ts';

/** What a column holds, as far as filters and answers care. */
export type FieldKind =
  | 'time'
  | 'enum'
  | 'bool'
  | 'text'
  | 'address'
  | 'number'
  | 'number64'
  | 'hex'
  | 'uuid'
  | 'list'
  | 'map';

const KINDS: readonly (readonly [RegExp, FieldKind])[] = [
  [/^DateTime64/, 'time'],
  [/^Enum8/, 'enum'],
  [/^Bool$/, 'bool'],
  [/^(LowCardinality\()?String\)?$/, 'text'],
  [/^IPv6$/, 'address'],
  [/^U?Int64$/, 'number64'],
  [/^U?Int(8|16|32)$/, 'number'],
  [/^FixedString/, 'hex'],
  [/^UUID$/, 'uuid'],
  [/^Array/, 'list'],
  [/^Map/, 'map'],
];

/** Kind of a column by its ClickHouse type. */
export function kindOf(column: Column): FieldKind {
  const found = KINDS.find(([pattern]) => pattern.test(column.type));
  if (found === undefined)
    throw new Error(`column ${column.name}: the query API knows no ClickHouse type ${column.type}`);
  return found[1];
}

/** Labels of an enum column, in the order of their values. */
export function labelsOf(column: Column): string[] {
  return [...column.type.matchAll(/'([^']*)' = /g)].map((match) => match[1] ?? '');
}

/** Whether the column holds places in a list, where -1 says that there is none. */
export function isSigned({ type }: Column): boolean {
  return type.startsWith('Int');
}

/** Whether values of the column can be added up and ordered by size. */
export function isNumeric(column: Column): boolean {
  const kind = kindOf(column);
  const isAmount = !isSigned(column) && !/(_id|_cookie|identity)$|^(netns|pid|generation)$/.test(column.name);
  return (kind === 'number' || kind === 'number64') && isAmount;
}

const V4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** A time of ClickHouse's text or RFC 3339, as RFC 3339 with nine digits. */
function timeText(value: unknown): string {
  const text = String(value).replace(' ', 'T');
  return text.endsWith('Z') ? text : `${text}Z`;
}

const addressText = (value: unknown): string => V4_MAPPED.exec(String(value))?.[1] ?? String(value);

/** How a value of this kind, as ClickHouse's JSON or the live feed gives it, is shown in answers. */
function converterOf(column: Column): (value: unknown) => unknown {
  switch (kindOf(column)) {
    case 'time':
      return timeText;
    case 'address':
      return addressText;
    case 'number64':
      return (value) => String(value);
    case 'list':
      return (value) => (value as unknown[]).map(addressText);
    default:
      return (value) => value;
  }
}

const ZERO = /^(0*|::)$/;

/** Turns one row as it comes from the store or the live feed into what answers show; null where nothing is known. */
export function rowShaper(columns: readonly Column[]): (row: Record<string, unknown>) => Record<string, unknown> {
  const steps = columns.map((column) => ({ column, convert: converterOf(column) }));
  return (row) => {
    const shaped: Record<string, unknown> = {};
    for (const { column, convert } of steps) {
      const value = row[column.name];
      const unknown = value === null || value === undefined || (column.zeroIsUnknown && ZERO.test(String(value)));
      shaped[column.name] = unknown ? null : convert(value);
    }
    return shaped;
  };
}

/** Expression that reads the column of `t` in the form that answers show. */
export function selectExpression(column: Column, alias = 't'): string {
  return kindOf(column) === 'hex' ? `lower(hex(${alias}.${column.name}))` : `${alias}.${column.name}`;
}

function bareSchema(column: Column, description: string): TSchema {
  switch (kindOf(column)) {
    case 'time':
      return Type.String({ format: 'date-time', description });
    case 'enum':
      return Type.String({ enum: labelsOf(column), description });
    case 'bool':
      return Type.Boolean({ description });
    case 'number':
      return Type.Integer({ minimum: isSigned(column) ? -1 : 0, description });
    case 'number64':
      return Type.String({ pattern: '^\\d+$', description });
    case 'uuid':
      return Type.String({ format: 'uuid', description });
    case 'hex':
      return Type.String({ pattern: '^[0-9a-f]+$', description });
    case 'list':
      return Type.Array(Type.String(), { description });
    case 'map':
      return Type.Record(Type.String(), Type.String(), { description });
    default:
      return Type.String({ description });
  }
}

/** JSON Schema of the column's value in answers, with its doc and unit. */
export function fieldSchema(column: Column): TSchema {
  const description = column.unit === undefined ? column.doc : `${column.doc} Unit: ${column.unit}.`;
  const schema = bareSchema(column, description);
  return column.zeroIsUnknown ? Type.Union([schema, Type.Null()], { description }) : schema;
}

/** JSON Schema of a row of the table. */
export function rowSchema(table: Table, more: Record<string, TSchema> = {}): TSchema {
  const own = Object.fromEntries(table.columns.map((column) => [column.name, fieldSchema(column)]));
  return Type.Object({ ...own, ...more }, { description: table.doc });
}

/** Nanoseconds since the epoch as answers show them. */
export const instantText = rfc3339;
