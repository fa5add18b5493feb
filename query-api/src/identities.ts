/** Whether rows' ends are decided as they are read, and until when that is settled. */
import { EDGE_HOLD_BACK_S } from '../../store/edge_builds.ts';
import type { Window } from './question.ts';
import type { Scope } from './scope.ts';
import { standingSql } from './sql/identities.ts';
import type { Store } from './store.ts';
import { earliest, wallClock } from './time.ts';

/** What stands for a while: from when on somebody told who had which address, and up to when edges are built. */
interface Standing {
  /** From when on there are claims; nanoseconds since the epoch. */
  readonly since: bigint;
  /** How many claims there are. */
  readonly count: number;
  /** Up to when edges_1m is built; nanoseconds since the epoch. */
  readonly built: bigint;
  /** When this is to be read anew, on the clock of performance.now(). */
  readonly readAgain: number;
}

/** What was read of each store: the first who tells is noticed within the time in which answers are not settled anyway. */
const known = new WeakMap<Store, Standing>();
const READ_AGAIN_MS = 5_000;

/** From so many claims on, those are picked out that are asked for. */
const MANY = 20_000;

async function standing(store: Store, signal?: AbortSignal): Promise<Standing> {
  const read = known.get(store);
  if (read !== undefined && read.readAgain > performance.now()) return read;
  const [row] = await store.rows(standingSql(), signal);
  const number = (name: string) => BigInt(String(row?.[name] ?? 0));
  const [since, built] = [number('from_ns'), number('built_ns')];
  const found = { since, built, count: Number(row?.count ?? 0), readAgain: performance.now() + READ_AGAIN_MS };
  known.set(store, found);
  return found;
}

/** The scope, with what holds for a time: whether somebody told who had which address then. */
export async function claimsOf(store: Store, scope: Scope, window: Window, signal?: AbortSignal): Promise<Scope> {
  const { since, count } = await standing(store, signal);
  const any = count > 0 && since < window.until;
  return { ...scope, claims: !any ? 'none' : count < MANY ? 'few' : 'many' };
}

/** Up to when edges are built, in nanoseconds since the epoch: those of later minutes are to be read from the rows. */
export async function edgesBuiltUntil(store: Store, signal?: AbortSignal): Promise<bigint> {
  return (await standing(store, signal)).built;
}

/** A question, with what its scope knows of its time. */
export async function withClaims<Q extends Window & { readonly scope: Scope }>(
  store: Store,
  question: Q,
  signal?: AbortSignal,
): Promise<Q> {
  return { ...question, scope: await claimsOf(store, question.scope, question, signal) };
}

/** How long after a row's time who had its addresses may be told yet, in nanoseconds. */
const HOLD_BACK_NS = BigInt(EDGE_HOLD_BACK_S) * 1_000_000_000n;

/** Until when the ends of the rows of a time are told for good, in nanoseconds since the epoch; undefined if of none. */
export function settledUntil({ scope, since, until }: Window & { readonly scope: Scope }): bigint | undefined {
  const settled = earliest([until, scope.claims !== 'none' ? wallClock() - HOLD_BACK_NS : wallClock()]);
  return settled > since ? settled : undefined;
}
