/** What did not pass in a test file: skipped tests with their reasons, and whether any failed. */
import type { TestEvent } from 'node:test/reporters';

/** `skipped <file>: <test>: <reason>` per skipped test, `failed <file>` once if a test failed. */
export function exceptions(file: string, events: readonly TestEvent[]): string[] {
  const skipped = events.flatMap(({ type, data }) => {
    if (type !== 'test:pass' || data.skip === undefined || data.skip === false) return [];
    const reason = typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given';
    return [`skipped ${file}: ${data.name}: ${reason}`];
  });
  return events.some(({ type }) => type === 'test:fail') ? [...skipped, `failed ${file}`] : skipped;
}
