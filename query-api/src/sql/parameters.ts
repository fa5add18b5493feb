/** Bound parameters of one query: SQL text never holds a value that came from outside. */

/** Collects values and gives back the placeholders that stand for them. */
export class Parameters {
  readonly values: Record<string, unknown> = {};
  #count = 0;

  /** Placeholder `{p0:Type}` for a value. 64-bit numbers are passed as strings, by ClickHouse's rules for parameters. */
  bind(value: unknown, type: string): string {
    const name = `p${this.#count}`;
    this.#count += 1;
    this.values[name] = typeof value === 'bigint' ? value.toString() : value;
    return `{${name}:${type}}`;
  }

  /** A point in time; nanoseconds since the epoch. */
  instant(nanoseconds: bigint): string {
    return `fromUnixTimestamp64Nano(${this.bind(nanoseconds, 'Int64')}, 'UTC')`;
  }
}

/** One query: text with placeholders, and what they stand for. */
export interface BoundQuery {
  readonly sql: string;
  readonly parameters: Parameters;
}
