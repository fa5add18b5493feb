/** Counts what was learned that could tell the ends of a connection otherwise than before. */

/** Counts of its own for so many groups of connections: news of one makes few others be asked again. */
const GROUPS = 1 << 12;

/** News of anything but single connections. */
export class Changes {
  count = 0;
}

/** News of single connections, by the low half of their fingerprint. */
export class GroupedChanges {
  readonly #counts = new Uint32Array(GROUPS);

  /** Of the group that a fingerprint's low half is in. */
  of(low: number): number {
    return this.#counts[low & (GROUPS - 1)] as number;
  }

  add(low: number): void {
    this.#counts[low & (GROUPS - 1)]! += 1;
  }
}
