/** Label values of the edge families, by the numbers of the wire. */
import { getSystemErrorName } from 'node:util';
import { ENUMS } from '../../../../bpf/wire/events.gen.ts';
import { OUTCOMES } from '../../../../store/tables.ts';

/** Words of an enum by number: those of the rows. */
function wordsOf(numbers: Readonly<Record<string, number>>): string[] {
  const words: string[] = [];
  for (const [word, number] of Object.entries(numbers)) words[number] = word;
  return words;
}

export const OUTCOME_WORDS = wordsOf(OUTCOMES);
export const SENT_BY_WORDS = wordsOf(ENUMS.sent_by);
export const CAUSE_WORDS = wordsOf(ENUMS.retransmit_cause);
export const CLOSE_CAUSE_WORDS = wordsOf(ENUMS.close_cause);
export const APPLICATION_PROTOCOL_WORDS = wordsOf(ENUMS.application_protocol);

/** One word of an enum, as the values of a family's only label. */
export const wordIn =
  (words: readonly string[]) =>
  (number: number): readonly string[] => [words[number] ?? String(number)];

/** Name of an errno, such as ECONNREFUSED; its number where it has none. */
export function errorWord(number: number): string {
  if (number === 0) return 'unknown';
  const name = getSystemErrorName(-number);
  return /^E[A-Z0-9]+$/.test(name) ? name : String(number);
}
