/** Label values of the edge families, by the numbers of the wire. */
import { getSystemErrorName } from 'node:util';
import { ENUMS } from '../../../../bpf/wire/events.gen.ts';
import { OUTCOMES } from '../../../../store/tables.ts';

/** Words of an enum by number. @param none in place of the word of 0 */
function wordsOf(numbers: Readonly<Record<string, number>>, none?: string): string[] {
  const words: string[] = [];
  for (const [word, number] of Object.entries(numbers))
    words[number] = number === 0 && none !== undefined ? none : word;
  return words;
}

export const OUTCOME_WORDS = wordsOf(OUTCOMES);
export const SENT_BY_WORDS = wordsOf(ENUMS.sent_by, 'unknown');
export const CAUSE_WORDS = wordsOf(ENUMS.retransmit_cause, 'unknown');
export const CLOSE_CAUSE_WORDS = wordsOf(ENUMS.close_cause, 'unknown');
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
