/** Brings the two ends' views of live requests together, so that each request is shown once. */
import { nanosecondsOf } from '../../../store/time.ts';
import { type Exchange, misfit, PAIRING } from '../exchange.ts';
import type { StoreRow } from '../store.ts';

/** How long a view waits for the other end's, in milliseconds. */
const HOLD_MS = 500;
/** How long a view that was shown alone keeps a late view of the other end from being shown as another request. */
const REMEMBER_MS = 5_000;
/** Most views that are kept; with more, views are shown alone at once. */
const MAX_KEPT = 20_000;

interface Kept {
  readonly view: StoreRow;
  readonly at: number;
  shown: boolean;
}

function withPairing(row: StoreRow): StoreRow {
  const end = nanosecondsOf(String(row.time));
  const loopback = /^(127\.|::1$)/.test(String(row.source_address));
  const tuple = [row.source_address, row.source_port, row.destination_address, row.destination_port];
  const start = end - BigInt(String(row.duration_ns));
  return {
    ...row,
    [PAIRING.connection]: [...tuple, loopback ? row.netns : 0].join(' '),
    [PAIRING.start]: start,
    [PAIRING.end]: end,
  };
}

const serverFirst = (one: StoreRow, other: StoreRow | undefined): Exchange =>
  other !== undefined && one.observation_point === 'client' ? { row: other, other: one } : { row: one, other };

/** Takes views as they come and gives exchanges. Time is given with each call, in milliseconds of any steady clock. */
export class LivePairs {
  readonly #show: (exchange: Exchange) => void;
  readonly #kept = new Map<string, Kept[]>();
  #count = 0;

  constructor(show: (exchange: Exchange) => void) {
    this.#show = show;
  }

  /** Takes one view: shows it with the other end's, or keeps it for a while. */
  take(row: StoreRow, now: number): void {
    const view = withPairing(row);
    const name = String(view[PAIRING.connection]);
    const list = this.#kept.get(name) ?? [];
    const other = this.#bestFor(view, list);
    if (other !== undefined) {
      list.splice(list.indexOf(other), 1);
      this.#count -= 1;
      if (list.length === 0) this.#kept.delete(name);
      if (!other.shown) this.#show(serverFirst(view, other.view));
      return;
    }
    if (this.#count >= MAX_KEPT || view.observation_point === 'unknown') {
      this.#show({ row: view, other: undefined });
      return;
    }
    list.push({ view, at: now, shown: false });
    this.#kept.set(name, list);
    this.#count += 1;
  }

  /** Shows what has waited long enough. */
  tick(now: number): void {
    for (const [name, list] of this.#kept) {
      for (const kept of list) {
        if (kept.shown || now - kept.at < HOLD_MS) continue;
        kept.shown = true;
        this.#show({ row: kept.view, other: undefined });
      }
      const rest = list.filter((kept) => !kept.shown || now - kept.at < REMEMBER_MS);
      this.#count -= list.length - rest.length;
      if (rest.length === 0) this.#kept.delete(name);
      else this.#kept.set(name, rest);
    }
  }

  /** Forgets everything; what waited is not shown. */
  clear(): void {
    this.#kept.clear();
    this.#count = 0;
  }

  #bestFor(view: StoreRow, list: readonly Kept[]): Kept | undefined {
    let best: { kept: Kept; score: bigint } | undefined;
    for (const kept of list) {
      if (kept.view.observation_point === view.observation_point) continue;
      const [client, server] = view.observation_point === 'client' ? [view, kept.view] : [kept.view, view];
      const score = misfit(client, server);
      if (score !== undefined && (best === undefined || score < best.score)) best = { kept, score };
    }
    return best?.kept;
  }
}
