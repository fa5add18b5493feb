/** Merges file, environment and flags into one value of a schema; says which key of which source is wrong, and why. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { FlowspanError } from '../../store/errors.ts';
import { FORMATS } from './config_fields.ts';
import type { Schema, SchemaNode } from './config_schema.ts';

/** A configuration that cannot be used: which key, what it said, and what it may say. */
export class ConfigError extends FlowspanError {
  /** Path of the key, such as `collector.listen`; for files and flags their name. */
  readonly key: string;
  /** What was given; `(hidden)` for secrets. */
  readonly value: unknown;
  /** What is allowed, in words. */
  readonly allowed: string;

  /** @param code FLOW_CONFIG_FILE, _SYNTAX, _FLAG, _UNKNOWN_KEY, _VALUE, _EXPOSED or _CONFLICT */
  constructor(code: string, key: string, value: unknown, allowed: string, cause?: unknown) {
    super(code, `${key}: ${JSON.stringify(value) ?? 'nothing'} is not allowed; allowed is ${allowed}`, { cause });
    this.key = key;
    this.value = value;
    this.allowed = allowed;
  }
}

/** One key: its path and what it may say. */
export interface Leaf {
  readonly path: readonly string[];
  readonly schema: SchemaNode;
}

/** Every key of a schema. */
export function leaves(schema: SchemaNode, path: readonly string[] = []): Leaf[] {
  if (schema.properties === undefined) return [{ path, schema }];
  return Object.entries(schema.properties).flatMap(([name, child]) => leaves(child, [...path, name]));
}

/** `collector.listen` */
export const keyOf = (leaf: Leaf) => leaf.path.join('.');
/** `FLOWSPAN_COLLECTOR_LISTEN` */
export const envOf = (leaf: Leaf) => `FLOWSPAN_${leaf.path.join('_').toUpperCase()}`;
/** `--collector-listen` */
export const flagOf = (leaf: Leaf) => `--${leaf.path.join('-').replaceAll('_', '-')}`;

/** What a key may say, in words. */
export function allowedBy(schema: SchemaNode): string {
  if (schema.allowed !== undefined) return schema.allowed;
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.type === 'integer') {
    const unit = schema.unit === undefined ? '' : ` ${schema.unit}`;
    const sizes = schema.unit === 'bytes' ? ', also with KiB, MiB, GiB or TiB' : '';
    return `a whole number from ${schema.minimum} to ${schema.maximum}${unit}${sizes}`;
  }
  if (schema.type === 'number') return `a number from ${schema.minimum} to ${schema.maximum}`;
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type === 'array') return `a list${(schema.minItems ?? 0) > 0 ? ' that is not empty' : ''}`;
  if (schema.type === 'object')
    return `a mapping${schema.properties ? ` of ${Object.keys(schema.properties).join(', ')}` : ''}`;
  if (schema.pattern !== undefined) return `text that matches ${schema.pattern}`;
  return (schema.minLength ?? 0) > 0 ? 'text that is not empty' : 'text';
}

const SIZES: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

/** Sizes in words become bytes; whatever is wrong stays as it was, for the schema to refuse. */
function sizeOf(value: string): unknown {
  const match = /^(\d+)\s*(KiB|MiB|GiB|TiB)$/.exec(value);
  return match === null ? value : Number(match[1]) * SIZES[match[2] as string]!;
}

/** Environment and flags carry text; the schema says what it stands for. */
function fromText(schema: SchemaNode, value: string): unknown {
  if (schema.type === 'integer') return /^-?\d+$/.test(value) ? Number(value) : value;
  if (schema.type === 'number') return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  if (schema.type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  if (schema.type === 'array' && !value.trimStart().startsWith('[')) {
    return value === '' ? [] : value.split(',').map((part) => part.trim());
  }
  return schema.type === 'array' || schema.type === 'object' ? yaml(value, 'value') : value;
}

function yaml(source: string, name: string): unknown {
  try {
    return parse(source);
  } catch (cause) {
    throw new ConfigError('FLOW_CONFIG_SYNTAX', name, (cause as Error).message.split('\n')[0], 'YAML', cause);
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function assign(target: Record<string, unknown>, leaf: Leaf, value: unknown): void {
  let at = target;
  for (const name of leaf.path.slice(0, -1)) {
    at[name] ??= {};
    if (!isMapping(at[name])) return; // the schema will refuse what stands there
    at = at[name];
  }
  at[leaf.path.at(-1)!] = value;
}

function lookUp(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, name) => (isMapping(at) || Array.isArray(at) ? Reflect.get(at, name) : undefined),
    value,
  );
}

function schemaAt(schema: SchemaNode, path: readonly string[]): SchemaNode {
  return path.reduce<SchemaNode>((at, name) => {
    const others = typeof at.additionalProperties === 'object' ? at.additionalProperties : {};
    return at.properties?.[name] ?? at.items ?? others;
  }, schema);
}

function readFile(path: string): Record<string, unknown> {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError('FLOW_CONFIG_FILE', 'config', path, 'a file that can be read', cause);
  }
  const value = yaml(source, path) ?? {};
  if (!isMapping(value)) throw new ConfigError('FLOW_CONFIG_SYNTAX', path, value, 'a mapping of keys');
  return value;
}

/** `key:` with nothing behind it means its default. */
function withoutNulls(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, child]) => child !== null)
      .map(([name, child]) => [name, isMapping(child) ? withoutNulls(child) : child]),
  );
}

interface Flags {
  readonly file: string | undefined;
  readonly values: readonly (readonly [Leaf, string])[];
}

function readFlags(argv: readonly string[], known: readonly Leaf[]): Flags {
  const values: [Leaf, string][] = [];
  let file: string | undefined;
  for (let index = 0; index < argv.length; index += 1) {
    const [name = '', ...rest] = argv[index]!.split('=');
    const leaf = known.find((candidate) => flagOf(candidate) === name);
    if (leaf === undefined && name !== '--config') {
      throw new ConfigError(
        'FLOW_CONFIG_FLAG',
        name,
        argv[index],
        'a flag for a key, such as --log-level, or --config',
      );
    }
    let value = rest.length > 0 ? rest.join('=') : undefined;
    if (value === undefined && leaf?.schema.type === 'boolean' && !/^(true|false)$/.test(argv[index + 1] ?? ''))
      value = 'true';
    if (value === undefined) {
      index += 1;
      value = argv[index];
    }
    if (value === undefined) throw new ConfigError('FLOW_CONFIG_FLAG', name, undefined, 'a value behind the flag');
    if (leaf === undefined) file = value;
    else values.push([leaf, value]);
  }
  return { file, values };
}

/** Fills in what is not said; the words of Flowspan's own tools are none to it. */
const AJV = new Ajv({ useDefaults: true, strict: false, formats: FORMATS });

/** Completes a value by the schema's defaults, or tells the first of it that the schema does not allow. */
function complete(schema: SchemaNode, value: unknown): ConfigError | undefined {
  const isRight = AJV.compile(schema);
  if (isRight(value)) return undefined;
  const [error] = isRight.errors ?? [];
  if (error === undefined) return undefined;
  const path = error.instancePath.split('/').slice(1);
  const at = schemaAt(schema, path);
  if (error.keyword === 'additionalProperties') {
    const name = String(error.params.additionalProperty);
    const names = Object.keys(at.properties ?? {}).join(', ');
    return new ConfigError(
      'FLOW_CONFIG_UNKNOWN_KEY',
      [...path, name].join('.'),
      lookUp(value, [...path, name]),
      `one of the keys ${names}`,
    );
  }
  const given = lookUp(value, path);
  const missing = error.keyword === 'required' ? `, with ${error.params.missingProperty}` : '';
  const isSecret = path.some((_, index) => schemaAt(schema, path.slice(0, index + 1)).secret === true);
  const shown = isSecret || (error.keyword === 'format' && /@/.test(String(given))) ? '(hidden)' : given;
  return new ConfigError('FLOW_CONFIG_VALUE', path.join('.'), shown, allowedBy(at) + missing);
}

/** See `loadConfig`, which gives it the schema. */
export function readSources<T>(
  schema: Schema<T>,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): T {
  const known = leaves(schema);
  const flags = readFlags(argv, known);
  const file = flags.file ?? env.FLOWSPAN_CONFIG;
  const value = file === undefined || file === '' ? {} : withoutNulls(readFile(file));
  for (const leaf of known) {
    const given = env[envOf(leaf)];
    if (given !== undefined) assign(value, leaf, fromText(leaf.schema, given));
  }
  for (const [leaf, given] of flags.values) assign(value, leaf, fromText(leaf.schema, given));
  for (const leaf of known) {
    const given = lookUp(value, leaf.path);
    if (leaf.schema.unit === 'bytes' && typeof given === 'string') assign(value, leaf, sizeOf(given));
  }
  const error = complete(schema, value);
  if (error !== undefined) throw error;
  return value as T;
}

/** Keys whose values differ, by whether the schema calls them reloadable. */
export function changedKeys(
  schema: SchemaNode,
  before: unknown,
  after: unknown,
): { reloadable: string[]; restart: string[] } {
  const changed = leaves(schema).filter(
    (leaf) => !isDeepStrictEqual(lookUp(before, leaf.path), lookUp(after, leaf.path)),
  );
  return {
    reloadable: changed.filter((leaf) => leaf.schema.reloadable === true).map(keyOf),
    restart: changed.filter((leaf) => leaf.schema.reloadable !== true).map(keyOf),
  };
}
