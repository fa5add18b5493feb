/**
 * The texts of a request: method, target and host as they may be kept, and the route. Requests for the same thing come
 * again and again, so what was made of a text is remembered by its bytes, ready to be copied into the row.
 */
import { REQUEST_RECORD as R } from '../../../../bpf/wire/events.gen.ts';
import type { Arena } from '../../batch/arena.ts';
import type { ColumnValue } from '../../deliver/row_encoder.ts';
import { rowText } from '../../deliver/text.ts';
import { FoundRoutes } from './found_routes.ts';
import { KnownText, KnownTexts } from './known_texts.ts';
import { errorTypeOf, operationOf, outcomeOf } from './outcome.ts';
import {
  type Allowed,
  hostOf,
  printable,
  REDACTED,
  redactedQuery,
  redactedSegments,
  splitTarget,
} from './redaction.ts';
import { OVERFLOW, type Routes } from './routes.ts';
import { Traceparent } from './traceparent.ts';

/** Bytes of a Host header that the kernel keeps: the beginning of a longer one may be of credentials. */
const HOST_MAX = 200;
/** An authority of which nothing was cut. */
const AUTHORITY_ENDS = /:\/\/[^/?]*[/?]/;
/** Texts that are remembered, in buckets of two. */
const BUCKETS = 4096;
/** Statuses whose bytes are remembered. */
const WORDS = 4096;
/** Statuses of answers that say nothing about what there is. */
const TEACHES_NOTHING = new Set([0, 400, 404, 405, 410, 414, 421, 431, 501]);
/** Bytes of the overflow template. */
const OVERFLOW_TEXT = rowText(OVERFLOW);
/** No answer that taught a route yet. */
const UNLEARNED = -1;

/** Prepares one request at a time; its writers then write the columns of the one prepared last. */
export class RequestText {
  readonly #arena: Arena;
  readonly #routes: Routes;
  readonly #trace: Traceparent;
  readonly #statuses = new Map<number, Buffer>();
  #allowed: Allowed;
  #texts = new KnownTexts(BUCKETS);
  #found = new FoundRoutes();
  #text = new KnownText(-1);
  #resource = OVERFLOW_TEXT;
  #outcome = 0;
  #status!: Buffer;

  constructor(arena: Arena, routes: Routes, allowed: Allowed) {
    this.#arena = arena;
    this.#routes = routes;
    this.#trace = new Traceparent(arena);
    this.#allowed = allowed;
  }

  /** Value of the column `outcome` of the request prepared last. */
  get outcome(): number {
    return this.#outcome;
  }

  /** Traceparent of the request prepared last. */
  get trace(): Traceparent {
    return this.#trace;
  }

  /** From now on other things are kept. */
  allow(allowed: Allowed): void {
    this.#allowed = allowed;
    this.#texts = new KnownTexts(BUCKETS);
  }

  /** These numbers of responders stand for nobody any more. */
  drop(destinations: ReadonlySet<number>): void {
    this.#routes.drop(destinations);
    this.#found = new FoundRoutes();
  }

  /**
   * Reads the texts of the request record at an offset of the arena.
   * @param destination a number that stands for the responder
   */
  prepare(record: number, destination: number): void {
    const { view, bytes } = this.#arena;
    const begin = record + R.text;
    const target = begin + (bytes[record + R.method_length] as number);
    const host = target + view.getUint16(record + R.target_length, true);
    const end = host + view.getUint16(record + R.host_length, true);
    const status = view.getUint16(record + R.http_status_code, true);
    const requestEnd = bytes[record + R.request_end] as number;
    const closeCause = bytes[record + R.close_cause] as number;
    this.#text = this.#known(begin, target, host, end, bytes[record + R.text_truncated] === 1);
    this.#outcome = outcomeOf(status, requestEnd);
    this.#status = this.#statusText(status, requestEnd, closeCause);
    this.#route(this.#text, destination, status);
    this.#trace.read(end, end + view.getUint16(record + R.traceparent_length, true));
  }

  /** Writers of the columns that `prepare` has made, by column. */
  writers(): Readonly<Record<string, ColumnValue>> {
    const withThePrevious = { write: (_record: number, row: number) => row };
    return {
      outcome: { number: () => this.#outcome },
      has_trace: { number: () => (this.#trace.valid ? 1 : 0) },
      trace_flags: { number: () => this.#trace.flags },
      trace_id: { from: () => this.#trace.ids },
      parent_span_id: { from: () => this.#trace.ids + 16 },
      operation: { write: (_record, row) => this.#text.copy(this.#arena, row, 0, this.#text.restAt) },
      resource: { text: () => this.#resource },
      status: { text: () => this.#status },
      error_type: withThePrevious,
      http_host: { write: (_record, row) => this.#text.copy(this.#arena, row, this.#text.restAt, this.#text.end) },
      http_path: withThePrevious,
      http_query: withThePrevious,
    };
  }

  #known(begin: number, target: number, host: number, end: number, truncated: boolean): KnownText {
    const hash = this.#hash(begin, end, target - begin, host - begin);
    const known = this.#texts.find(hash, this.#arena.view, begin, target, host, end, truncated);
    return known ?? this.#make(hash, begin, target, host, end, truncated);
  }

  /** Of the bytes and of where one text ends and the next begins. */
  #hash(begin: number, end: number, first: number, second: number): number {
    const { bytes, view } = this.#arena;
    let hash = (first * 65_537 + second) | 0;
    let at = begin;
    for (; at + 4 <= end; at += 4) {
      hash = Math.imul(hash ^ view.getUint32(at, true), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    for (; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] as number), 0x85ebca77);
    return (hash ^ (hash >>> 13)) & 0x3fffffff;
  }

  #make(hash: number, begin: number, targetAt: number, hostAt: number, end: number, truncated: boolean): KnownText {
    const { bytes } = this.#arena;
    const text = this.#texts.place(hash);
    const method = bytes.toString('latin1', begin, targetAt);
    const raw = printable(bytes.toString('latin1', targetAt, hostAt));
    const target = splitTarget(raw, method);
    const authority = truncated && target.authority !== '' && !AUTHORITY_ENDS.test(raw) ? REDACTED : target.authority;
    const hostWhole = !truncated || end - hostAt < HOST_MAX;
    const host = hostWhole ? hostOf(printable(bytes.toString('latin1', hostAt, end))) || authority : REDACTED;
    const segments = redactedSegments(target.path, this.#allowed);
    // What was cut may have been a secret whose rest is too short to look like one.
    if (truncated && target.query === undefined && segments.length > 1) segments[segments.length - 1] = REDACTED;
    text.reset(hash, this.#arena, [begin, targetAt, hostAt, end], truncated);
    text.setPath(segments);
    text.add(operationOf(method));
    text.restAt = text.end;
    text.add(host);
    text.add(segments.join('/'));
    text.add(target.query === undefined ? '' : redactedQuery(target.query, this.#allowed, truncated));
    return text;
  }

  /** Where the request belongs among the routes of its destination; steady requests cost two comparisons. */
  #route(text: KnownText, destination: number, status: number): void {
    let found = this.#found.find(text, destination);
    if (found === undefined) {
      const table = this.#routes.of(destination);
      const nothing = { version: UNLEARNED, route: undefined, resource: OVERFLOW_TEXT };
      found = { text, made: text.made, destination, table, ...nothing };
      this.#found.put(found);
    }
    const { table } = found;
    this.#routes.use(table);
    const teaches = text.segments.length > 1 && !TEACHES_NOTHING.has(status);
    if (found.version !== table.version || (found.route === undefined && teaches)) {
      const { segments, keys } = text;
      found.route = teaches ? table.learn(segments, keys) : table.find(segments, keys);
      found.version = table.version;
      found.resource = segments.length > 1 ? (found.route?.text ?? OVERFLOW_TEXT) : rowText(segments[0] as string);
    }
    if (found.route !== undefined) found.route.hits += 1;
    this.#resource = found.resource;
  }

  /** The columns `status` and `error_type`. */
  #statusText(status: number, requestEnd: number, closeCause: number): Buffer {
    const key = (status * 16 + requestEnd) * 16 + closeCause;
    let text = this.#statuses.get(key);
    if (text === undefined) {
      if (this.#statuses.size >= WORDS) this.#statuses.clear();
      text = Buffer.concat([
        rowText(status === 0 ? '' : String(status)),
        rowText(errorTypeOf(status, requestEnd, closeCause)),
      ]);
      this.#statuses.set(key, text);
    }
    return text;
  }
}
