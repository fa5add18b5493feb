/** The live feed: collectors' feeds in, watchers out. Connected to collectors only while somebody watches. */
import type { FastifyBaseLogger } from 'fastify';
import { completenessOf, readCoverage } from '../completeness.ts';
import { addNames, hasEnds } from '../endpoint_names.ts';
import { asDialled, type Exchange } from '../exchange.ts';
import { rowShaper } from '../fields.ts';
import { withClaims } from '../identities.ts';
import { flowId } from '../ids.ts';
import { shapeExchange } from '../pages.ts';
import { EVERYTHING } from '../scope.ts';
import type { Store } from '../store.ts';
import { wallClock } from '../time.ts';
import { CollectorFeed, type FeedFrame } from './feed.ts';
import { LiveNames } from './names.ts';
import { LivePairs } from './pairs.ts';
import { LIVE_TYPES, type LiveType } from './question.ts';
import type { Watcher } from './watcher.ts';

/** What the hub is put together from. */
export interface HubParts {
  readonly store: Store;
  /** URLs of the collectors. */
  readonly collectors: readonly string[];
  /** Token shown to them; empty: none. */
  readonly collectorToken: string;
  readonly logger: FastifyBaseLogger;
  /** How often watchers are told how complete what they saw is, in milliseconds. */
  readonly completenessMs?: number;
}

const TICK_MS = 100;
const COMPLETENESS_MS = 10_000;
/** What is later than this is delivered and reported in good order, in nanoseconds. */
const SETTLED_NS = 10_000_000_000n;

const SHAPERS = {
  flow: rowShaper(LIVE_TYPES.flow.table.columns),
  request: rowShaper(LIVE_TYPES.request.table.columns),
  tcp_event: rowShaper(LIVE_TYPES.tcp_event.table.columns),
  verdict: rowShaper(LIVE_TYPES.verdict.table.columns),
} as const;

/** Passes live rows from collectors to watchers. */
export class LiveHub {
  readonly #parts: HubParts;
  readonly #watchers = new Set<Watcher>();
  readonly #names: LiveNames;
  readonly #pairs = new LivePairs((exchange) => this.#showRequest(exchange, false));
  #feeds: CollectorFeed[] = [];
  #timers: NodeJS.Timeout[] = [];
  #told = 0n;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#names = new LiveNames(parts.store, (error) => parts.logger.warn({ err: error }, 'live: no endpoint names'));
  }

  /** Number of clients that watch. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** Begins to send to a watcher; connects to the collectors if it is the first. */
  async add(watcher: Watcher): Promise<void> {
    this.#watchers.add(watcher);
    const known = this.#names.alsoFor(watcher.question.filters.values());
    if (this.#watchers.size > 1) return await known;
    const { collectors, collectorToken, logger, completenessMs } = this.#parts;
    this.#told = wallClock() - SETTLED_NS;
    this.#timers = [
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => void this.#tellCompleteness(), completenessMs ?? COMPLETENESS_MS),
    ];
    this.#feeds = collectors.map(
      (url) =>
        new CollectorFeed(url, collectorToken, {
          frame: (frame) => this.#take(frame),
          failed: (collector, reason) => {
            logger.warn({ collector, reason }, 'live: no feed of a collector');
            this.#toAll({ type: 'unreachable', collector, reason });
          },
        }),
    );
    await this.#names.start();
  }

  /** Stops sending to a watcher; leaves the collectors if it was the last. */
  remove(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return;
    for (const feed of this.#feeds) feed.stop();
    for (const timer of this.#timers) clearInterval(timer);
    this.#feeds = [];
    this.#timers = [];
    this.#names.stop();
    this.#pairs.clear();
  }

  /** Sends all watchers away. */
  close(): void {
    for (const watcher of this.#watchers) {
      watcher.close('the query API ends');
      this.remove(watcher);
    }
  }

  #take(frame: FeedFrame): void {
    if (frame.type === 'lost') {
      this.#toAll({ type: 'lost', reason: 'slow_query_api', count: String(frame.count) });
    } else if (frame.type === 'request') {
      if (this.#some((watcher) => watcher.question.everyView))
        this.#showRequest({ row: frame.row, other: undefined }, true);
      if (this.#some((watcher) => !watcher.question.everyView)) this.#pairs.take(frame.row, performance.now());
    } else if (frame.type === 'flow' || frame.type === 'tcp_event') {
      const shown = SHAPERS[frame.type](frame.row);
      shown.flow_id = flowId(shown);
      this.#show(frame.type, frame.row, shown, () => true);
    } else if (frame.type === 'verdict') {
      this.#show('verdict', frame.row, SHAPERS.verdict(frame.row), () => true);
    }
  }

  #showRequest(exchange: Exchange, everyView: boolean): void {
    const shown = shapeExchange(exchange, SHAPERS.request);
    this.#show('request', asDialled(exchange), shown, (watcher) => watcher.question.everyView === everyView);
  }

  #show(
    type: LiveType,
    row: Readonly<Record<string, unknown>>,
    shown: Record<string, unknown>,
    meant: (watcher: Watcher) => boolean,
  ): void {
    let frame: string | undefined;
    for (const watcher of this.#watchers) {
      if (!meant(watcher) || !watcher.wants(type, row, (test, id) => this.#names.matches(test, id))) continue;
      if (frame === undefined) {
        if (hasEnds(LIVE_TYPES[type].table)) addNames(shown, this.#names);
        frame = JSON.stringify({ type, row: shown });
      }
      watcher.send(frame);
    }
  }

  #some(test: (watcher: Watcher) => boolean): boolean {
    for (const watcher of this.#watchers) if (watcher.question.filters.has('request') && test(watcher)) return true;
    return false;
  }

  #toAll(record: Record<string, unknown>): void {
    const frame = JSON.stringify(record);
    for (const watcher of this.#watchers) watcher.send(frame);
  }

  #tick(): void {
    this.#pairs.tick(performance.now());
    for (const watcher of this.#watchers) watcher.tick();
  }

  /** Tells of the time since it was told last, as far as that is settled. */
  async #tellCompleteness(): Promise<void> {
    const until = wallClock() - SETTLED_NS;
    if (until <= this.#told) return;
    const { store } = this.#parts;
    try {
      const asked = await withClaims(store, { scope: EVERYTHING, filters: [], since: this.#told, until });
      const coverage = await readCoverage(store, LIVE_TYPES.request.table, asked);
      this.#told = until;
      this.#toAll({ type: 'completeness', completeness: completenessOf(coverage, false) });
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'live: completeness is not known');
    }
  }
}
