/**
 * Consistent probability sampling as OpenTelemetry has it: 56 bits of randomness R, a threshold T = (1 - ratio) * 2^56,
 * and a span is kept if R >= T. Whoever has the same R decides alike, and 2^56 / (2^56 - T) says for how many a kept
 * span stands. Numbers of 56 bits are two halves of 28 bits: no bigint on the data path.
 */

const HALF = 2 ** 28;
const WHOLE = 2 ** 56;
const DIGITS = 14;

/** A threshold, ready to be compared and to be written. */
export interface Threshold {
  readonly high: number;
  readonly low: number;
  /** Value of `th` in the tracestate: hex digits without trailing zeros. */
  readonly text: string;
}

/** The threshold of a ratio between 0 (keeps nothing; its text is not for use) and 1 (keeps all, th:0). */
export function thresholdOf(ratio: number): Threshold {
  const value = Math.round((1 - ratio) * WHOLE);
  const digits = value.toString(16).padStart(DIGITS, '0').replace(/0+$/, '');
  return { high: Math.floor(value / HALF), low: value % HALF, text: digits === '' ? '0' : digits };
}

/** 56 bits of randomness; one object, filled anew for each request. */
export class Randomness {
  high = 0;
  low = 0;

  /** The low 56 bits of the trace id at an offset of `bytes`. */
  ofTraceId(bytes: Uint8Array, at: number): void {
    const middle = bytes[at + 12] as number;
    const high = ((bytes[at + 9] as number) << 16) | ((bytes[at + 10] as number) << 8) | (bytes[at + 11] as number);
    const low = ((bytes[at + 13] as number) << 16) | ((bytes[at + 14] as number) << 8) | (bytes[at + 15] as number);
    this.high = high * 16 + (middle >>> 4);
    this.low = (middle & 15) * 2 ** 24 + low;
  }

  /**
   * Of the sequence numbers of a request and its response, which both ends of a connection see alike: two lanes of a
   * multiply-and-rotate hash with Murmur3's finish, since neighbouring requests differ in few bits.
   */
  ofSequences(request: number, response: number): void {
    this.high = lane(request, response, 0x9747b28c) >>> 4;
    this.low = lane(response, request, 0x3c6ef372) >>> 4;
  }

  /** Whether a span with this randomness is kept. */
  reaches({ high, low }: Threshold): boolean {
    return this.high > high || (this.high === high && this.low >= low);
  }

  /** Value of `rv` in the tracestate: 14 hex digits. */
  get text(): string {
    return this.high.toString(16).padStart(7, '0') + this.low.toString(16).padStart(7, '0');
  }
}

function lane(first: number, second: number, seed: number): number {
  let hash = mixed(mixed(seed, first), second);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function mixed(hash: number, word: number): number {
  const product = Math.imul(word, 0xcc9e2d51);
  const turned = hash ^ Math.imul((product << 15) | (product >>> 17), 0x1b873593);
  return (Math.imul((turned << 13) | (turned >>> 19), 5) + 0xe6546b64) | 0;
}
