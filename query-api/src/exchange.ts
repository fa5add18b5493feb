/** Brings the two views of one exchange together: the row that counts, and what the other end saw of it. */
import { type HopIdentity, hopKey } from '../../store/ids.ts';
import { OTHER_END_WITHIN_NS } from './sql/conditions.ts';
import { BACKEND_COLUMNS, SERVICE_COLUMNS } from './sql/dialled.ts';
import type { StoreRow } from './store.ts';

/** A row of requests with the row of the other end, if that was observed. */
export interface Exchange {
  readonly row: StoreRow;
  readonly other: StoreRow | undefined;
}

/** Rows that were read to be paired carry their end in nanoseconds beside their columns: sql/requests.ts. */
const endOf = (row: StoreRow) => BigInt(String(row._end));
const isClient = (row: StoreRow) => row.observation_point === 'client';
const distance = (a: bigint, b: bigint) => (a > b ? a - b : b - a);

/** What both ends of its connection call the exchange of a row alike. */
export function hopOf(row: StoreRow): string {
  return hopKey(row as unknown as HopIdentity);
}

/** Whether two views of one hop are a client's and a server's. */
export function areOpposite(one: StoreRow, other: StoreRow): boolean {
  return isClient(one) ? other.observation_point === 'server' : one.observation_point === 'server' && isClient(other);
}

/** Tells one view from every other. */
const identity = (row: StoreRow) => [row.observation_point, hopOf(row), row._end].join(' ');

/**
 * For each row the view of the other end.
 * @param rows rows of either end
 * @param views views around their time; the rows' own and others may be among them repeatedly
 */
export function pairUp(rows: readonly StoreRow[], views: readonly StoreRow[]): Exchange[] {
  const byHop = Map.groupBy([...views, ...rows], hopOf);
  return rows.map((row) => {
    const apart = (view: StoreRow) => distance(endOf(row), endOf(view));
    const others = byHop.get(hopOf(row))!.filter((view) => areOpposite(row, view));
    const near = others.filter((view) => apart(view) <= OTHER_END_WITHIN_NS);
    return { row, other: near.sort((a, b) => (apart(a) < apart(b) ? -1 : 1))[0] };
  });
}

/** The same exchanges with the views of `whole` in place of those that are only known in part. */
export function completed(exchanges: readonly Exchange[], whole: readonly StoreRow[]): Exchange[] {
  const byIdentity = new Map(whole.map((view) => [identity(view), view]));
  return exchanges.map(({ row, other }) => ({
    row: { ...row, ...byIdentity.get(identity(row)) },
    other: other === undefined ? undefined : byIdentity.get(identity(other)),
  }));
}

/**
 * The row, with what the other end's view knows of what was dialled where its own does not: as a rule only the client's
 * end knows. Unknown is null, or empty and 0 as the store has it.
 */
export function asDialled({ row, other }: Exchange): StoreRow {
  if (other === undefined) return row;
  const taken = [...(row.service_name ? [] : SERVICE_COLUMNS), ...(row.backend_port ? [] : BACKEND_COLUMNS)];
  return { ...row, ...Object.fromEntries(taken.map((name) => [name, other[name]])) };
}

/** Whether this view is the one that counts: the server's, or the client's where no server's is known. */
export function counts({ row, other }: Exchange): boolean {
  return !isClient(row) || other === undefined;
}
