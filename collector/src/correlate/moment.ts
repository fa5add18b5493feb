/** What time it is for one look at the rings: read once, by everything that remembers for a while. */
export class Moment {
  /** Seconds since the epoch, never 0. */
  s = 1;
  /** Nanoseconds since the epoch. */
  ns = 0n;

  set(nowMs: number, nowNs: bigint): void {
    this.s = Math.floor(nowMs / 1000) >>> 0;
    this.ns = nowNs;
  }
}
