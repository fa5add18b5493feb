/** Who endpoint ids are, kept in memory while somebody watches: live rows are named and filtered without a query each. */
import type { EndpointTest, Filter } from '../filter/filter.ts';
import { endpointHolds, type KnownEndpoint } from '../filter/match_endpoint.ts';
import { namesOf } from '../pages.ts';
import { EVERYTHING } from '../scope.ts';
import { allEndpointNamesSql } from '../sql/endpoints_by_id.ts';
import type { Store, StoreRow } from '../store.ts';

const REFRESH_MS = 10_000;
/** Soonest that an id nobody knew leads to another look. */
const RETRY_MS = 1_000;

/** Names of endpoints by id, read anew from time to time. */
export class LiveNames {
  readonly #store: Store;
  readonly #failed: (error: unknown) => void;
  #names: ReadonlyMap<string, KnownEndpoint> = new Map();
  /** Whether services and labels are read as well: somebody has asked for them. */
  #whole = false;
  #timer: NodeJS.Timeout | undefined;
  #read = 0;

  /** @param failed told when the store could not be asked; the names known so far stay */
  constructor(store: Store, failed: (error: unknown) => void) {
    this.#store = store;
    this.#failed = failed;
  }

  /** Begins to read; resolves when the first names are there. */
  async start(): Promise<void> {
    this.#timer ??= setInterval(() => void this.#refresh(), REFRESH_MS).unref();
    await this.#refresh();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#whole = false;
  }

  /** From now on reads all that these filters look at; resolves when it is there. */
  async alsoFor(filters: Iterable<readonly Filter[]>): Promise<void> {
    const tests = [...filters].flat().flatMap(({ any, none }) => [...any, ...none].map(({ test }) => test));
    const wanted = tests.some((test) => test.kind === 'endpoint' && ['labels', 'services'].includes(test.property));
    if (!wanted || this.#whole) return;
    this.#whole = true;
    if (this.#timer !== undefined) await this.#refresh();
  }

  /** Names of an endpoint; an id that nobody knows yet leads to another look soon. */
  get(id: string): KnownEndpoint | undefined {
    const names = this.#names.get(id);
    const waited = performance.now() - this.#read > RETRY_MS;
    if (names === undefined && id !== 'null' && this.#timer !== undefined && waited) void this.#refresh();
    return names;
  }

  /** Whether the endpoint with this id is one that the test names. */
  matches(test: EndpointTest, id: string): boolean {
    const names = this.get(id);
    if (names === undefined) return false;
    return endpointHolds(test, names);
  }

  async #refresh(): Promise<void> {
    this.#read = performance.now();
    try {
      const rows = await this.#store.rows(allEndpointNamesSql(EVERYTHING, this.#whole));
      this.#names = new Map(rows.map((row) => [String(row.endpoint_id), { ...namesOf(row), ...moreOf(row) }]));
    } catch (error) {
      this.#failed(error);
    }
  }
}

/** What is there if it was asked for. */
function moreOf({ services, labels }: StoreRow): Pick<KnownEndpoint, 'services' | 'labels'> {
  if (typeof services !== 'string' || typeof labels !== 'object' || labels === null) return {};
  return { services: services === '' ? [] : services.split(','), labels: labels as Record<string, string> };
}
