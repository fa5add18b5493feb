/** Nodes by name and by address. */
import { AddressBook } from './address_book.ts';
import { type Words, wordsOfText } from './addresses.ts';
import type { NodeObject } from './objects.ts';
import { Texts } from './texts.ts';

export interface KubernetesNode {
  readonly uid: string;
  readonly name: string;
  readonly zone: string;
}

/** Zones that are remembered. */
const MOST_ZONES = 1000;

/** All nodes. */
export class Nodes {
  readonly #names = new Texts();
  /** By number of the name. */
  readonly #nodes: (KubernetesNode | undefined)[] = [];
  readonly #addresses = new AddressBook();
  /** One text for all that are in a zone. */
  readonly #zones = new Map<string, string>();
  readonly #words: Words = new Uint32Array(4);

  get count(): number {
    return this.#names.count;
  }

  /** @returns whether its zone is another than before */
  take({ uid, name, zone, addresses }: NodeObject): boolean {
    const before = this.get(name);
    this.delete(name);
    const number = this.#names.hold(name);
    const unchanged = before?.uid === uid && before.zone === zone;
    this.#nodes[number] = unchanged ? before : { uid, name: this.#names.of(number), zone: this.#zone(zone) };
    for (const address of addresses) if (wordsOfText(address, this.#words)) this.#addresses.add(number, this.#words);
    return before?.zone !== zone;
  }

  delete(name: string): void {
    const number = this.#names.find(name);
    if (number === undefined) return;
    this.#addresses.drop(number);
    this.#nodes[number] = undefined;
    this.#names.release(number);
  }

  names(): Iterable<string> {
    return this.#names.all();
  }

  get(name: string): KubernetesNode | undefined {
    return this.#nodes[this.#names.find(name) ?? 0];
  }

  /** Whether an address is some node's. */
  has(words: Words): boolean {
    return this.#addresses.first(words) !== 0;
  }

  /** The only node with an address; undefined if there is none or there are several. */
  at(words: Words): KubernetesNode | undefined {
    const first = this.#addresses.first(words);
    if (first === 0 || this.#addresses.after(first, words) !== 0) return undefined;
    return this.#nodes[this.#addresses.ownerAt(first)];
  }

  #zone(zone: string): string {
    const known = this.#zones.get(zone);
    if (known !== undefined) return known;
    if (this.#zones.size >= MOST_ZONES) this.#zones.clear();
    this.#zones.set(zone, zone);
    return zone;
  }
}
