/** What a service's tables look like, and what a lost backend would move. Pure, over the model. */
import { MAGLEV_SIZE, maglevTable, movedShare } from './maglev.ts';
import type { Model } from './model.ts';
import type { Backend, Frontend, Pool } from './pools.ts';
import { nextSlots } from './slots.ts';

/** A backend's part of a table. */
export interface BackendShare {
  /** Address and port. */
  readonly backend: string;
  readonly slots: readonly number[];
  /** Of new connections, 0 to 1. */
  readonly share: number;
  /** Entries of a Maglev table. */
  readonly maglev_entries: number;
}

/** What happens without some backends. */
export interface WithoutBackends {
  readonly lost: readonly string[];
  readonly remaining: number;
  /** Slots that have another backend than before, of those that remain. */
  readonly moved_slots: readonly { readonly slot: number; readonly from: string; readonly to: string }[];
  /** Shares of the Maglev table, 0 to 1: entries of those that are lost, and entries of others that move besides. */
  readonly maglev_lost: number;
  readonly maglev_moved: number;
}

/** One table of a service. */
export interface PoolExplanation {
  readonly pool: string;
  /** What is dialled to come to it. */
  readonly frontends: readonly string[];
  readonly traffic_policy: 'Cluster' | 'Local';
  readonly affinity_seconds: number;
  readonly endpoints: number;
  readonly candidates: number;
  readonly basis: Pool['basis'];
  /** What a client meets where there is no candidate; empty if there is one. */
  readonly refusal: '' | 'no_backend' | 'no_local_backend';
  readonly table: readonly BackendShare[];
  /** Of the fullest backend over the mean; 1 is even, 0 without candidates. */
  readonly slots_balance: number;
  readonly maglev_balance: number;
  readonly maglev_size: number;
  /** If it was asked for. */
  readonly without?: WithoutBackends;
}

const nameOf = ({ address, port }: Backend): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Whether `asked`, an address or an address with a port, means a backend. */
const isMeant = (backend: Backend, asked: string): boolean => asked === backend.address || asked === nameOf(backend);

const slotsOf = (backends: readonly Backend[], before: readonly string[] = []): readonly string[] =>
  nextSlots(before, new Map(backends.map((backend) => [nameOf(backend), backend.weight])));

const named = (backends: readonly Backend[]) =>
  backends.map((backend) => ({ name: nameOf(backend), weight: backend.weight }));

/** Of the largest of what each has over what it should have by its weight. */
function balanceOf(backends: readonly Backend[], has: (backend: Backend) => number): number {
  const weights = backends.reduce((sum, { weight }) => sum + weight, 0);
  const all = backends.reduce((sum, backend) => sum + has(backend), 0);
  return backends.reduce((most, backend) => Math.max(most, (has(backend) / all) * (weights / backend.weight)), 0);
}

function without(pool: Pool, asked: string, size: number): WithoutBackends {
  const lost = pool.candidates.filter((backend) => isMeant(backend, asked));
  const remaining = pool.candidates.filter((backend) => !isMeant(backend, asked));
  const before = slotsOf(pool.candidates);
  const after = slotsOf(remaining, before);
  const moved = after.flatMap((to, slot) => (before[slot] === to ? [] : [{ slot, from: before[slot] ?? '', to }]));
  const [all, rest] = [named(pool.candidates), named(remaining)];
  const table = maglevTable(all, size);
  const gone = new Set(lost.map(nameOf));
  const entries = table.reduce((count, index) => count + (gone.has(all[index]!.name) ? 1 : 0), 0);
  return {
    lost: [...gone],
    remaining: remaining.length,
    moved_slots: moved,
    maglev_lost: entries / table.length || 0,
    maglev_moved:
      rest.length === 0 ? 0 : movedShare({ backends: all, table }, { backends: rest, table: maglevTable(rest, size) }),
  };
}

function explainPool(
  pool: Pool,
  frontends: readonly Frontend[],
  asked: string | undefined,
  size: number,
): PoolExplanation {
  const { candidates } = pool;
  const slots = slotsOf(candidates);
  const ownSlots = new Map<string, number[]>();
  for (const [slot, name] of slots.entries()) ownSlots.set(name, [...(ownSlots.get(name) ?? []), slot]);
  const entries = new Map<string, number>();
  for (const index of maglevTable(named(candidates), size)) {
    const name = nameOf(candidates[index]!);
    entries.set(name, (entries.get(name) ?? 0) + 1);
  }
  const table = candidates.map((backend) => {
    const name = nameOf(backend);
    const own = ownSlots.get(name) ?? [];
    return {
      backend: name,
      slots: own,
      share: own.length / slots.length,
      maglev_entries: entries.get(name) ?? 0,
    };
  });
  const refusal = pool.hasOthers ? 'no_local_backend' : 'no_backend';
  return {
    pool: pool.id,
    frontends: frontends.filter((frontend) => frontend.pool === pool).map(({ place }) => place),
    traffic_policy: pool.isLocal ? 'Local' : 'Cluster',
    affinity_seconds: pool.affinitySeconds,
    endpoints: pool.endpoints,
    candidates: candidates.length,
    basis: pool.basis,
    refusal: candidates.length === 0 ? refusal : '',
    table,
    slots_balance: balanceOf(candidates, (backend) => ownSlots.get(nameOf(backend))?.length ?? 0),
    maglev_balance: balanceOf(candidates, (backend) => entries.get(nameOf(backend)) ?? 0),
    maglev_size: size,
    ...(asked === undefined ? {} : { without: without(pool, asked, size) }),
  };
}

/**
 * Explains the tables of one service.
 * @param asked an address, or address:port, of the backends that are lost
 * @param size entries of the Maglev tables, prime
 */
export function explainService(
  model: Model,
  namespace: string,
  name: string,
  asked?: string,
  size: number = MAGLEV_SIZE,
): readonly PoolExplanation[] {
  return [...model.pools.values()]
    .filter((pool) => pool.namespace === namespace && pool.service === name)
    .map((pool) => explainPool(pool, model.frontends, asked, size));
}
