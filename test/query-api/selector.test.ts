/** Label selectors: what is one, what it selects, and what is wrong with what is none. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSelector, SelectorError, selectorHolds } from '../../query-api/src/filter/selector.ts';
import { LABELLED, SELECTORS, WRONG } from './selectors.ts';

describe('what a selector selects', () => {
  for (const [text, names] of SELECTORS) {
    test(text === '' ? '(nothing)' : text, () => {
      const selector = parseSelector(text);
      const found = Object.entries(LABELLED).filter(([, labels]) => selectorHolds(selector, labels));
      assert.deepEqual(
        found.map(([name]) => name),
        names,
      );
    });
  }
});

describe('what is no selector', () => {
  for (const [text, at, message] of WRONG) {
    test(text.slice(0, 30), () => {
      assert.throws(
        () => parseSelector(text),
        (error: unknown) => {
          assert.ok(error instanceof SelectorError);
          assert.match(error.message, message);
          assert.equal(error.at, at);
          return true;
        },
      );
    });
  }
});

test('more parts than are taken', () => {
  const text = Array.from({ length: 102 }, (_, index) => `k${index}`).join(',');
  assert.throws(() => parseSelector(text), { message: /more than 100 parts/ });
});
