/** Patterns of texts as SQL. */
import type { Parameters } from '../sql/parameters.ts';

/** LIKE pattern of a glob. */
export function likePattern(glob: string): string {
  return glob
    .replace(/[\\%_]/g, '\\$&')
    .replaceAll('*', '%')
    .replaceAll('?', '_');
}

/** Condition that a text is this one, or fits the pattern; without case if `fold`. */
export function textMatches(expression: string, pattern: string, fold: boolean, parameters: Parameters): string {
  if (!/[*?]/.test(pattern) && !fold) return `${expression} = ${parameters.bind(pattern, 'String')}`;
  return `${expression} ${fold ? 'ILIKE' : 'LIKE'} ${parameters.bind(likePattern(pattern), 'String')}`;
}
