/** Brings the two ends' views of live requests together, so that each request is shown once. */
import { areOpposite, type Exchange, hopOf } from '../exchange.ts';
import type { StoreRow } from '../store.ts';

/** How long a view whose other end is observed waits for that one's, in milliseconds. */
const HOLD_MS = 500;
/** How long a view that was shown alone keeps a view of the other end from being shown as another request. */
const REMEMBER_MS = 5_000;
/** Most views that are kept; with more, views are shown alone at once. */
const MAX_KEPT = 20_000;

interface Kept {
  readonly view: StoreRow;
  readonly at: number;
  shown: boolean;
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

  /** Takes one view: shows it with the other end's, alone where no other is to come, or keeps it for a while. */
  take(view: StoreRow, now: number): void {
    const name = hopOf(view);
    const list = this.#kept.get(name) ?? [];
    const other = list.find((kept) => areOpposite(kept.view, view));
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
    const awaited = view.peer_observed !== false;
    list.push({ view, at: now, shown: !awaited });
    this.#kept.set(name, list);
    this.#count += 1;
    if (!awaited) this.#show({ row: view, other: undefined });
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
}
