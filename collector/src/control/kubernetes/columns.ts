/** Columns of numbers that grow page by page: nothing is copied, and no more is taken than is used. */

const PAGE_BITS = 13;
const PAGE = 1 << PAGE_BITS;
const WITHIN = PAGE - 1;

type Numbers = Uint8Array | Uint32Array | Float64Array;

/** Numbers by index; 0 where none was set. */
export class Column<T extends Numbers = Uint32Array> {
  readonly #page: new (
    length: number,
  ) => T;
  readonly #pages: (T | undefined)[] = [];

  /** @param page array type of its pages */
  constructor(page: new (length: number) => T) {
    this.#page = page;
  }

  get(index: number): number {
    const page = this.#pages[index >>> PAGE_BITS];
    return page === undefined ? 0 : (page[index & WITHIN] as number);
  }

  /** Setting 0 takes no room where nothing else was set. */
  set(index: number, value: number): void {
    const number = index >>> PAGE_BITS;
    const page = this.#pages[number];
    if (page !== undefined) page[index & WITHIN] = value;
    else if (value !== 0) this.#begin(number)[index & WITHIN] = value;
  }

  #begin(number: number): T {
    while (number >= this.#pages.length) this.#pages.push(undefined);
    const page = new this.#page(PAGE);
    this.#pages[number] = page;
    return page;
  }
}
