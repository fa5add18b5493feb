/** Finds where a value in RowBinary ends without decoding it. */

/** Where the value that begins at an offset ends; NaN if the bytes end first. */
export type Skip = (bytes: Uint8Array, at: number) => number;

const FIXED: Readonly<Record<string, number>> = {
  UInt8: 1,
  Enum8: 1,
  Bool: 1,
  UInt16: 2,
  UInt32: 4,
  Int32: 4,
  UInt64: 8,
  DateTime64: 8,
  IPv6: 16,
  UUID: 16,
};

/** How to pass over a value of a ClickHouse type. */
export function skipOf(type: string): Skip {
  const [, outer = '', inner = ''] = /^(\w+)(?:\((.*)\))?$/s.exec(type) ?? [];
  if (outer === 'LowCardinality') return skipOf(inner);
  if (outer === 'String') return (bytes, at) => counted(bytes, at, (begin, length) => begin + length);
  if (outer === 'Array') return repeated([skipOf(inner)]);
  if (outer === 'Map') {
    // Keys of our maps have no comma in their type.
    const comma = inner.indexOf(',');
    return repeated([skipOf(inner.slice(0, comma).trim()), skipOf(inner.slice(comma + 1).trim())]);
  }
  const size = outer === 'FixedString' ? Number(inner) : FIXED[outer];
  if (size === undefined) throw new Error(`no row length for ${type}`);
  return (_bytes, at) => at + size;
}

/** Reads a length or count, and goes on behind it. */
function counted(bytes: Uint8Array, at: number, then: (begin: number, count: number) => number): number {
  let count = 0;
  let unit = 1;
  for (let here = at; here < bytes.length && unit <= 2 ** 35; here += 1) {
    const byte = bytes[here] as number;
    count += (byte & 0x7f) * unit;
    unit *= 128;
    if (byte >= 0x80) continue;
    return then(here + 1, count);
  }
  return Number.NaN;
}

function repeated(parts: readonly Skip[]): Skip {
  return (bytes, at) =>
    counted(bytes, at, (begin, times) => {
      let here = begin;
      for (let index = 0; index < times && here <= bytes.length; index += 1) {
        for (const part of parts) here = part(bytes, here);
      }
      return here;
    });
}
