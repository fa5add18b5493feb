/** Whether rows' ends are decided as they are read, until when that is settled, and what of edges is built. */
import { EDGE_HOLD_BACK_S } from '../../store/edge_builds.ts';
import { EDGES_1H } from '../../store/edge_hours.ts';
import type { Window } from './question.ts';
import { expiredBefore } from './retention.ts';
import type { Scope } from './scope.ts';
import { standingSql } from './sql/identities.ts';
import type { Store } from './store.ts';
import { earliest, latest, wallClock } from './time.ts';

/** What questions need not read from the rows. */
export interface BuiltEdges {
  /** Up to when edges_1m is built; nanoseconds since the epoch. */
  readonly builtUntil: bigint;
  /** Hours that edges_1h holds: times without a gap, in order. */
  readonly builtHours: readonly Window[];
}

/** What stands for a while: from when on somebody told who had which address, and what of edges is built. */
interface Standing {
  /** From when on there are claims; nanoseconds since the epoch. */
  readonly since: bigint;
  /** How many claims there are. */
  readonly count: number;
  readonly edges: BuiltEdges;
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
  const hours = (row?.hours ?? []) as number[];
  const found = {
    since: number('from_ns'),
    count: Number(row?.count ?? 0),
    edges: { builtUntil: number('built_ns'), builtHours: withoutGaps(hours) },
    readAgain: performance.now() + READ_AGAIN_MS,
  };
  known.set(store, found);
  return found;
}

/** The scope, with what holds for a time: whether somebody told who had which address then. */
export async function claimsOf(store: Store, scope: Scope, window: Window, signal?: AbortSignal): Promise<Scope> {
  const { since, count } = await standing(store, signal);
  const any = count > 0 && since < window.until;
  return { ...scope, claims: !any ? 'none' : count < MANY ? 'few' : 'many' };
}

const HOUR_NS = 3_600_000_000_000n;

/** Times that hours make up; their begins are seconds since the epoch, in order. */
function withoutGaps(hours: readonly number[]): Window[] {
  const times: Window[] = [];
  for (const hour of hours) {
    const since = BigInt(hour) * 1_000_000_000n;
    const before = times.at(-1);
    const joins = before?.until === since;
    if (joins) times.pop();
    times.push({ since: joins ? before.since : since, until: since + HOUR_NS });
  }
  return times;
}

/**
 * What of edges is built, and still there.
 * @throws QueryError
 */
export async function builtEdges(store: Store, signal?: AbortSignal): Promise<BuiltEdges> {
  const [{ edges }, gone] = await Promise.all([standing(store, signal), expiredBefore(store, EDGES_1H, signal)]);
  const builtHours = edges.builtHours
    .filter(({ until }) => until > gone)
    .map(({ since, until }) => ({ since: latest([since, gone]), until }));
  return { ...edges, builtHours };
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
