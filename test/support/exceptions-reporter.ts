/** A reporter for node's test runner that prints what did not pass: skipped tests with their reasons, failed files. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/** `skipped <file>: <test>: <reason>` per skipped test, `failed <file>` once per file with a failed test. */
export default async function* exceptions(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const failed = new Set<string>();
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { skip, name } = event.data;
    const file = event.data.file === undefined ? '' : relative('.', event.data.file);
    if (skip !== undefined && skip !== false) {
      const reason = typeof skip === 'string' && skip !== '' ? skip : 'no reason given';
      yield `skipped ${file}: ${name}: ${reason}\n`;
    } else if (event.type === 'test:fail' && !failed.has(file)) {
      failed.add(file);
      yield `failed ${file}\n`;
    }
  }
}
