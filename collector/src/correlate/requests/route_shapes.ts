/** What a path segment is by its looks alone, before anything is learned. */
import { decoded, REDACTED } from './redaction.ts';

const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/^\d{4}-\d{2}(?:-\d{2}(?:[T ][\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?)?$/, '{date}'],
  [/^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/, '{date}'],
  [/^[+-]?\d+(?:\.\d+)?$/, '{number}'],
  [/^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$/i, '{uuid}'],
  [/^(?:0x)?(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}$/i, '{hash}'],
  // ULIDs and the like: long, letters and digits mixed, no word.
  [/^(?=(?:[A-Za-z]*\d){3})(?=(?:\d*[A-Za-z]){3})[0-9A-Za-z]{16,}$/, '{hash}'],
];

/** What most segments are; nothing in it can be a value by its looks. */
const WORD = /^[a-z_-]{0,24}$/;
/** Longest segment that can be part of a template by itself. */
const LONGEST_WORD = 60;

/** Placeholder of a segment that is a value by its looks; undefined for one that may be a word of the route. */
export function shapeOf(segment: string): string | undefined {
  if (WORD.test(segment)) return undefined;
  if (segment === REDACTED) return '{secret}';
  const text = decoded(segment);
  if (text.length > LONGEST_WORD || text !== segment) return '{text}';
  for (const [pattern, placeholder] of SHAPES) {
    if (pattern.test(text)) return placeholder;
  }
  return /^[\w.~!$&'()*+,;=:@-]*$/.test(text) ? undefined : '{text}';
}

/** Whether a word looks more like a title or a name than like a part of a route; version numbers do not. */
export function looksLikeSlug(word: string): boolean {
  if (/^v\d+(?:\.\d+)*$/i.test(word)) return false;
  return word.length > 24 || /\d/.test(word) || (word.match(/[-_.]/g)?.length ?? 0) >= 2;
}
