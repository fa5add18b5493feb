/** Whose addresses are whose: each owner, a number, may have any, and several may have the same. */
import { AddressSlots, type Words } from './addresses.ts';
import { Column } from './columns.ts';

/** Addresses in typed arrays, some 20 bytes each where they are IPv4. */
export class AddressBook {
  readonly #slots = new AddressSlots();
  readonly #owner = new Column(Uint32Array);
  /** By owner: its first address; by slot: the next of the same owner. 0: none. */
  readonly #first = new Column(Uint32Array);
  readonly #next = new Column(Uint32Array);
  readonly #words: Words = new Uint32Array(4);

  add(owner: number, words: Words): void {
    const slot = this.#slots.add(words);
    this.#owner.set(slot, owner);
    this.#next.set(slot, this.#first.get(owner));
    this.#first.set(owner, slot);
  }

  /** Takes from an owner all that it has. @param use called with each address; the words are reused */
  drop(owner: number, use: (words: Words) => void = () => undefined): void {
    let slot = this.#first.get(owner);
    this.#first.set(owner, 0);
    while (slot !== 0) {
      const next = this.#next.get(slot);
      this.#slots.read(slot, this.#words);
      this.#slots.remove(slot);
      use(this.#words);
      slot = next;
    }
  }

  /** The first slot with an address, or 0. */
  first(words: Words): number {
    return this.#slots.first(words);
  }

  /** The next slot with the same address, or 0. */
  after(slot: number, words: Words): number {
    return this.#slots.after(slot, words);
  }

  ownerAt(slot: number): number {
    return this.#owner.get(slot);
  }
}
