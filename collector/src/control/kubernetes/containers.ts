/** Containers of pods, by id: 32 bytes each, in typed arrays. */
import { Slots } from './chains.ts';
import { Column } from './columns.ts';
import { hexOfWord, wordOfHex } from './hex.ts';
import type { Texts } from './texts.ts';

const WORDS = 8;

export interface Container {
  readonly id: string;
  readonly name: string;
}

/** Containers by number; 0 is none. Each belongs to a list, whose head its pod keeps. */
export class Containers {
  readonly #texts: Texts;
  readonly #slots = new Slots();
  readonly #ids = new Column(Uint32Array);
  readonly #name = new Column(Uint32Array);
  readonly #next = new Column(Uint32Array);

  constructor(texts: Texts) {
    this.#texts = texts;
  }

  get count(): number {
    return this.#slots.count;
  }

  /** Ids have 64 hexadecimal digits. @returns head of a pod's list, 0 if it has none */
  addAll(all: readonly Container[]): number {
    let head = 0;
    for (const { id, name } of all) {
      const slot = this.#slots.take();
      for (let word = 0; word < WORDS; word += 1) this.#ids.set(slot * WORDS + word, wordOfHex(id, word * 8));
      this.#name.set(slot, this.#texts.hold(name));
      this.#next.set(slot, head);
      head = slot;
    }
    return head;
  }

  /** Ends a list. */
  drop(head: number): void {
    let slot = head;
    while (slot !== 0) {
      const next = this.#next.get(slot);
      this.#texts.release(this.#name.get(slot));
      this.#slots.giveBack(slot);
      slot = next;
    }
  }

  /** Names by id. */
  of(head: number): Map<string, string> {
    const all = new Map<string, string>();
    for (let slot = head; slot !== 0; slot = this.#next.get(slot))
      all.set(this.#id(slot), this.#texts.of(this.#name.get(slot)));
    return all;
  }

  areThose(head: number, all: readonly Container[]): boolean {
    const known = this.of(head);
    return known.size === all.length && all.every(({ id, name }) => known.get(id) === name);
  }

  /** Whether a list has the container with this id. */
  has(head: number, id: string): boolean {
    const first = wordOfHex(id, 0);
    for (let slot = head; slot !== 0; slot = this.#next.get(slot))
      if (this.#ids.get(slot * WORDS) === first && this.#id(slot) === id) return true;
    return false;
  }

  #id(slot: number): string {
    let id = '';
    for (let word = 0; word < WORDS; word += 1) id += hexOfWord(this.#ids.get(slot * WORDS + word));
    return id;
  }
}
