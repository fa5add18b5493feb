/** Whom something belongs to, by fingerprint, for as long as it was seen there. */
import type { Changes } from './changes.ts';
import { FingerprintTable } from './fingerprint_table.ts';

/** Number of what several endpoints answer for. */
export const SEVERAL = 0xffffffff;
/** How long something belongs to whom it was last seen at, seconds. */
const OWNED_S = 600;

export class Owners {
  readonly #table: FingerprintTable;
  readonly #changes: Changes;

  /** @param capacity entries; a power of two */
  constructor(capacity: number, changes: Changes) {
    this.#table = new FingerprintTable(capacity, 1);
    this.#changes = changes;
  }

  /** The only owner's number; 0 if there is none or there are several. */
  of(low: number, high: number, nowS: number): number {
    const place = this.#table.find(low, high);
    if (place === -1 || nowS - this.#table.written(place) > OWNED_S) return 0;
    const number = this.#table.values[place] as number;
    return number === SEVERAL ? 0 : number;
  }

  note(low: number, high: number, number: number, nowS: number): void {
    const place = this.#table.find(low, high);
    const { values } = this.#table;
    const before = place === -1 ? 0 : (values[place] as number);
    const fresh = place !== -1 && nowS - this.#table.written(place) <= OWNED_S;
    // Once several answer for it, it stays so until nobody has for a while.
    if (fresh && before === SEVERAL) return;
    const now = fresh && before !== 0 && before !== number ? SEVERAL : number;
    if (!fresh || now !== before) this.#changes.count += 1;
    values[this.#table.claim(low, high, nowS)] = now;
  }
}
