/**
 * Strict reading of other people's objects: each value as an own property, of its type, bounded. Anything else, also a
 * field that is not known, refuses the whole object.
 */
import { Refusal } from './condition.ts';

const SHOWN = 60;

function shown(value: unknown): string {
  const told =
    typeof value === 'string' ? JSON.stringify(value) : Array.isArray(value) ? 'a list' : String(typeof value);
  return told.length > SHOWN ? `${told.slice(0, SHOWN)}…` : told;
}

/** A value and where it stands. */
export class Field {
  readonly path: string;
  readonly #value: unknown;

  constructor(value: unknown, path = '') {
    this.#value = value;
    this.path = path;
  }

  /** Not there; null says the same, as in Kubernetes. */
  get isMissing(): boolean {
    return this.#value === undefined || this.#value === null;
  }

  get isNumber(): boolean {
    return typeof this.#value === 'number';
  }

  refuse(reason: string, cause: string, next: string): never {
    throw new Refusal(reason, this.path, cause, next);
  }

  /** The field of an object by name; of what is missing every field is missing. */
  at(name: string): Field {
    const path = this.path === '' ? name : `${this.path}.${name}`;
    if (this.isMissing) return new Field(undefined, path);
    const object = this.#object();
    return new Field(Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined, path);
  }

  /** Refuses an object that has other fields than these. */
  hasOnly(...names: readonly string[]): this {
    for (const key of this.keys()) {
      if (names.includes(key) || this.at(key).isMissing) continue;
      this.refuse(
        'UnknownField',
        `it has a field ${shown(key)} that is not known here`,
        `without it the object might mean something else; remove it, or use one of ${names.join(', ')}`,
      );
    }
    return this;
  }

  /** Refuses fields that are known and not honoured. */
  hasNone(reason: string, names: readonly string[], next: string): this {
    for (const name of names) if (!this.at(name).isMissing) this.at(name).refuse(reason, 'this is not honoured', next);
    return this;
  }

  /** Names of an object's fields. */
  keys(): readonly string[] {
    return this.isMissing ? [] : Object.keys(this.#object());
  }

  /** A list's items; none if it is missing. */
  list(most: number): readonly Field[] {
    const value = this.#value;
    if (this.isMissing) return [];
    if (!Array.isArray(value)) return this.#notA('a list');
    if (value.length > most)
      this.refuse('TooMany', `it has ${value.length} items, at most ${most} are taken`, 'split it into several');
    return Array.from(value, (item: unknown, index) => new Field(item, `${this.path}[${index}]`));
  }

  /** A text of 1 to `longest` characters that a pattern matches. */
  text(longest: number, pattern = /^/): string {
    const value = this.#value;
    if (typeof value !== 'string' || value === '') return this.#notA('a text');
    if (value.length > longest || !value.isWellFormed() || !pattern.test(value)) return this.#notA('such a text');
    return value;
  }

  /** As `text`; undefined if it is missing or empty. */
  optionalText(longest: number): string | undefined {
    return this.isMissing || this.#value === '' ? undefined : this.text(longest);
  }

  oneOf<Word extends string>(words: readonly Word[]): Word {
    const word = words.find((one) => one === this.#value);
    return word ?? this.#notA(`one of ${words.join(', ')}`);
  }

  whole(least: number, most: number): number {
    const value = this.#value;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      return this.#notA(`a whole number from ${least} to ${most}`);
    return value;
  }

  flag(otherwise: boolean): boolean {
    if (this.isMissing) return otherwise;
    return typeof this.#value === 'boolean' ? this.#value : this.#notA('true or false');
  }

  #object(): object {
    const value = this.#value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.#notA('an object');
    return value;
  }

  #notA(wanted: string): never {
    if (this.isMissing) this.refuse('MissingField', `it is missing and must be ${wanted}`, 'add it');
    return this.refuse('BadValue', `${shown(this.#value)} is not ${wanted}`, 'correct it');
  }
}
