/** Names of services and their ports as rows have them: a number for the data path, bytes for the row. */
import type { ServiceName } from '../control/identity.ts';
import { rowText } from '../deliver/text.ts';
import type { Moment } from './moment.ts';

/** Finding out which numbers are still used looks at every connection: some milliseconds, so not more often, seconds. */
const SWEEP_EVERY_S = 60;

/** Number 0 stands for none. A number is its service's for as long as a connection keeps it. */
export class ServiceNames {
  readonly #most: number;
  readonly #moment: Moment;
  readonly #markUsed: (used: Uint8Array) => void;
  /** Names before they were given a number, by number; undefined where it is free. */
  readonly #keys: (string | undefined)[] = [''];
  readonly #numbers = new Map<string, number>();
  readonly #namespaces: Buffer[] = [rowText('')];
  readonly #names: Buffer[] = [rowText('')];
  readonly #ports: number[] = [0];
  readonly #free: number[] = [];
  #sweptS = 0;

  /**
   * @param most services that are told apart, port by port
   * @param markUsed sets to 1, by number, what connections keep
   */
  constructor(most: number, moment: Moment, markUsed: (used: Uint8Array) => void) {
    this.#most = most;
    this.#moment = moment;
    this.#markUsed = markUsed;
  }

  /** @returns 0 if there is no room for another */
  number({ namespace, name, port }: ServiceName): number {
    const key = `${namespace}/${name}:${port}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#next();
    if (number > this.#most) return 0;
    this.#numbers.set(key, number);
    this.#keys[number] = key;
    this.#namespaces[number] = rowText(namespace);
    this.#names[number] = rowText(name);
    this.#ports[number] = port;
    return number;
  }

  #next(): number {
    if (this.#keys.length > this.#most && this.#free.length === 0) this.#sweep();
    return this.#free.pop() ?? this.#keys.length;
  }

  /** Gives back the numbers that no connection keeps. */
  #sweep(): void {
    if (this.#moment.s - this.#sweptS < SWEEP_EVERY_S) return;
    this.#sweptS = this.#moment.s;
    const used = new Uint8Array(this.#keys.length);
    this.#markUsed(used);
    for (let number = 1; number < used.length; number += 1) {
      const key = this.#keys[number];
      if (used[number] === 1 || key === undefined) continue;
      this.#numbers.delete(key);
      this.#keys[number] = undefined;
      this.#free.push(number);
    }
  }

  /** RowBinary String of its namespace. */
  namespace(number: number): Buffer {
    return this.#namespaces[number] as Buffer;
  }

  /** RowBinary String of its name. */
  name(number: number): Buffer {
    return this.#names[number] as Buffer;
  }

  /** The port that was dialled, 0 if that is not known. */
  port(number: number): number {
    return this.#ports[number] as number;
  }
}
