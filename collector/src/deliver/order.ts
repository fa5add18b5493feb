/** Tells when all of some numbered things up to one are done, whatever the order in which they end. */
export class Order {
  #given = 0;
  /** All before it are done. */
  #low = 0;
  readonly #done = new Set<number>();

  /** The number of the next thing. */
  next(): number {
    return this.#given++;
  }

  /** How many were given: all of them lie before this number. */
  get end(): number {
    return this.#given;
  }

  done(number: number): void {
    this.#done.add(number);
    while (this.#done.delete(this.#low)) this.#low += 1;
  }

  /** Whether every thing before this number is done. */
  allBefore(number: number): boolean {
    return this.#low >= number;
  }
}
