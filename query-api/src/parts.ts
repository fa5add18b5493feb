/** Long lists, asked about in parts: what is bound to a query travels in a URL. */

/** How long a part may be. */
export interface PartBounds<T> {
  /** Most entries. */
  readonly entries: number;
  /** Most places at which neighbours are apart; none counts if absent. */
  readonly gaps?: number;
  /** Whether two neighbours are apart. */
  readonly apart?: (before: T, next: T) => boolean;
}

/** The list cut into parts, in its order. */
export function inParts<T>(list: readonly T[], { entries, gaps, apart }: PartBounds<T>): T[][] {
  const parts: T[][] = [];
  let part: T[] = [];
  let found = 0;
  for (const entry of list) {
    const before = part.at(-1);
    if (before !== undefined && apart?.(before, entry)) found += 1;
    if (part.length === entries || (gaps !== undefined && found > gaps)) {
      parts.push(part);
      part = [];
      found = 0;
    }
    part.push(entry);
  }
  return part.length === 0 ? parts : [...parts, part];
}
