/** Texts that many objects share, each kept once and for as long as somebody holds it. */
import { Column } from './columns.ts';

/** Number 0 is the empty text. */
export class Texts {
  readonly #numbers = new Map<string, number>();
  readonly #values: string[] = [''];
  readonly #free: number[] = [];
  readonly #holders = new Column(Uint32Array);

  get count(): number {
    return this.#numbers.size;
  }

  /** The number of a text, which is held once more from now on. */
  hold(value: string): number {
    if (value === '') return 0;
    const known = this.#numbers.get(value);
    const number = known ?? this.#free.pop() ?? this.#values.length;
    if (known === undefined) {
      // A text cut out of an answer would keep the whole answer in memory.
      const own = Buffer.from(value, 'utf8').toString('utf8');
      this.#numbers.set(own, number);
      this.#values[number] = own;
    }
    this.#holders.set(number, this.#holders.get(number) + 1);
    return number;
  }

  /** One holder less. */
  release(number: number): void {
    if (number === 0) return;
    const left = this.#holders.get(number) - 1;
    this.#holders.set(number, left);
    if (left > 0) return;
    this.#numbers.delete(this.#values[number] as string);
    this.#values[number] = '';
    this.#free.push(number);
  }

  /** The number of a text that is held by somebody; undefined if by nobody. */
  find(value: string): number | undefined {
    return value === '' ? 0 : this.#numbers.get(value);
  }

  /** All that somebody holds. */
  all(): Iterable<string> {
    return this.#numbers.keys();
  }

  of(number: number): string {
    return this.#values[number] as string;
  }
}
