import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interleave } from './pairs.ts';
import { isMet, median, quantile, resultOf } from './result.ts';
import { tableOf } from './table.ts';

test('quantiles lie between neighbours', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(quantile([10, 20, 30], 0), 10);
  assert.equal(quantile([10, 20, 30], 1), 30);
  assert.equal(quantile([0, 10], 0.99), 9.9);
  assert.ok(Number.isNaN(median([])));
});

test('a figure is the median of its values with their ends, in four digits, and keeps what it is compared with', () => {
  const aim = { unit: 'ms', goal: 5, better: 'lower', peer: { name: 'other', value: 7 }, limit: '1 (why)' } as const;
  assert.deepEqual(resultOf('name', [4.123456, 9.876543, 1.5], aim), {
    name: 'name',
    value: 4.123,
    ...aim,
    pairs: 3,
    spread: [1.5, 9.877],
  });
});

test('a goal is met at the goal itself, and a figure that is no number meets none', () => {
  assert.equal(isMet({ value: 5, goal: 5, better: 'lower' }), true);
  assert.equal(isMet({ value: 5, goal: 5, better: 'higher' }), true);
  assert.equal(isMet({ value: 5.1, goal: 5, better: 'lower' }), false);
  assert.equal(isMet({ value: 4.9, goal: 5, better: 'higher' }), false);
  for (const better of ['lower', 'higher'] as const) {
    assert.equal(isMet({ value: Number.NaN, goal: 5, better }), false);
  }
});

test('pairs are made in turns, A B B A, and each has what belongs together', async () => {
  const order: string[] = [];
  const measure = (name: string) => async () => {
    order.push(name);
    return order.length;
  };
  const pairs = await interleave({ without: measure('A'), with: measure('B') }, () => 'a pair', 4);
  assert.equal(order.join(' '), 'A B B A A B B A');
  assert.deepEqual(pairs, [
    { without: 1, with: 2 },
    { without: 4, with: 3 },
    { without: 5, with: 6 },
    { without: 8, with: 7 },
  ]);
});

test('the table has a line for each figure, with goal, peer and limit', () => {
  const table = tableOf([
    resultOf('fast', [2], { unit: 'rows/s', goal: 1, better: 'higher', peer: { name: 'other', value: 3 } }),
    resultOf('small', [2], { unit: 'MB', goal: 1, better: 'lower', limit: '1 (why)' }),
  ]);
  const cells = table.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  assert.deepEqual(cells[2], ['fast', '2 rows/s', '2 … 2 (1)', '≥ 1', 'yes', 'other: 3 rows/s', '']);
  assert.deepEqual(cells[3], ['small', '2 MB', '2 … 2 (1)', '≤ 1', 'no', '', '1 (why)']);
  const widths = table.split('\n').map((line) => line.length);
  assert.equal(new Set(widths).size, 1, 'columns are aligned');
});
