/** Secrets that a test makes up, so that they can be looked for wherever they may have gone. */
import { randomBytes, randomInt } from 'node:crypto';

/** Characters that make a needle certain: parts of a canary that were cut are found as well. */
const NEEDLE = 12;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** One secret. */
export interface Canary {
  /** Where it was put, in words. */
  readonly place: string;
  /** Text whose presence anywhere means that it leaked. */
  readonly needle: string;
}

/** What a secret looks like: a word of no pattern, or one of the patterns that are redacted in paths by default. */
export type Shape = 'word' | 'hex' | 'base64' | 'jwt' | 'email';

/** Bytes by which forms are looked up. */
const KEY = 4;

/** Makes canaries and remembers them. */
export class Canaries {
  readonly all: Canary[] = [];
  /** Forms of all needles by their first bytes. */
  readonly #forms = new Map<number, [form: Buffer, canary: Canary][]>();

  /** A new secret that is put at this place. */
  make(place: string, shape: Shape = 'word'): string {
    const word = Array.from({ length: 20 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
    const hex = randomBytes(20).toString('hex');
    const canary = { place: `${place} (${shape})`, needle: (shape === 'hex' ? hex : word).slice(0, NEEDLE) };
    this.all.push(canary);
    for (const form of formsOf(canary.needle)) {
      const key = form.readUInt32LE(0);
      this.#forms.set(key, [...(this.#forms.get(key) ?? []), [form, canary]]);
    }
    switch (shape) {
      case 'hex':
        return hex;
      case 'base64':
        return `${word}${randomBytes(15).toString('base64url')}`;
      case 'jwt':
        return `eyJ${word}.${randomBytes(24).toString('base64url')}.${randomBytes(12).toString('base64url')}`;
      case 'email':
        return `${word}@shop.example`;
      default:
        return word;
    }
  }

  /** Places whose canaries stand in these bytes, in any of the forms that things are written in. */
  foundIn(bytes: Buffer): string[] {
    const found = new Set<Canary>();
    let key = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      key = (key >>> 8) | ((bytes[at] as number) << 24);
      for (const [form, canary] of this.#forms.get(key >>> 0) ?? []) {
        const begin = at - KEY + 1;
        if (begin >= 0 && bytes.subarray(begin, begin + form.length).equals(form)) found.add(canary);
      }
    }
    return [...found].map(({ place }) => place);
  }
}

/** As it is, percent-encoded in both cases, in hexadecimal, as UTF-16, and in base64 wherever in a group of three it begins. */
function formsOf(needle: string): Buffer[] {
  const hex = Buffer.from(needle).toString('hex');
  const percent = hex.replace(/../g, '%$&');
  const base64 = [0, 1, 2].map((before) => {
    const text = Buffer.from('x'.repeat(before) + needle).toString('base64');
    // what depends on the neighbours before and behind is left out
    return text.slice(before === 0 ? 0 : before + 1, text.length - 4);
  });
  const texts = [needle, hex, percent, percent.toUpperCase(), ...base64].map((text) => Buffer.from(text, 'latin1'));
  return [...texts, Buffer.from(needle, 'utf16le')];
}
