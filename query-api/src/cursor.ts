/** Cursors: where the next page begins, and of which question. Opaque to those who carry them. */
import { createHash } from 'node:crypto';
import { QueryError } from './errors.ts';
import type { QueryString } from './query_string.ts';

/** Where a page ended. Times are nanoseconds since the epoch. */
export interface Cursor {
  /** Window of the first page: `15m` means the same on every page. */
  readonly since: bigint;
  readonly until: bigint;
  /** Values of the order of the last row before the next page, as decimal numbers. */
  readonly after: readonly string[];
}

/** Says which question a cursor belongs to: everything asked except page size, form and the cursor itself. */
export function questionHash(route: string, query: QueryString): string {
  const asked = Object.entries(query)
    .filter(([name]) => !['cursor', 'limit', 'format', 'since', 'until'].includes(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([route, asked]))
    .digest('base64url')
    .slice(0, 12);
}

/** Text of a cursor. */
export function encodeCursor(hash: string, { since, until, after }: Cursor): string {
  return Buffer.from([hash, since, until, ...after].join(' ')).toString('base64url');
}

/**
 * Reads a cursor.
 * @throws QueryError FLOW_QUERY_BAD_CURSOR if it is none, or belongs to another question
 */
export function decodeCursor(hash: string, text: string, values: number): Cursor {
  const [owner, since = '', until = '', ...after] = Buffer.from(text, 'base64url').toString('latin1').split(' ');
  const canonical = Buffer.from(text, 'base64url').toString('base64url') === text;
  const whole = canonical && [since, until, ...after].every((part) => /^\d{1,20}$/.test(part));
  if (owner !== hash || !whole || after.length !== values) {
    throw new QueryError(400, 'FLOW_QUERY_BAD_CURSOR', 'cursor: not a cursor of this question', {
      parameter: 'cursor',
      value: text.slice(0, 200),
      allowed: '`next` of the page before, with the same filters, grouping and order',
    });
  }
  return { since: BigInt(since), until: BigInt(until), after };
}
