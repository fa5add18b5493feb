/** One request and its answer, as a row tells it. */
export interface Exchange {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly traceparent: string;
  /** 10 or 11. */
  readonly version: number;
  /** 0: no final response was seen. */
  readonly status: number;
  readonly truncated: boolean;
  /** TCP sequence numbers of the first bytes. */
  readonly requestSequence: number;
  /** Where the response would have begun if there was none; 0: cannot be told. */
  readonly responseSequence: number;
  readonly requestBytes: number;
  readonly requestBodyBytes: number;
  readonly responseBytes: number;
  readonly responseBodyBytes: number;
  /** Label of enum request_end. */
  readonly end: string;
}

/** Pseudo-random numbers (mulberry32): the same run for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
