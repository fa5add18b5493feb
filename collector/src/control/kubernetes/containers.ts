/** Containers of pods, by id: 32 bytes each, in typed arrays. */
import { Slots } from './chains.ts';
import { Column } from './columns.ts';
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
  readonly #pod = new Column(Uint32Array);
  readonly #next = new Column(Uint32Array);

  constructor(texts: Texts) {
    this.#texts = texts;
  }

  get count(): number {
    return this.#slots.count;
  }

  /** Ids have 64 hexadecimal digits. @returns head of a pod's list, 0 if it has none */
  addAll(pod: number, all: readonly Container[]): number {
    let head = 0;
    for (const { id, name } of all) {
      const slot = this.#slots.take();
      for (let word = 0; word < WORDS; word += 1) this.#ids.set(slot * WORDS + word, wordOf(id, word));
      this.#name.set(slot, this.#texts.hold(name));
      this.#pod.set(slot, pod);
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
      this.#pod.set(slot, 0);
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

  /**
   * Pod of the container with this id, or 0. It looks through all of them, some 0.2 ms for 150,000: asked for only
   * where a cgroup's path does not name the pod, and once per cgroup.
   */
  podOf(id: string): number {
    const first = wordOf(id, 0);
    for (let slot = 1; slot <= this.#slots.last; slot += 1) {
      if (this.#ids.get(slot * WORDS) === first && this.#pod.get(slot) !== 0 && this.#id(slot) === id)
        return this.#pod.get(slot);
    }
    return 0;
  }

  #id(slot: number): string {
    let id = '';
    for (let word = 0; word < WORDS; word += 1)
      id += this.#ids
        .get(slot * WORDS + word)
        .toString(16)
        .padStart(8, '0');
    return id;
  }
}

function wordOf(id: string, word: number): number {
  return Number.parseInt(id.slice(word * 8, word * 8 + 8), 16);
}
