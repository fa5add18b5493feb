/** The running kernel's own names for its numbers, ready for rows. */
import { rowText } from '../deliver/text.ts';

/** Numbers beyond the enum that are remembered. */
const MOST = 1024;

/** Names of one kernel enum. */
export class KernelWords {
  readonly #texts = new Map<number, Buffer>();
  readonly #names: Readonly<Record<number, string>>;
  readonly #prefix: string;

  /**
   * @param names of the enum by value, as the kernel writes them; empty where it has no such enum
   * @param prefix what all of them begin with, and rows leave out
   */
  constructor(names: Readonly<Record<number, string>>, prefix: string) {
    this.#names = names;
    this.#prefix = prefix;
  }

  /** A number's name: empty for 0, the number itself where the kernel has no name for it. */
  word(number: number): string {
    return number === 0 ? '' : (this.#names[number]?.replace(this.#prefix, '') ?? String(number));
  }

  /** RowBinary String of a number's name. */
  of(number: number): Buffer {
    let text = this.#texts.get(number);
    if (text === undefined) {
      if (this.#texts.size >= MOST) this.#texts.clear();
      text = rowText(this.word(number));
      this.#texts.set(number, text);
    }
    return text;
  }
}
