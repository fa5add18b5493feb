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

/** Lists of containers, by the number of their pod. */
export class Containers {
  readonly #texts: Texts;
  readonly #slots = new Slots();
  readonly #ids = new Column(Uint32Array);
  readonly #name = new Column(Uint32Array);
  /** By pod: its first; by container: the next of the same pod. 0: none. */
  readonly #first = new Column(Uint32Array);
  readonly #next = new Column(Uint32Array);

  constructor(texts: Texts) {
    this.#texts = texts;
  }

  get count(): number {
    return this.#slots.count;
  }

  /** A pod has these, whose ids have 64 hexadecimal digits. @returns whether they are others than before */
  take(pod: number, all: readonly Container[]): boolean {
    const known = this.of(pod);
    // A status that is not told yet takes nothing away.
    if (all.length === 0 || (known.size === all.length && all.every(({ id, name }) => known.get(id) === name))) {
      return false;
    }
    this.drop(pod);
    for (const { id, name } of all) {
      const slot = this.#slots.take();
      for (let word = 0; word < WORDS; word += 1) this.#ids.set(slot * WORDS + word, wordOfHex(id, word * 8));
      this.#name.set(slot, this.#texts.hold(name));
      this.#next.set(slot, this.#first.get(pod));
      this.#first.set(pod, slot);
    }
    return true;
  }

  drop(pod: number): void {
    let slot = this.#first.get(pod);
    this.#first.set(pod, 0);
    while (slot !== 0) {
      const next = this.#next.get(slot);
      this.#texts.release(this.#name.get(slot));
      this.#slots.giveBack(slot);
      slot = next;
    }
  }

  /** Names by id. */
  of(pod: number): Map<string, string> {
    const all = new Map<string, string>();
    for (let slot = this.#first.get(pod); slot !== 0; slot = this.#next.get(slot))
      all.set(this.#id(slot), this.#texts.of(this.#name.get(slot)));
    return all;
  }

  /**
   * Pod of the container with this id, or 0. It looks through all of them, a millisecond for 150,000: asked for only
   * where a cgroup's path does not name the pod, and once per cgroup.
   * @param last the highest number of a pod
   */
  podOf(id: string, last: number): number {
    const word = wordOfHex(id, 0);
    for (let pod = last; pod > 0; pod -= 1)
      for (let slot = this.#first.get(pod); slot !== 0; slot = this.#next.get(slot))
        if (this.#ids.get(slot * WORDS) === word && this.#id(slot) === id) return pod;
    return 0;
  }

  #id(slot: number): string {
    let id = '';
    for (let word = 0; word < WORDS; word += 1) id += hexOfWord(this.#ids.get(slot * WORDS + word));
    return id;
  }
}
