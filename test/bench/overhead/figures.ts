/** Prints what was compared. */
import { median, printResult, resultOf } from '../kit/result.ts';
import type { Compared } from './compare.ts';

/** A figure: share of what is served without that is served with; and, as its limit, how much the machine itself varies. */
export function printRatio(name: string, { ratios, noise }: Compared, goal: number): void {
  const spread = [median(noise), Math.min(...noise), Math.max(...noise)].map((one) => one.toFixed(3));
  const limit = `1 (nothing watched); without against without: ${spread[0]}, ${spread[1]} … ${spread[2]}`;
  printResult(resultOf(name, ratios, { unit: 'ratio', goal, better: 'higher', limit }));
}
