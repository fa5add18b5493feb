/** RowBinary codecs, one per ClickHouse type that a table of tables.ts uses. */
import ipaddr from 'ipaddr.js';
import { ColumnError } from './errors.ts';
import { nanosecondsOf, rfc3339 } from './time.ts';

/** Where the next value is read from. */
export interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/** Reads one value and writes one, for one ClickHouse type. */
export interface Codec {
  /** Moves the cursor past the value; throws RangeError at the end of the bytes. */
  read(cursor: Cursor): unknown;
  write(value: unknown, out: Buffer[]): void;
  /** What an absent value is written as. */
  readonly zero: unknown;
  /** What read gives for it, where that is a scalar. */
  readonly zeroRead?: unknown;
}

/**
 * The codec for a ClickHouse type.
 * @throws ColumnError FLOW_STORE_TYPE for a type no table uses yet
 */
export function codecOf(type: string): Codec {
  const [, outer, inner] = /^(\w+)(?:\((.*)\))?$/s.exec(type) ?? [];
  switch (outer) {
    case 'UInt8':
    case 'UInt16':
    case 'UInt32':
      return unsigned(Number(outer.slice(4)) / 8);
    case 'Int32':
      return SIGNED;
    case 'UInt64':
      return wide(
        (bytes, at) => bytes.readBigUInt64LE(at),
        (bytes, value) => bytes.writeBigUInt64LE(value),
      );
    case 'Int64':
      return wide(
        (bytes, at) => bytes.readBigInt64LE(at),
        (bytes, value) => bytes.writeBigInt64LE(value),
      );
    case 'Bool':
      return {
        zero: false,
        read: (cursor) => cursor.bytes.readUInt8(cursor.at++) !== 0,
        write: (value, out) => out.push(Buffer.of(value ? 1 : 0)),
      };
    case 'DateTime64':
      return dateTime64();
    case 'IPv6':
      return IPV6;
    case 'UUID':
      return UUID;
    case 'String':
      return STRING;
    case 'LowCardinality':
      return codecOf(inner!);
    case 'FixedString':
      return fixedString(Number(inner));
    case 'Enum8':
      return enum8(inner!);
    case 'Array':
      return array(codecOf(inner!));
    case 'Map': {
      const comma = splitArguments(inner!);
      return map(codecOf(comma[0]), codecOf(comma[1]));
    }
    default:
      throw new ColumnError('FLOW_STORE_TYPE', `no RowBinary codec for ${type}: add it to store/rowbinary.ts`);
  }
}

function splitArguments(inner: string): [string, string] {
  let depth = 0;
  for (let at = 0; at < inner.length; at++) {
    if (inner[at] === '(') depth++;
    else if (inner[at] === ')') depth--;
    else if (inner[at] === ',' && depth === 0) return [inner.slice(0, at).trim(), inner.slice(at + 1).trim()];
  }
  throw new ColumnError('FLOW_STORE_TYPE', `Map(${inner}) needs a key and a value type`);
}

function unsigned(width: number): Codec {
  return {
    zero: 0,
    zeroRead: 0,
    read(cursor) {
      const value = cursor.bytes.readUIntLE(cursor.at, width);
      cursor.at += width;
      return value;
    },
    write(value, out) {
      const bytes = Buffer.alloc(width);
      bytes.writeUIntLE(Number(value), 0, width);
      out.push(bytes);
    },
  };
}

/** Int32. */
const SIGNED: Codec = {
  zero: 0,
  zeroRead: 0,
  read(cursor) {
    const value = cursor.bytes.readInt32LE(cursor.at);
    cursor.at += 4;
    return value;
  },
  write(value, out) {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(Number(value));
    out.push(bytes);
  },
};

function wide(read: (bytes: Buffer, at: number) => bigint, write: (bytes: Buffer, value: bigint) => void): Codec {
  return {
    zero: 0n,
    zeroRead: '0',
    read(cursor) {
      const value = read(cursor.bytes, cursor.at);
      cursor.at += 8;
      return value.toString();
    },
    write(value, out) {
      const bytes = Buffer.alloc(8);
      write(bytes, BigInt(value as bigint | number | string));
      out.push(bytes);
    },
  };
}

function dateTime64(): Codec {
  return {
    zero: 0n,
    read(cursor) {
      const value = cursor.bytes.readBigInt64LE(cursor.at);
      cursor.at += 8;
      return rfc3339(value);
    },
    write(value, out) {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(typeof value === 'bigint' ? value : nanosecondsOf(String(value)));
      out.push(bytes);
    },
  };
}

const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex');

const IPV6: Codec = {
  zero: '::',
  zeroRead: '::',
  read(cursor) {
    const bytes = cursor.bytes.subarray(cursor.at, cursor.at + 16);
    if (bytes.length < 16) throw new RangeError('sixteen bytes wanted');
    cursor.at += 16;
    if (bytes.subarray(0, 12).equals(MAPPED_PREFIX)) return bytes.subarray(12).join('.');
    return ipaddr.fromByteArray([...bytes]).toString();
  },
  write(value, out) {
    const address = ipaddr.parse(String(value));
    out.push(
      Buffer.from(address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress().toByteArray() : address.toByteArray()),
    );
  },
};

const UUID: Codec = {
  zero: '00000000-0000-0000-0000-000000000000',
  read(cursor) {
    const high = cursor.bytes.readBigUInt64LE(cursor.at).toString(16).padStart(16, '0');
    const low = cursor.bytes
      .readBigUInt64LE(cursor.at + 8)
      .toString(16)
      .padStart(16, '0');
    cursor.at += 16;
    return `${high.slice(0, 8)}-${high.slice(8, 12)}-${high.slice(12)}-${low.slice(0, 4)}-${low.slice(4)}`;
  },
  write(value, out) {
    const hex = String(value).replaceAll('-', '');
    if (!/^[0-9a-f]{32}$/i.test(hex)) throw new TypeError('a UUID has 32 hex digits');
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(BigInt(`0x${hex.slice(0, 16)}`));
    bytes.writeBigUInt64LE(BigInt(`0x${hex.slice(16)}`), 8);
    out.push(bytes);
  },
};

const STRING: Codec = {
  zero: '',
  zeroRead: '',
  read(cursor) {
    const length = readVarint(cursor);
    const end = cursor.at + length;
    if (end > cursor.bytes.length) throw new RangeError('string runs past the end');
    const text = cursor.bytes.toString('utf8', cursor.at, end);
    cursor.at = end;
    return text;
  },
  write(value, out) {
    const bytes = Buffer.from(String(value));
    out.push(varint(bytes.length), bytes);
  },
};

function fixedString(length: number): Codec {
  return {
    zero: Buffer.alloc(length),
    zeroRead: '00'.repeat(length),
    read(cursor) {
      const end = cursor.at + length;
      if (end > cursor.bytes.length) throw new RangeError('fixed string runs past the end');
      const text = cursor.bytes.toString('hex', cursor.at, end);
      cursor.at = end;
      return text;
    },
    write(value, out) {
      const bytes = value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value), 'hex');
      if (bytes.length !== length) throw new TypeError(`${length} bytes wanted, got ${bytes.length}`);
      out.push(bytes);
    },
  };
}

function enum8(inner: string): Codec {
  const labels = new Map<number, string>();
  const values = new Map<string, number>();
  for (const [, label, value] of inner.matchAll(/'([^']*)'\s*=\s*(-?\d+)/g)) {
    labels.set(Number(value), label!);
    values.set(label!, Number(value));
  }
  return {
    // ClickHouse's own default is the lowest of them.
    zero: labels.get(0) ?? labels.values().next().value,
    zeroRead: labels.get(0),
    read(cursor) {
      const value = cursor.bytes.readInt8(cursor.at++);
      return labels.get(value) ?? String(value);
    },
    write(value, out) {
      const number = typeof value === 'number' ? value : values.get(String(value));
      if (number === undefined || !labels.has(number))
        throw new TypeError(`one of ${[...values.keys()].join(', ')} wanted`);
      const bytes = Buffer.alloc(1);
      bytes.writeInt8(number);
      out.push(bytes);
    },
  };
}

function array(item: Codec): Codec {
  return {
    zero: [],
    read: (cursor) => Array.from({ length: readVarint(cursor) }, () => item.read(cursor)),
    write(value, out) {
      if (!Array.isArray(value)) throw new TypeError('an array wanted');
      out.push(varint(value.length));
      for (const entry of value) item.write(entry, out);
    },
  };
}

function map(key: Codec, value: Codec): Codec {
  return {
    zero: {},
    read: (cursor) =>
      Object.fromEntries(
        Array.from({ length: readVarint(cursor) }, () => [String(key.read(cursor)), value.read(cursor)]),
      ),
    write(entries, out) {
      const pairs = Object.entries(entries as Record<string, unknown>);
      out.push(varint(pairs.length));
      for (const [name, entry] of pairs) {
        key.write(name, out);
        value.write(entry, out);
      }
    },
  };
}

function readVarint(cursor: Cursor): number {
  let value = 0;
  for (let shift = 1; ; shift *= 128) {
    const byte = cursor.bytes.readUInt8(cursor.at++);
    value += (byte & 0x7f) * shift;
    if (byte < 0x80) break;
    if (shift > 2 ** 28) throw new RangeError('length of more than 35 bits');
  }
  if (value > cursor.bytes.length) throw new RangeError('length runs past the end');
  return value;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
