/** Whether rows' ends are decided as they are read, and until when that is settled. */
import type { Window } from './question.ts';
import type { Scope } from './scope.ts';
import { claimedTimeSql } from './sql/identities.ts';
import type { Store } from './store.ts';
import { earliest, wallClock } from './time.ts';

/** Time of which somebody told who had which address. */
interface Claimed extends Window {
  /** How many claims there are. */
  readonly count: number;
  /** When this is to be read anew, on the clock of performance.now(). */
  readonly readAgain: number;
}

/** What was read of each store: the first who tells is noticed within the time in which answers are not settled anyway. */
const known = new WeakMap<Store, Claimed>();
const READ_AGAIN_MS = 5_000;

/** From so many claims on, those are picked out that are asked for. */
const MANY = 20_000;

/** Claims of addresses count for rows up to this long after their end; nanoseconds. */
const AFTER_END_NS = 2n * 3_600_000_000_000n;

/** The scope, with what holds for a time: whether somebody told who had which address then. */
export async function claimsOf(store: Store, scope: Scope, window: Window, signal?: AbortSignal): Promise<Scope> {
  let claimed = known.get(store);
  if (claimed === undefined || claimed.readAgain < performance.now()) {
    const [row] = await store.rows(claimedTimeSql(), signal);
    const [since, until] = [row?.from_ns, row?.to_ns].map((ns) => BigInt(String(ns ?? 0)));
    claimed = {
      since: since!,
      until: until!,
      count: Number(row?.count ?? 0),
      readAgain: performance.now() + READ_AGAIN_MS,
    };
    known.set(store, claimed);
  }
  const any = claimed.since < window.until && claimed.until > window.since - AFTER_END_NS;
  return { ...scope, claims: !any ? 'none' : claimed.count < MANY ? 'few' : 'many' };
}

/** A question, with what its scope knows of its time. */
export async function withClaims<Q extends Window & { readonly scope: Scope }>(
  store: Store,
  question: Q,
  signal?: AbortSignal,
): Promise<Q> {
  return { ...question, scope: await claimsOf(store, question.scope, question, signal) };
}

/**
 * Until when the ends of the rows of a time are told for good, in nanoseconds since the epoch; undefined if of none.
 * @param holdBackNs how long after a row's time who had its addresses may be told yet
 */
export function settledUntil(
  { scope, since, until }: Window & { readonly scope: Scope },
  holdBackNs: bigint,
): bigint | undefined {
  const settled = earliest([until, scope.claims !== 'none' ? wallClock() - holdBackNs : wallClock()]);
  return settled > since ? settled : undefined;
}
