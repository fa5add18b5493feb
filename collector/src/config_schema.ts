/** JSON Schema of the configuration, as far as it is used, and the type of the value that a schema describes. */

declare const HELD: unique symbol;

/** The words of JSON Schema that are used, and those of Flowspan's own tools. */
export interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | SchemaNode;
  /** What names of a mapping may be. */
  readonly propertyNames?: { readonly pattern: string };
  readonly items?: SchemaNode;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly description?: string;
  /** What may stand there, in words, where the other words do not say it. */
  readonly allowed?: string;
  /** Unit of a number; keys in bytes also take text such as `10GiB`. */
  readonly unit?: 'bytes' | 's' | 'ms' | 'days' | 'rows' | 'count' | '%';
  /** Never printed, not even in an error. */
  readonly secret?: boolean;
  /** A running collector takes a change of it on SIGHUP; any other key needs a restart. */
  readonly reloadable?: boolean;
}

/** A schema whose values are of a type. */
export interface Schema<T> extends SchemaNode {
  readonly [HELD]?: T;
}

/** What a schema's values are. */
export type Held<S> = S extends Schema<infer T> ? T : never;

export const string = (words: SchemaNode = {}): Schema<string> => ({ type: 'string', ...words });
export const boolean = (words: SchemaNode = {}): Schema<boolean> => ({ type: 'boolean', ...words });
export const integer = (words: SchemaNode = {}): Schema<number> => ({ type: 'integer', ...words });
export const number = (words: SchemaNode = {}): Schema<number> => ({ type: 'number', ...words });
export const oneOf = <const T extends string>(values: readonly T[], words: SchemaNode = {}): Schema<T> => ({
  type: 'string',
  enum: values,
  ...words,
});
export const array = <T>(items: Schema<T>, words: SchemaNode = {}): Schema<T[]> => ({ type: 'array', items, ...words });
/** Names of any kind to values of one. */
export const map = <T>(values: Schema<T>, words: SchemaNode = {}): Schema<Record<string, T>> => ({
  type: 'object',
  additionalProperties: values,
  ...words,
});
/** Names that are known, each with its own kind of value, and no others. */
export const object = <P extends Readonly<Record<string, SchemaNode>>>(
  properties: P,
  words: SchemaNode = {},
): Schema<{ [Name in keyof P]: Held<P[Name]> }> => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...words,
});
