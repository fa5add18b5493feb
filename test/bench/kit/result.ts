/** One figure of a bench: what it is, what was aimed at, what it is compared with. */

/** What a user would run instead, measured in the same run. */
export interface Peer {
  readonly name: string;
  /** In the unit that `unit` says; by default the figure's own. */
  readonly value: number;
  readonly unit?: string;
}

/** What a bench knows of a figure beside its values. */
export interface Aim {
  readonly unit: string;
  /** What is aimed at; benches assert nothing. */
  readonly goal: number;
  readonly better: 'higher' | 'lower';
  readonly peer?: Peer | undefined;
  /** What no program on this machine could do better than, and where that is from, such as `1 (nothing is watched)`. */
  readonly limit?: string | undefined;
}

/** One figure. */
export interface BenchResult extends Aim {
  readonly name: string;
  /** Median over the pairs. */
  readonly value: number;
  /** How many pairs or rounds the value rests on. */
  readonly pairs: number;
  /** Lowest and highest of them. */
  readonly spread: readonly [number, number];
}

/** What stands in front of each printed figure's place in the output: the runner finds them by it. */
export const FIRST_KEY = '{"name":';

/** The middle of the values; the mean of the two middle ones for an even count; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which a share of the values lies, 0 to 1, interpolated between neighbours; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return below + (above - below) * (place - Math.floor(place));
}

const round = (value: number): number => Number(value.toPrecision(4));

/** A figure from one value per pair, rounded to four digits. */
export function resultOf(name: string, values: readonly number[], aim: Aim): BenchResult {
  return {
    name,
    value: round(median(values)),
    ...aim,
    pairs: values.length,
    spread: [round(Math.min(...values)), round(Math.max(...values))],
  };
}

/** Whether the goal was reached. */
export function isMet({ value, goal, better }: Pick<BenchResult, 'value' | 'goal' | 'better'>): boolean {
  return better === 'higher' ? value >= goal : value <= goal;
}

/** Prints the line. The last line of a bench is the figure that has the bench's name. */
export function printResult(result: BenchResult): void {
  const { name, value, unit, goal, better, pairs, spread, peer, limit } = result;
  const met = isMet(result);
  process.stdout.write(`${JSON.stringify({ name, value, unit, goal, better, met, pairs, spread, peer, limit })}\n`);
}
