/** Generated histories of addresses: who really had them, what is claimed of it, and the rule in plain words. */

/** One claim as a row of endpoint_addresses; times in ns. */
export interface Claim {
  readonly cluster: string;
  readonly address: string;
  readonly endpoint_id: bigint;
  readonly valid_from: bigint;
  readonly sure_from: bigint;
  readonly sure_to: bigint;
  readonly valid_to: bigint;
}

/** What was really so. */
export interface Holding {
  readonly cluster: string;
  readonly address: string;
  readonly endpoint_id: bigint;
  readonly from: bigint;
  readonly to: bigint;
}

/** Which part of the rule decided. */
export type Branch = 'sure' | 'several sure' | 'only one' | 'several' | 'not then' | 'stamp';

/** 2262-01-01, an open end. */
export const OPEN = 9_214_646_400_000_000_000n;
const SECOND = 1_000_000_000n;

/** A history of some addresses in two clusters that are handed on at once or after a while. */
export class History {
  readonly holdings: Holding[] = [];
  readonly #claims = new Map<string, Claim>();
  readonly #random: () => number;
  readonly #late: boolean;

  /**
   * @param random numbers from 0 to below 1
   * @param begin ns; the history lasts ten minutes
   * @param late whether some holdings and some ends have not been told yet
   */
  constructor(random: () => number, begin: bigint, late: boolean) {
    this.#random = random;
    this.#late = late;
    for (const cluster of ['a', 'b']) {
      for (let address = 1; address <= 4; address++) this.#live(cluster, `10.0.0.${address}`, begin);
    }
  }

  get claims(): Claim[] {
    return [...this.#claims.values()];
  }

  /** Nanoseconds below a number of seconds, mostly short. */
  span(seconds: number): bigint {
    return BigInt(Math.floor(this.#random() ** 3 * seconds * 1e9));
  }

  #live(cluster: string, address: string, begin: bigint): void {
    const end = begin + 600n * SECOND;
    for (let from = begin + this.span(20); from < end; ) {
      const to = from + 300_000_000n + this.span(60);
      const endpoint_id = BigInt(Math.floor(this.#random() * 2 ** 48)) * 65_537n + 1n;
      this.holdings.push({ cluster, address, endpoint_id, from, to });
      this.#claim({ cluster, address, endpoint_id, from, to });
      from = to + (this.#random() < 0.5 ? 0n : this.span(10));
    }
  }

  /** Honest bounds, to the nanosecond or loose; sometimes told twice. */
  #claim({ from, to, ...who }: Holding): void {
    const exact = this.#random() < 0.4;
    const loose = () => (exact ? 0n : this.span(3));
    const told = () => ({
      ...who,
      valid_from: from - loose(),
      sure_from: from + loose(),
      sure_to: to - loose(),
      valid_to: to + loose(),
    });
    if (this.#late && this.#random() < 0.1) return;
    const first = told();
    this.#tell(first);
    // Somebody else is told to be sure from the same moment on: only one of them can be right.
    if (this.#late && this.#random() < 0.2) this.#tell({ ...first, endpoint_id: who.endpoint_id + 2n });
    if (this.#random() < 0.2) this.#tell(told());
    if (this.#late && this.#random() < 0.1) this.#tell({ ...told(), sure_to: OPEN, valid_to: OPEN });
  }

  /** A later claim with the table's key replaces the earlier. */
  #tell(claim: Claim): void {
    const { cluster, address, endpoint_id, valid_from } = claim;
    this.#claims.set([cluster, address, endpoint_id, valid_from].join(), claim);
  }

  /** Who really had the address; 0 for nobody. */
  owner(cluster: string, address: string, at: bigint): bigint {
    const found = this.holdings.find((one) => isAt(one, cluster, address) && one.from <= at && at < one.to);
    return found?.endpoint_id ?? 0n;
  }

  /** The rule: who the claims say had the address, given what the row says. */
  decide(cluster: string, address: string, at: bigint, stamp: bigint): { endpoint_id: bigint; branch: Branch } {
    const told = this.claims.filter((claim) => isAt(claim, cluster, address));
    const sureOnes = told.filter((claim) => claim.sure_from < claim.sure_to);
    const claims = told.map((claim) => {
      const later = sureOnes.filter((other) => claim.sure_from < claim.sure_to && other.sure_from > claim.sure_from);
      const end = later.reduce((least, other) => min(least, other.sure_from), OPEN);
      return { ...claim, sure_to: min(claim.sure_to, end), valid_to: min(claim.valid_to, end) };
    });
    const sure = new Set(
      claims.filter((claim) => claim.sure_from <= at && at < claim.sure_to).map((claim) => claim.endpoint_id),
    );
    if (sure.size > 1) return { endpoint_id: 0n, branch: 'several sure' };
    if (sure.size === 1) return { endpoint_id: [...sure][0]!, branch: 'sure' };
    const possible = claims.filter((claim) => claim.valid_from <= at && at < claim.valid_to);
    const ids = new Set(possible.map((claim) => claim.endpoint_id));
    if (ids.size === 1) return { endpoint_id: [...ids][0]!, branch: 'only one' };
    if (ids.size > 1) return { endpoint_id: 0n, branch: 'several' };
    if (told.some((claim) => claim.endpoint_id === stamp)) return { endpoint_id: 0n, branch: 'not then' };
    return { endpoint_id: stamp, branch: 'stamp' };
  }
}

function isAt(one: Claim | Holding, cluster: string, address: string): boolean {
  return one.cluster === cluster && one.address === address;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
