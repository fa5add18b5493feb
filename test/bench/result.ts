/** What every bench prints as its last line. */

/** One figure. */
export interface BenchResult {
  readonly name: string;
  /** Median over the pairs. */
  readonly value: number;
  readonly unit: string;
  /** What is aimed at; benches assert nothing. */
  readonly goal: number;
  readonly better: 'higher' | 'lower';
  /** How many pairs or rounds the value rests on. */
  readonly pairs: number;
  /** Lowest and highest of them. */
  readonly spread: readonly [number, number];
}

/** The middle of the values; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A figure from one value per pair, rounded to four digits. */
export function resultOf(
  name: string,
  values: readonly number[],
  { unit, goal, better }: Pick<BenchResult, 'unit' | 'goal' | 'better'>,
): BenchResult {
  const round = (value: number): number => Number(value.toPrecision(4));
  return {
    name,
    value: round(median(values)),
    unit,
    goal,
    better,
    pairs: values.length,
    spread: [round(Math.min(...values)), round(Math.max(...values))],
  };
}

/** Prints the line, with whether the goal was met. */
export function printResult(result: BenchResult): void {
  const { name, value, unit, goal, better, pairs, spread } = result;
  const met = better === 'higher' ? value >= goal : value <= goal;
  process.stdout.write(`${JSON.stringify({ name, value, unit, goal, better, met, pairs, spread })}\n`);
}
