/** Mirrors one resource of the Kubernetes API server: a list, then a watch, for ever. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from 'pino';
import { FlowspanError } from '../../../../store/errors.ts';
import type { KubernetesApi, Question } from './api.ts';
import { Backoff } from './backoff.ts';
import { ApiFailure, apiFailure } from './failure.ts';
import { type ListMetadata, ListSplitter, parsed } from './list_stream.ts';
import { JsonPruner, keptTogether } from './pruned_json.ts';
import {
  accepted,
  REFLECTOR_TIMING,
  type ReflectorState,
  type ReflectorTiming,
  type Resource,
  type ResourceSink,
} from './resource.ts';
import {
  EVENT_FIELDS,
  LineSplitter,
  objectOfHead,
  unreadable,
  versionOf,
  type WatchEvent,
  watchEvent,
} from './watch_lines.ts';

export interface ReflectorOptions {
  readonly api: Pick<KubernetesApi, 'get'>;
  readonly resource: Resource;
  readonly sink: ResourceSink;
  readonly log: Logger;
  /** Called when a full list has come. */
  readonly listed?: () => void;
  readonly timing?: Partial<ReflectorTiming>;
  /** Largest object that is read, bytes of its JSON; default 8 MiB. etcd takes 1.5 MiB in a tighter form. */
  readonly mostObjectBytes?: number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

const PAGE_ITEMS = '500';
const MOST_PAGES = 100_000;
const MOST_OBJECT_BYTES = 8 * 1024 ** 2;
/** A watch that ends sooner counts as a failure, milliseconds. */
const SHORT_WATCH_MS = 1000;
/** After so many unreadable answers in a row what was missed is listed. */
const UNREADABLE_MOST = 3;

export class Reflector {
  readonly state: ReflectorState = {
    ...{ synced: false, isAbsent: false, lastEventMs: 0, watchedSinceMs: Number.POSITIVE_INFINITY },
    ...{ relists: 0, skipped: 0, resourceVersion: '', requests: 0, bytes: 0 },
  };
  readonly #options: ReflectorOptions;
  readonly #timing: ReflectorTiming;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  readonly #mostBytes: number;
  /** Leave of items and of events what is read. */
  readonly #ofItem: JsonPruner;
  readonly #ofEvent: JsonPruner;
  /** The last list is complete and nothing was missed since. */
  #listed = false;
  /** The first list may come from the server's memory; after a version is gone it must be up to date. */
  #anyVersion = true;
  #pagedUntilMs = Number.NEGATIVE_INFINITY;
  #unreadable = 0;
  #failing = false;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#timing = { ...REFLECTOR_TIMING, ...options.timing };
    this.#random = options.random ?? Math.random;
    this.#backoff = new Backoff(this.#timing.backoff, this.#random);
    this.#mostBytes = options.mostObjectBytes ?? MOST_OBJECT_BYTES;
    const { fields = true } = options.resource;
    this.#ofItem = new JsonPruner(fields);
    this.#ofEvent = new JsonPruner(keptTogether(EVENT_FIELDS, { object: fields }));
  }

  /** Mirrors until the signal is aborted; then it is resolved. Never rejects: failures are logged and tried again. */
  async start(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.state.watchedSinceMs = Number.POSITIVE_INFINITY;
      const paged = !this.#listed && performance.now() < this.#pagedUntilMs;
      try {
        if (paged) await this.#list(signal);
        else await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        const pauseMs = this.#failed(error);
        await wait(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  /** Page by page. */
  async #list(signal: AbortSignal): Promise<void> {
    const version = this.#anyVersion ? { resourceVersion: '0' } : {};
    let page = await this.#page(signal, { limit: PAGE_ITEMS, ...version });
    // Of the first page: what happened while the others came is told again by the watch.
    let { resourceVersion } = page;
    for (let pages = 1; typeof page.continue === 'string' && page.continue !== ''; pages++) {
      if (pages > MOST_PAGES) throw unreadable(`a list has more than ${MOST_PAGES} pages`);
      try {
        page = await this.#page(signal, { limit: PAGE_ITEMS, continue: page.continue });
      } catch (error) {
        if (!isGone(error)) throw error;
        // The snapshot was compacted between two pages: all in one answer, which is read as it comes.
        page = await this.#page(signal, {});
        resourceVersion = page.resourceVersion;
      }
    }
    if (typeof resourceVersion !== 'string') throw unreadable('a list has no resourceVersion');
    this.#endList(resourceVersion);
  }

  async #page(signal: AbortSignal, query: Readonly<Record<string, string>>): Promise<ListMetadata> {
    const accept = accepted(this.#options.resource, 'PartialObjectMetadataList');
    const body = await this.#get(signal, query, accept, this.#timing.listSilenceMs);
    if (query.continue === undefined) this.#beginList();
    const items = new ListSplitter(
      {
        item: (bytes) => {
          const object = parsed(this.#ofItem.prune(bytes));
          this.#tell((sink) => sink.item(object));
        },
        tooLong: (length) => this.#skip(length),
      },
      this.#mostBytes,
    );
    for await (const chunk of body) {
      items.push(chunk);
      this.#heard();
    }
    return items.finish();
  }

  /** One watch; if there is no list yet, one that begins with it. Returns when the server ends it. */
  async #watch(signal: AbortSignal): Promise<void> {
    const streaming = !this.#listed;
    const { watchSeconds, watchSilenceMs } = this.#timing;
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(Math.ceil(watchSeconds * (1 + this.#random()))),
      ...(streaming
        ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: this.state.resourceVersion }),
    };
    const accept = accepted(this.#options.resource, 'PartialObjectMetadata');
    const begunMs = performance.now();
    const body = await this.#get(signal, query, accept, watchSilenceMs);
    if (streaming) this.#beginList();
    else this.state.watchedSinceMs = Date.now();
    const lines = new LineSplitter(
      {
        line: (bytes) => this.#event(watchEvent(bytes, this.#ofEvent)),
        tooLong: (head, length) => this.#skipEvent(head, length),
      },
      this.#mostBytes,
    );
    for await (const chunk of body) lines.push(chunk);
    if (!this.#listed) throw cut('a streaming list breaks off');
    if (performance.now() - begunMs < SHORT_WATCH_MS) throw cut('a watch ends as soon as it begins');
  }

  #event({ type, object }: WatchEvent): void {
    if (type === 'ERROR') throw apiFailure(this.#options.resource.path, object, 200);
    this.#heard();
    const version = versionOf(object);
    if (type === 'BOOKMARK') {
      const isEnd = object.metadata?.annotations?.['k8s.io/initial-events-end'] === 'true';
      if (isEnd && !this.#listed) this.#endList(version);
    } else if (type === 'DELETED') this.#tell((sink) => sink.deleted(object));
    else if (this.#listed) this.#tell((sink) => sink.changed(object));
    else this.#tell((sink) => sink.item(object));
    if (this.#listed) {
      this.state.resourceVersion = version;
      this.#recovered();
    }
  }

  #beginList(): void {
    if (this.state.synced) this.state.relists += 1;
    this.#tell((sink) => sink.begin());
  }

  #endList(version: string): void {
    this.#tell((sink) => sink.end());
    this.#listed = true;
    this.#anyVersion = false;
    this.state.synced = true;
    this.state.isAbsent = false;
    this.state.watchedSinceMs = Date.now();
    this.state.resourceVersion = version;
    this.#recovered();
    this.#options.listed?.();
  }

  #get(
    signal: AbortSignal,
    query: Question['query'],
    accept: string,
    silenceMs: number,
  ): ReturnType<KubernetesApi['get']> {
    const { api, resource } = this.#options;
    return api.get(resource.path, { query, accept, silenceMs, signal, traffic: this.state });
  }

  #heard(): void {
    this.state.lastEventMs = Date.now();
  }

  /** An object that the sink cannot take is its own loss only. */
  #tell(say: (sink: ResourceSink) => void): void {
    try {
      say(this.#options.sink);
    } catch (error) {
      this.#count({ code: 'FLOW_KUBERNETES_OBJECT', err: error }, 'an object cannot be taken: it stays unknown');
    }
  }

  #skip(length: number, object?: object): void {
    const facts = { code: 'FLOW_KUBERNETES_OBJECT_SIZE', length, most: this.#mostBytes, object };
    this.#count(facts, 'an object is too large to be read: it is unknown until it is smaller');
  }

  /** The log does not grow with a cluster full of them. */
  #count(facts: object, message: string): void {
    const skipped = ++this.state.skipped;
    const { log, resource } = this.#options;
    if ((skipped & (skipped - 1)) === 0) log.warn({ ...facts, path: resource.path, skipped }, message);
  }

  /** Unknown is better than what it was before. */
  #skipEvent(head: Buffer, length: number): void {
    this.#heard();
    const object = objectOfHead(head);
    this.#skip(length, object);
    if (object !== undefined) this.#tell((sink) => sink.deleted(object));
    else if (this.#listed) {
      this.#missed();
      throw unreadable('it cannot be told whose event is too large');
    }
  }

  /** What came since the last version cannot be had one by one. */
  #missed(): void {
    this.#listed = false;
    this.#anyVersion = false;
    this.#unreadable = 0;
    this.state.resourceVersion = '';
  }

  /** @returns how long to wait, milliseconds */
  #failed(error: unknown): number {
    const { log, resource } = this.#options;
    const streaming = !this.#listed && performance.now() >= this.#pagedUntilMs;
    if (error instanceof ApiFailure && streaming && error.refusesStreaming) {
      this.#pagedUntilMs = performance.now() + this.#timing.streamingAgainMs;
      log.debug({ path: resource.path, cause: error.message }, 'no streaming list here: it is asked for page by page');
      return 0;
    }
    if (error instanceof ApiFailure && error.status === 404 && resource.isOptional === true) return this.#absent();
    const { code = 'FLOW_KUBERNETES_REFLECTOR', message } = error as Partial<FlowspanError> & Error;
    this.#unreadable = code === 'FLOW_KUBERNETES_UNREADABLE' ? this.#unreadable + 1 : 0;
    const gone = isGone(error);
    if (gone || this.#unreadable >= UNREADABLE_MOST) this.#missed();
    const retryAfterMs = error instanceof ApiFailure ? error.retryAfterMs : 0;
    const retryInMs = Math.round(this.#backoff.next(performance.now(), retryAfterMs));
    // Once when it begins to fail; a version that is gone is no failure of anybody.
    const level = gone || this.#failing ? 'debug' : 'warn';
    const cause = error instanceof FlowspanError ? undefined : error;
    log[level]({ code, path: resource.path, retryInMs, err: cause }, message);
    this.#failing ||= !gone;
    return retryInMs;
  }

  /** What was known before is kept: a server that has just begun may not know its own resources yet. */
  #absent(): number {
    if (!this.state.isAbsent) {
      this.state.isAbsent = true;
      this.#options.log.info({ path: this.#options.resource.path }, 'the Kubernetes API server does not have this');
      if (!this.state.synced) {
        this.#tell((sink) => sink.begin());
        this.#tell((sink) => sink.end());
      }
    }
    return Math.round(this.#timing.absentAgainMs * (1 + this.#random()));
  }

  #recovered(): void {
    this.#unreadable = 0;
    if (!this.#failing) return;
    this.#failing = false;
    this.#options.log.info({ path: this.#options.resource.path }, 'the Kubernetes API server answers again');
  }
}

/** Only a new list helps. */
function isGone(error: unknown): boolean {
  return error instanceof ApiFailure && error.gone;
}

function cut(what: string): FlowspanError {
  return new FlowspanError('FLOW_KUBERNETES_CONNECTION', `${what}: what is known is kept, it is tried again`);
}
