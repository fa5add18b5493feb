/** Brings the two views of one exchange together: the row that counts, and what the other end saw of it. */
import { CLOCK_TOLERANCE_NS, OTHER_END_WITHIN_NS } from './sql/exchange.ts';
import type { StoreRow } from './store.ts';

/** Names under which rows of requests carry what pairs them, beside their columns. */
export const PAIRING = { connection: '_connection', start: '_start', end: '_end' } as const;

/** A row of requests with the row of the other end, if that was observed. */
export interface Exchange {
  readonly row: StoreRow;
  readonly other: StoreRow | undefined;
}

const startOf = (row: StoreRow) => BigInt(String(row[PAIRING.start]));
const endOf = (row: StoreRow) => BigInt(String(row[PAIRING.end]));
const isClient = (row: StoreRow) => row.observation_point === 'client';
const distance = (a: bigint, b: bigint) => (a > b ? a - b : b - a);

/** Whether the server's view can be that of the client's exchange, with clocks that differ by `tolerance`. */
function fits(client: StoreRow, server: StoreRow, tolerance: bigint): boolean {
  const start = startOf(server);
  return (
    start >= startOf(client) - tolerance &&
    start <= endOf(client) + tolerance &&
    distance(endOf(client), endOf(server)) <= OTHER_END_WITHIN_NS
  );
}

/** Tells one view from every other. */
const identity = (row: StoreRow) =>
  [row.observation_point, row.boot_id, row.socket_cookie, row.generation, row.request_index, row[PAIRING.end]].join(
    ' ',
  );

/**
 * How badly two views go together, smaller is better; undefined if they cannot. On one machine the ends share a clock,
 * so time is exact, while an end that was joined in the middle numbers requests differently. Between machines the
 * number says more than clocks do.
 */
export function misfit(client: StoreRow, server: StoreRow): bigint | undefined {
  if (!fits(client, server, CLOCK_TOLERANCE_NS)) return undefined;
  const inTime = fits(client, server, 0n);
  const sameNumber = client.request_index === server.request_index;
  const sameClock = client.boot_id === server.boot_id;
  if (!inTime && (sameClock || !sameNumber)) return undefined;
  if (!sameNumber && !sameClock && BigInt(String(client.response_start_ns ?? 0)) === 0n) return undefined;
  // either penalty outweighs any distance in time that still fits
  const penalty = (sameNumber ? 0n : sameClock ? 1n : 2n) + (inTime ? 0n : 1n);
  return penalty * 1_000_000_000_000n + distance(startOf(client), startOf(server));
}

/** The view of the other end for each view of a set, one for one: the best pairs first. */
function otherEnds(views: readonly StoreRow[]): Map<string, StoreRow> {
  const candidates: { client: StoreRow; server: StoreRow; score: bigint }[] = [];
  for (const list of Map.groupBy(views, (view) => view[PAIRING.connection]).values()) {
    const servers = list.filter((view) => view.observation_point === 'server');
    servers.sort((a, b) => (startOf(a) < startOf(b) ? -1 : 1));
    for (const client of list.filter(isClient)) {
      const from = startOf(client) - CLOCK_TOLERANCE_NS;
      const to = endOf(client) + CLOCK_TOLERANCE_NS;
      for (let index = lowerBound(servers, from); index < servers.length; index += 1) {
        const server = servers[index]!;
        if (startOf(server) > to) break;
        const score = misfit(client, server);
        if (score !== undefined) candidates.push({ client, server, score });
      }
    }
  }
  candidates.sort((a, b) => (a.score < b.score ? -1 : 1));
  const found = new Map<string, StoreRow>();
  for (const { client, server } of candidates) {
    const names = [identity(client), identity(server)] as const;
    if (found.has(names[0]) || found.has(names[1])) continue;
    found.set(names[0], server);
    found.set(names[1], client);
  }
  return found;
}

/** Index of the first of the rows, in order of their start, that starts at `time` or later. */
function lowerBound(rows: readonly StoreRow[], time: bigint): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (startOf(rows[middle]!) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * For each row the view of the other end, one for one.
 * @param rows rows of either end
 * @param views views of their connections around their time; the rows' own and others may be among them repeatedly
 */
export function pairUp(rows: readonly StoreRow[], views: readonly StoreRow[]): Exchange[] {
  const distinct = new Map([...views, ...rows].map((view) => [identity(view), view]));
  const others = otherEnds([...distinct.values()]);
  return rows.map((row) => ({ row, other: others.get(identity(row)) }));
}

/** The same exchanges with the views of `whole` in place of those that are only known in part. */
export function completed(exchanges: readonly Exchange[], whole: readonly StoreRow[]): Exchange[] {
  const byIdentity = new Map(whole.map((view) => [identity(view), view]));
  return exchanges.map(({ row, other }) => ({
    row: { ...row, ...byIdentity.get(identity(row)) },
    other: other === undefined ? undefined : byIdentity.get(identity(other)),
  }));
}

/** Whether this view is the one that counts: the server's, or the client's where no server's is known. */
export function counts({ row, other }: Exchange): boolean {
  return !isClient(row) || other === undefined;
}
