/** Hexadecimal digits in texts, lower case, as numbers of 32 bits: eight digits each. */

const DASH = 0x2d;
const UUID_LENGTH = 36;
/** Where a UUID has its dashes. */
const isDash = (at: number): boolean => at === 8 || at === 13 || at === 18 || at === 23;

/** @returns -1 if it is none */
function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

/** Eight digits, which must be there, from a place on. */
export function wordOfHex(text: string, from: number): number {
  let word = 0;
  for (let at = from; at < from + 8; at += 1) word = (word << 4) | digit(text.charCodeAt(at));
  return word >>> 0;
}

/** Eight digits. */
export function hexOfWord(word: number): string {
  return word.toString(16).padStart(8, '0');
}

/** Reads a UUID with its dashes into four words. @returns false if the text is none */
export function wordsOfUuid(text: string, words: Uint32Array): boolean {
  if (text.length !== UUID_LENGTH) return false;
  let word = 0;
  let digits = 0;
  for (let at = 0; at < UUID_LENGTH; at += 1) {
    const code = text.charCodeAt(at);
    if (isDash(at)) {
      if (code !== DASH) return false;
      continue;
    }
    const value = digit(code);
    if (value === -1) return false;
    word = (word << 4) | value;
    digits += 1;
    if ((digits & 7) === 0) words[(digits >> 3) - 1] = word;
  }
  return true;
}
