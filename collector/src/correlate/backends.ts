/** Addresses and ports of servers as they themselves have them, by fingerprint: bounded, no object per entry. */
import type { Arena } from '../batch/arena.ts';
import { FingerprintTable } from './fingerprint_table.ts';

/** Those of connections whose addresses are translated; the longest unused of them is forgotten first. */
const BACKENDS = 1 << 15;
/** Port and four words of address. */
const WIDTH = 5;

/** Kept for a connection that was found not to be translated. */
export const NO_BACKEND = 0x10000;

export class Backends {
  readonly #arena: Arena;
  readonly #table = new FingerprintTable(BACKENDS, WIDTH);

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /**
   * @param address its offset; not read for NO_BACKEND
   * @returns whether something else was known before
   */
  note(low: number, high: number, address: number, port: number, nowS: number): boolean {
    const { values } = this.#table;
    const at = this.#table.claim(low, high, nowS) * WIDTH;
    const { view } = this.#arena;
    let isOther = this.#table.isNew || values[at] !== port;
    values[at] = port;
    if (port === NO_BACKEND) return isOther;
    for (let word = 0; word < 4; word += 1) {
      const now = view.getUint32(address + word * 4, true);
      isOther ||= values[at + 1 + word] !== now;
      values[at + 1 + word] = now;
    }
    return isOther;
  }

  /** Whether it was noted less than some seconds ago. */
  has(low: number, high: number, nowS: number, holdsS: number): boolean {
    const place = this.#table.find(low, high);
    return place !== -1 && nowS - this.#table.written(place) < holdsS;
  }

  /** The port, its address written at `out`; 0 if nothing is known or there is none. */
  read(low: number, high: number, out: number): number {
    const place = this.#table.find(low, high);
    const { values } = this.#table;
    const at = place * WIDTH;
    const port = place === -1 ? 0 : (values[at] as number);
    if (port === 0 || port === NO_BACKEND) return 0;
    const { view } = this.#arena;
    for (let word = 0; word < 4; word += 1) view.setUint32(out + word * 4, values[at + 1 + word] as number, true);
    return port;
  }
}
