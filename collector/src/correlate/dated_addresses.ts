/** Who had an address at some time, by sources whose addresses change hands. No answer is kept. */
import type { Arena } from '../batch/arena.ts';
import { type IdentitySource, NOBODY_SURE } from '../control/identity.ts';
import type { Endpoints } from './endpoints.ts';

export interface DatedAddressesOptions {
  readonly arena: Arena;
  readonly endpoints: Endpoints;
  readonly sources: readonly IdentitySource[];
}

/** The address belongs to none of these sources. */
export const NOT_DATED = -1;

/** Answers one question at a time. */
export class DatedAddresses {
  readonly #options: DatedAddressesOptions;
  readonly #sources: readonly IdentitySource[];
  readonly #address = new Uint8Array(16);
  /** Whether the last answer is a machine: several may be reached at its address. */
  isNode = false;

  constructor(options: DatedAddressesOptions) {
    this.#options = options;
    this.#sources = options.sources.filter((source) => source.dated === true);
  }

  /** Whether there is any such source. */
  get isThere(): boolean {
    return this.#sources.length > 0;
  }

  /**
   * Endpoint number of whoever had an address; 0 if it is a source's but nobody can be told, or NOT_DATED.
   * @param at where the address is in the arena
   * @param timeMs wall-clock time that is asked about, milliseconds since the epoch
   * @param nowNs since when an endpoint holds whose source does not tell
   */
  find(at: number, timeMs: number, nowNs: bigint): number {
    if (this.#sources.length === 0) return NOT_DATED;
    const { arena, endpoints } = this.#options;
    for (let index = 0; index < 16; index += 1) this.#address[index] = arena.bytes[at + index] as number;
    for (const source of this.#sources) {
      const identity = source.ofAddress(this.#address, timeMs);
      if (identity === undefined) continue;
      this.isNode = identity !== NOBODY_SURE && identity.kind === 'node';
      return identity === NOBODY_SURE ? 0 : endpoints.number(identity, 0, identity.validFromNs ?? nowNs, false);
    }
    return NOT_DATED;
  }
}
