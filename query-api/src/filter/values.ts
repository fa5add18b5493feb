/** Reads filter values by what their column holds. */
import ipaddr from 'ipaddr.js';
import type { Column } from '../../../store/tables.ts';
import { isSigned, kindOf, labelsOf } from '../fields.ts';
import { parseDuration } from '../time.ts';
import type { Test } from './filter.ts';

/** How values of one column are read. */
export interface ValueReader {
  /** What is allowed, in words. */
  readonly allowed: string;
  /** Whether commas separate values. */
  readonly splits: boolean;
  /** Undefined if the text is not allowed. */
  readonly read: (text: string) => Test | undefined;
}

const MAX_NUMBER = (1n << 64n) - 1n;
const PROTOCOLS: Record<string, bigint> = { icmp: 1n, tcp: 6n, udp: 17n };

function wholeNumber(text: string): bigint | undefined {
  if (!/^\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value > MAX_NUMBER ? undefined : value;
}

/** Reads `5`, `5..9`, `5..` and `..9`. */
function readRange(text: string, readOne: (text: string) => bigint | undefined): Test | undefined {
  const [low = '', high, more] = text.split('..');
  if (high === undefined) {
    const value = readOne(low);
    return value === undefined ? undefined : { kind: 'between', from: value, to: value };
  }
  const from = readOne(low);
  const to = readOne(high);
  if (more !== undefined || (low === '' && high === '')) return undefined;
  if ((low !== '' && from === undefined) || (high !== '' && to === undefined)) return undefined;
  if (from !== undefined && to !== undefined && from > to) return undefined;
  return { kind: 'between', ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** Numbers; lengths of time also with a unit. */
export function numberReader(column: Column): ValueReader {
  const scale = column.unit === 'ns' ? 1n : column.unit === 'us' ? 1_000n : undefined;
  const readOne = (text: string) => {
    const length = scale === undefined ? undefined : parseDuration(text);
    if (length !== undefined && scale !== undefined) return length / scale;
    return isSigned(column) && text === '-1' ? -1n : wholeNumber(text);
  };
  const time = scale === undefined ? '' : `, in ${column.unit} or with a unit (50ms)`;
  return {
    allowed: `a whole number or a range a..b, a.. or ..b${time}${isSigned(column) ? '; -1 for none' : ''}`,
    splits: true,
    read: (text) => readRange(text, readOne),
  };
}

/** HTTP status: `503`, `5xx`, `5+`, `40+`, `500..599`. */
export const STATUS_READER: ValueReader = {
  allowed: 'a status (503), a class (5xx), a prefix (5+, 40+) or a range (500..599)',
  splits: true,
  read: (text) => {
    const prefix =
      /^([1-9]\d{0,2})\+$/.exec(text)?.[1] ?? /^([1-9]\d?)x{1,2}$/i.exec(text.length === 3 ? text : '')?.[1];
    if (prefix === undefined) {
      const test = readRange(text, (part) => (/^[1-9]\d\d$/.test(part) ? BigInt(part) : undefined));
      return test;
    }
    return { kind: 'between', from: BigInt(prefix.padEnd(3, '0')), to: BigInt(prefix.padEnd(3, '9')) };
  },
};

/** IP protocol by name or number. */
export const PROTOCOL_READER: ValueReader = {
  allowed: `${Object.keys(PROTOCOLS).join(', ')} or an IP protocol number`,
  splits: true,
  read: (text) => {
    const number = PROTOCOLS[text.toLowerCase()] ?? wholeNumber(text);
    return number === undefined || number > 255n ? undefined : { kind: 'between', from: number, to: number };
  },
};

function addressNumber(bytes: readonly number[]): bigint {
  const full = bytes.length === 4 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...bytes] : bytes;
  return full.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** 128-bit number of an address, IPv4 as v4-mapped; undefined if the text is none. */
export function addressOf(text: string): bigint | undefined {
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return undefined;
  return addressNumber(ipaddr.parse(text).toByteArray());
}

/** Text of a 128-bit address number, as IPv6. */
export function addressText(number: bigint): string {
  const digits = number.toString(16).padStart(32, '0');
  return digits.match(/.{4}/g)!.join(':');
}

/** Addresses, exact or as CIDR. */
export const ADDRESS_READER: ValueReader = {
  allowed: 'an IPv4 or IPv6 address or a CIDR range (10.0.0.0/8)',
  splits: true,
  read: (text) => {
    const [host = '', prefix, more] = text.split('/');
    const number = addressOf(host);
    if (number === undefined || more !== undefined) return undefined;
    if (prefix === undefined) return { kind: 'address', from: number, to: number };
    const width = host.includes(':') ? 128n : 32n;
    if (!/^\d{1,3}$/.test(prefix) || BigInt(prefix) > width) return undefined;
    const rest = (1n << (width - BigInt(prefix))) - 1n;
    return { kind: 'address', from: number & ~rest, to: number | rest };
  },
};

/** Exact text, or a pattern if it has `*` or `?`. */
export function textReader(fold: boolean, splits: boolean): ValueReader {
  const comma = splits ? '' : '; commas are part of the text, repeat the parameter for more than one';
  return {
    allowed: `text, exactly or with * (any characters) and ? (one character)${fold ? ', in any case' : ''}${comma}`,
    splits,
    read: (text) => {
      if (text.length > 4096 || text === '') return undefined;
      if (fold || /[*?]/.test(text)) return { kind: 'glob', pattern: text, ...(fold ? { fold: true as const } : {}) };
      return { kind: 'equals', value: text };
    },
  };
}

function enumReader(column: Column): ValueReader {
  const labels = labelsOf(column);
  return {
    allowed: `one of ${labels.join(', ')}`,
    splits: true,
    read: (text) => {
      const label = labels.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
      return label === undefined ? undefined : { kind: 'equals', value: label };
    },
  };
}

function patternReader(pattern: RegExp, allowed: string): ValueReader {
  return {
    allowed,
    splits: true,
    read: (text) => (pattern.test(text) ? { kind: 'equals', value: text.toLowerCase() } : undefined),
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Text whose values may hold commas: they come from the wire. */
const FREE_TEXT = /^http_|^resource$|_path$/;

/** How values of the column are read; undefined for columns that cannot be filtered by value. */
export function readerOf(column: Column): ValueReader | undefined {
  switch (kindOf(column)) {
    case 'number':
    case 'number64':
      return numberReader(column);
    case 'enum':
      return enumReader(column);
    case 'bool':
      return {
        allowed: 'true or false',
        splits: false,
        read: (text) => (/^(true|false)$/.test(text) ? { kind: 'equals', value: text === 'true' } : undefined),
      };
    case 'address':
      return ADDRESS_READER;
    case 'text':
      return textReader(false, !FREE_TEXT.test(column.name));
    case 'hex': {
      const bytes = Number(/\d+/.exec(column.type)?.[0]);
      return patternReader(new RegExp(`^[0-9a-f]{${bytes * 2}}$`, 'i'), `${bytes * 2} hexadecimal digits`);
    }
    case 'uuid':
      return patternReader(UUID, 'a UUID');
    default:
      return undefined;
  }
}
