/** Two ways of doing the same, side by side: A B B A A B …, so that what drifts on the machine meets both alike. */

/** One pair. */
export interface Pair<A, B> {
  readonly without: A;
  readonly with: B;
}

/** How many pairs a bench makes unless PAIRS in the environment says otherwise. */
export const PAIRS = Number(process.env.PAIRS ?? 10);

/**
 * Measures pairs, interleaved, the order turned round from pair to pair.
 * @param tell what to print of each pair, one line
 */
export async function interleave<A, B>(
  measure: { readonly without: () => Promise<A>; readonly with: () => Promise<B> },
  tell: (pair: Pair<A, B>) => string,
  pairs = PAIRS,
): Promise<Pair<A, B>[]> {
  const made: Pair<A, B>[] = [];
  for (let at = 0; at < pairs; at += 1) {
    const first = at % 2 === 0 ? await measure.without() : undefined;
    const on = await measure.with();
    const pair = { without: first ?? (await measure.without()), with: on };
    made.push(pair);
    process.stdout.write(`pair ${at + 1} of ${pairs}: ${tell(pair)}\n`);
  }
  return made;
}
