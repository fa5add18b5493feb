/** Names of services as rows have them: a number for the data path, bytes for the row. */
import type { ServiceName } from '../control/identity.ts';
import { rowText } from '../deliver/text.ts';

/** Number 0 stands for none. A number is its service's for good. */
export class ServiceNames {
  readonly #most: number;
  readonly #numbers = new Map<string, number>();
  readonly #namespaces: Buffer[] = [rowText('')];
  readonly #names: Buffer[] = [rowText('')];

  /** @param most services that are told apart */
  constructor(most: number) {
    this.#most = most;
  }

  /** @returns 0 if there is no room for another */
  number({ namespace, name }: ServiceName): number {
    const key = `${namespace}/${name}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#names.length;
    if (number > this.#most) return 0;
    this.#numbers.set(key, number);
    this.#namespaces.push(rowText(namespace));
    this.#names.push(rowText(name));
    return number;
  }

  /** RowBinary String of its namespace. */
  namespace(number: number): Buffer {
    return this.#namespaces[number] as Buffer;
  }

  /** RowBinary String of its name. */
  name(number: number): Buffer {
    return this.#names[number] as Buffer;
  }
}
