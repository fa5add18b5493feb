/** Bound parameters of one query: SQL text never holds a value that came from outside. */

/** Collects values and gives back the placeholders that stand for them. */
export class Parameters {
  readonly values: Record<string, unknown> = {};
  readonly #names = new Map<string, string>();

  /** Placeholder `{p0:Type}` for a value, the same for the same value. 64-bit numbers are passed as strings, by ClickHouse's rules for parameters. */
  bind(value: unknown, type: string): string {
    const plain = typeof value === 'bigint' ? value.toString() : value;
    const key = `${type} ${typeof plain === 'string' ? plain : JSON.stringify(plain, bigintText)}`;
    const known = this.#names.get(key);
    if (known !== undefined) return `{${known}:${type}}`;
    const name = `p${this.#names.size}`;
    this.#names.set(key, name);
    this.values[name] = plain;
    return `{${name}:${type}}`;
  }

  /** A point in time; nanoseconds since the epoch. */
  instant(nanoseconds: bigint): string {
    return `fromUnixTimestamp64Nano(${this.bind(nanoseconds, 'Int64')}, 'UTC')`;
  }
}

const bigintText = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);

/** One query: text with placeholders, and what they stand for. */
export interface BoundQuery {
  readonly sql: string;
  readonly parameters: Parameters;
}
