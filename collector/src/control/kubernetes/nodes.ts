/** Nodes by name and by address. */
import { AddressSlots, type Words, wordsOfText } from './addresses.ts';
import type { NodeObject } from './objects.ts';

export interface KubernetesNode {
  readonly uid: string;
  readonly name: string;
  readonly zone: string;
}

interface Entry {
  readonly node: KubernetesNode;
  readonly slots: readonly number[];
}

/** All nodes. */
export class Nodes {
  readonly #entries = new Map<string, Entry>();
  readonly #addresses = new AddressSlots();
  readonly #byAddress: (KubernetesNode | undefined)[] = [];
  readonly #words: Words = new Uint32Array(4);

  get count(): number {
    return this.#entries.size;
  }

  /** @returns whether its zone is another than before */
  take({ uid, name, zone, addresses }: NodeObject): boolean {
    const before = this.#entries.get(name)?.node;
    this.delete(name);
    const unchanged = before?.uid === uid && before.zone === zone;
    const node = unchanged ? before : { uid, name, zone };
    const slots: number[] = [];
    for (const address of addresses) {
      if (!wordsOfText(address, this.#words)) continue;
      const slot = this.#addresses.add(this.#words);
      this.#byAddress[slot] = node;
      slots.push(slot);
    }
    this.#entries.set(name, { node, slots });
    return before?.zone !== zone;
  }

  delete(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    for (const slot of entry.slots) {
      this.#addresses.remove(slot);
      this.#byAddress[slot] = undefined;
    }
  }

  names(): Iterable<string> {
    return this.#entries.keys();
  }

  get(name: string): KubernetesNode | undefined {
    return this.#entries.get(name)?.node;
  }

  /** The only node with an address; undefined if there is none or there are several. */
  at(words: Words): KubernetesNode | undefined {
    const first = this.#addresses.first(words);
    if (first === 0 || this.#addresses.after(first, words) !== 0) return undefined;
    return this.#byAddress[first];
  }
}
