/** Makes inputs of inputs: the same for the same seed. */
type Random = (below: number) => number;

const INTERESTING = [0, 1, 7, 8, 0x10, 0x20, 0x7f, 0x80, 0xff];

const pick = <T>(random: Random, values: readonly T[]): T => values[random(values.length)] as T;

function once(random: Random, bytes: Buffer, others: readonly Buffer[]): Buffer {
  const at = random(bytes.length + 1);
  const length = random(1 + Math.min(64, bytes.length - at));
  switch (random(8)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = (copy[at] as number) ^ (1 << random(8));
      return copy;
    }
    case 1: {
      const copy = Buffer.from(bytes);
      copy.fill(pick(random, INTERESTING), at, Math.min(copy.length, at + 1 + random(8)));
      return copy;
    }
    case 2: {
      const copy = Buffer.from(bytes);
      if (at + 4 <= copy.length)
        copy.writeUInt32LE(pick(random, [random(2 ** 16), copy.length, 2 ** 31, 2 ** 32 - 1]), at);
      return copy;
    }
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    case 5:
      return bytes.subarray(0, at);
    case 6: {
      const other = pick(random, others);
      const from = random(other.length + 1);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + random(2000)), bytes.subarray(at)]);
    }
    default: {
      const noise = Buffer.from(Array.from({ length: 1 + random(32) }, () => random(256)));
      return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
    }
  }
}

/** One of the inputs with up to six places changed, and sometimes none. */
export function mutated(random: Random, inputs: readonly Buffer[]): Buffer {
  let bytes = pick(random, inputs);
  for (let times = random(7); times > 0; times -= 1) bytes = once(random, bytes, inputs);
  return bytes;
}
