/** A reporter for node's test runner that prints each skipped test with its reason, and nothing else. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/** One line per skipped test: file, name, reason. */
export default async function* skippedTests(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let count = 0;
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { skip, name, file } = event.data;
    if (skip === undefined || skip === false) continue;
    count += 1;
    const reason = typeof skip === 'string' && skip !== '' ? skip : 'no reason given';
    yield `  ${file === undefined ? '' : `${relative('.', file)}: `}${name}: ${reason}\n`;
  }
  if (count === 0) yield '  none\n';
}
