/** Comparing what two witnesses say, line by line, where the order does not matter. */

/** At most `most` lines that only one side has, each with `-` (missing in actual) or `+` (only there) and how often. */
export function differences(expected: readonly string[], actual: readonly string[], most = 10): string[] {
  const counts = new Map<string, number>();
  for (const line of expected) counts.set(line, (counts.get(line) ?? 0) - 1);
  for (const line of actual) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count !== 0)
    .slice(0, most)
    .map(([line, count]) => `${count < 0 ? '-' : '+'}${Math.abs(count)} ${line}`);
}
