/** Who endpoint ids are, kept in memory while somebody watches: live rows are named and filtered without a query each. */
import type { EndpointNames } from '../endpoint_names.ts';
import type { Test } from '../filter/filter.ts';
import { globMatches } from '../filter/match.ts';
import { namesOf } from '../pages.ts';
import { EVERYTHING } from '../scope.ts';
import { allEndpointNamesSql } from '../sql/endpoints_by_id.ts';
import type { Store } from '../store.ts';

const REFRESH_MS = 10_000;
/** Soonest that an id nobody knew leads to another look. */
const RETRY_MS = 1_000;

/** Names of endpoints by id, read anew from time to time. */
export class LiveNames {
  readonly #store: Store;
  readonly #failed: (error: unknown) => void;
  #names: ReadonlyMap<string, EndpointNames> = new Map();
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
  }

  /** Names of an endpoint; an id that nobody knows yet leads to another look soon. */
  get(id: string): EndpointNames | undefined {
    const names = this.#names.get(id);
    const waited = performance.now() - this.#read > RETRY_MS;
    if (names === undefined && id !== 'null' && this.#timer !== undefined && waited) void this.#refresh();
    return names;
  }

  /** Whether the endpoint with this id is one that the test names. */
  matches(test: Test & { kind: 'endpoint' }, id: string): boolean {
    const names = this.get(id);
    if (names === undefined) return false;
    const fits = (value: string | null) => value !== null && globMatches(test.pattern, value);
    if (test.namespace !== undefined && !globMatches(test.namespace, names.namespace ?? '')) return false;
    return test.property === 'name' ? fits(names.workload) || fits(names.name) : fits(names[test.property]);
  }

  async #refresh(): Promise<void> {
    this.#read = performance.now();
    try {
      const rows = await this.#store.rows(allEndpointNamesSql(EVERYTHING));
      this.#names = new Map(rows.map((row) => [String(row.endpoint_id), namesOf(row)]));
    } catch (error) {
      this.#failed(error);
    }
  }
}
