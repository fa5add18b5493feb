/** Two ways for the same bytes, by message size: the plain one, and ours. */
import { interleave, PAIRS } from '../kit/pairs.ts';
import { printResult, resultOf } from '../kit/result.ts';
import { SIZES, type Talk } from './talk.ts';

/** How one of the two ways is made the one that is taken. */
export interface Ways {
  readonly plain: () => void;
  readonly ours: () => void;
}

/** Message whose round trip is the bench's own figure. */
const TYPICAL_BYTES = 1024;

async function compare(
  name: string,
  bytes: number,
  ways: Ways,
  measure: () => Promise<number>,
  unit: string,
  better: 'higher' | 'lower',
): Promise<void> {
  const by = (way: () => void) => async () => {
    way();
    return measure();
  };
  const tell = (value: number) => value.toFixed(1);
  const pairs = await interleave(
    { without: by(ways.plain), with: by(ways.ours) },
    (pair) => `${name}, ${bytes} bytes: plain ${tell(pair.without)} ${unit}, ours ${tell(pair.with)}`,
    PAIRS,
  );
  const ratios = pairs.map((pair) => pair.with / pair.without);
  printResult(resultOf(name, ratios, { unit: `ratio of ${unit} to plain`, goal: 1, better }));
}

/** Prints a figure per size for both kinds; the last is the round trip of a typical message. */
export async function compareWays(name: string, talk: Talk, ways: Ways): Promise<void> {
  for (const bytes of SIZES)
    await compare(`${name}-stream-${bytes}`, bytes, ways, () => talk.stream(bytes), 'MB/s', 'higher');
  const trip = async (bytes: number, which: 'medianUs' | 'p99Us') => (await talk.roundTrips(bytes))[which];
  for (const bytes of SIZES.filter((size) => size !== TYPICAL_BYTES))
    await compare(`${name}-trip-${bytes}`, bytes, ways, () => trip(bytes, 'medianUs'), 'µs', 'lower');
  await compare(`${name}-trip-p99`, TYPICAL_BYTES, ways, () => trip(TYPICAL_BYTES, 'p99Us'), 'µs', 'lower');
  await compare(name, TYPICAL_BYTES, ways, () => trip(TYPICAL_BYTES, 'medianUs'), 'µs', 'lower');
}
