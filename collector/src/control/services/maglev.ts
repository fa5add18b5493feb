/**
 * Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4):
 * a table from the hash of a packet's flow to a backend, for where packets are balanced one by one and several machines
 * must agree without asking each other. All backends have nearly the same number of entries, and when one comes or goes
 * nearly all entries of the others stay.
 */
import { createHash } from 'node:crypto';

/** The usual size, and one for many backends: a hundred entries per backend leave a difference of a percent at most. */
export const MAGLEV_SIZE = 16_381;
export const MAGLEV_LARGE_SIZE = 65_537;

export interface MaglevBackend {
  /** Names it on every machine. */
  readonly name: string;
  /** Its share, relative to the others'; a whole number from 1. */
  readonly weight: number;
}

function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor += 1) if (value % divisor === 0) return false;
  return value > 1;
}

/** Where a backend asks first, and by how much it goes on: every entry once, since the size is prime. */
function preferences(name: string, size: number): { offset: number; skip: number } {
  const hash = createHash('sha256').update(name).digest();
  return { offset: hash.readUIntLE(0, 6) % size, skip: (hash.readUIntLE(6, 6) % (size - 1)) + 1 };
}

/**
 * Builds a table. The order in which backends are given does not matter; each that has the weight of the heaviest takes
 * one entry per turn, the others as often as their weight allows.
 * @param size entries; prime, and not below the number of backends
 * @returns index of a backend by entry; empty without backends
 * @throws RangeError if size, names or weights are not as they must be
 */
export function maglevTable(backends: readonly MaglevBackend[], size: number = MAGLEV_SIZE): Uint32Array {
  if (!isPrime(size)) throw new RangeError(`a table of ${size} entries: the size must be prime`);
  if (backends.length > size) throw new RangeError(`${backends.length} backends for ${size} entries`);
  if (new Set(backends.map(({ name }) => name)).size < backends.length)
    throw new RangeError('two backends of one name');
  if (backends.some(({ weight }) => !Number.isSafeInteger(weight) || weight < 1))
    throw new RangeError('a weight is not a whole number from 1');
  if (backends.length === 0) return new Uint32Array(0);
  const order = backends.map((_, index) => index).sort((a, b) => (backends[a]!.name < backends[b]!.name ? -1 : 1));
  return fill(backends, order, size);
}

function fill(backends: readonly MaglevBackend[], order: readonly number[], size: number): Uint32Array {
  const heaviest = backends.reduce((most, { weight }) => Math.max(most, weight), 0);
  const wishes = order.map((index) => preferences(backends[index]!.name, size));
  const next = Float64Array.from(wishes, ({ offset }) => offset);
  const skip = Float64Array.from(wishes, (wish) => wish.skip);
  const credit = new Float64Array(order.length);
  const taken = new Uint8Array(size);
  const table = new Uint32Array(size);
  for (let filled = 0; ; ) {
    for (let turn = 0; turn < order.length; turn += 1) {
      const index = order[turn]!;
      credit[turn]! += backends[index]!.weight;
      if (credit[turn]! < heaviest) continue;
      credit[turn]! -= heaviest;
      let entry = next[turn]!;
      while (taken[entry] === 1) entry = (entry + skip[turn]!) % size;
      taken[entry] = 1;
      table[entry] = index;
      next[turn] = (entry + skip[turn]!) % size;
      filled += 1;
      if (filled === size) return table;
    }
  }
}

/** Share of entries that are another backend's in the second table, by name; of those whose backend is in both. */
export function movedShare(
  before: { readonly backends: readonly MaglevBackend[]; readonly table: Uint32Array },
  after: { readonly backends: readonly MaglevBackend[]; readonly table: Uint32Array },
): number {
  const remaining = new Set(after.backends.map(({ name }) => name));
  let moved = 0;
  for (let entry = 0; entry < before.table.length; entry += 1) {
    const name = before.backends[before.table[entry]!]!.name;
    if (remaining.has(name) && after.backends[after.table[entry]!]!.name !== name) moved += 1;
  }
  return moved / before.table.length;
}
