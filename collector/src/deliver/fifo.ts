/** A queue whose front is taken off without moving what is behind it. */
export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  *[Symbol.iterator](): Generator<Item> {
    for (let at = this.#head; at < this.#items.length; at += 1) yield this.#items[at] as Item;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    // Now and then, so that it costs a constant per item.
    if (this.#head > 1024 && 2 * this.#head > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out the first for which something holds; undefined if there is none. */
  take(wanted: (item: Item) => boolean): Item | undefined {
    for (let at = this.#head; at < this.#items.length; at += 1) {
      const item = this.#items[at] as Item;
      if (!wanted(item)) continue;
      if (at === this.#head) return this.shift();
      this.#items.splice(at, 1);
      return item;
    }
    return undefined;
  }
}
