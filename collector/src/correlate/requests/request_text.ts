/**
 * The texts of a request: method, target and host as they may be kept, and the route. Of a plain target the path is copied
 * from record to row as it is; what was made of other targets is remembered by its bytes, ready to be copied into the row.
 */
import { REQUEST_RECORD as R } from '../../../../bpf/wire/events.gen.ts';
import type { Arena } from '../../batch/arena.ts';
import type { ColumnValue } from '../../deliver/row_encoder.ts';
import { rowText } from '../../deliver/text.ts';
import { FoundRoutes } from './found_routes.ts';
import { type KnownText, KnownTexts } from './known_texts.ts';
import { MadeTexts, NOT_MADE } from './made_texts.ts';
import { errorTypeOf, operationOf, outcomeOf } from './outcome.ts';
import { type PathShape, PathShapes } from './path_shapes.ts';
import { PlainTarget } from './plain_target.ts';
import {
  type Allowed,
  hostOf,
  printable,
  REDACTED,
  redactedQuery,
  redactedSegments,
  splitTarget,
} from './redaction.ts';
import { keysOf, OVERFLOW, type Route, type Routes } from './routes.ts';
import { copyInto, hashOf } from './text_hash.ts';
import { Traceparent } from './traceparent.ts';

/** Bytes of a Host header that the kernel keeps: the beginning of a longer one may be of credentials. */
const HOST_MAX = 200;
/** An authority of which nothing was cut. */
const AUTHORITY_ENDS = /:\/\/[^/?]*[/?]/;
/** Texts that are remembered, in buckets of two. */
const BUCKETS = 4096;
/** Methods and hosts that are remembered, in buckets of two; of longer ones each whole text is. */
const [METHODS, LONGEST_METHOD] = [16, 16];
const [HOSTS, LONGEST_HOST] = [256, 64];
/** Shapes of paths that are remembered, in buckets of two. */
const SHAPES = 2048;
/** Statuses whose bytes are remembered. */
const WORDS = 4096;
/** What `CONNECT` asks for is no path, whatever it looks like: methods of this length and first letter are not plain. */
const [CONNECT_LENGTH, CONNECT_FIRST] = ['CONNECT'.length, 'CONNECT'.charCodeAt(0)];
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
  readonly #plain: PlainTarget;
  readonly #shapes: PathShapes;
  readonly #methods: MadeTexts;
  readonly #hosts: MadeTexts;
  #allowed: Allowed;
  #texts = new KnownTexts(BUCKETS);
  #found = new FoundRoutes();
  /** What was made of the texts; undefined if they are plain: then these are their places, and where the path is. */
  #known: KnownText | undefined;
  #method = NOT_MADE;
  #host = NOT_MADE;
  #path = 0;
  #pathEnd = 0;
  #resource: Uint8Array = OVERFLOW_TEXT;
  #outcome = 0;
  #status!: Buffer;

  constructor(arena: Arena, routes: Routes, allowed: Allowed) {
    this.#arena = arena;
    this.#routes = routes;
    this.#trace = new Traceparent(arena);
    this.#plain = new PlainTarget(arena);
    this.#shapes = new PathShapes(arena, SHAPES);
    this.#methods = new MadeTexts(arena, METHODS, LONGEST_METHOD, operationOf);
    this.#hosts = new MadeTexts(arena, HOSTS, LONGEST_HOST, (host) => hostOf(printable(host)));
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
    const truncated = bytes[record + R.text_truncated] === 1;
    if (!truncated && this.#isPlain(begin, target, host, end)) {
      this.#known = undefined;
      this.#path = target;
      this.#pathEnd = host;
      this.#route(this.#shapes.of(this.#plain.template, this.#plain.templateEnd), destination, status);
    } else {
      const known = this.#find(begin, target, host, end, truncated);
      this.#known = known;
      if (known.shape === undefined) this.#resource = known.resource;
      else this.#route(known.shape, destination, status);
    }
    this.#outcome = outcomeOf(status, requestEnd);
    this.#status = this.#statusText(status, requestEnd, closeCause);
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
      operation: { write: (_record, row) => this.#writeOperation(row) },
      resource: { text: () => this.#resource },
      status: { text: () => this.#status },
      error_type: withThePrevious,
      http_host: { write: (_record, row) => this.#writeTarget(row) },
      http_path: withThePrevious,
      http_query: withThePrevious,
    };
  }

  #writeOperation(row: number): number {
    const known = this.#known;
    return known === undefined ? this.#methods.write(this.#method, row) : known.copy(this.#arena, row, 0, known.restAt);
  }

  /** The columns `http_host`, `http_path` and `http_query`. */
  #writeTarget(row: number): number {
    const known = this.#known;
    if (known !== undefined) return known.copy(this.#arena, row, known.restAt, known.end);
    const { bytes } = this.#arena;
    const length = this.#pathEnd - this.#path;
    let at = this.#hosts.write(this.#host, row);
    if (length > 0x7f) {
      bytes[at] = (length & 0x7f) | 0x80;
      at += 1;
    }
    bytes[at] = length > 0x7f ? length >>> 7 : length;
    at = copyInto(this.#arena, at + 1, this.#path, length);
    bytes[at] = 0;
    return at + 1;
  }

  /** Whether the row's texts are those of the record, but for what is made of methods and hosts. */
  #isPlain(begin: number, target: number, host: number, end: number): boolean {
    if (target - begin === CONNECT_LENGTH && this.#arena.bytes[begin] === CONNECT_FIRST) return false;
    if (!this.#plain.read(target, host)) return false;
    this.#method = this.#methods.of(begin, target);
    this.#host = this.#hosts.of(host, end);
    return this.#method !== NOT_MADE && this.#host !== NOT_MADE;
  }

  #find(begin: number, target: number, host: number, end: number, truncated: boolean): KnownText {
    // Of the bytes and of where one text ends and the next begins.
    const hash = hashOf(this.#arena, begin, end, (target - begin) * 65_537 + host - begin);
    const known = this.#texts.find(hash, this.#arena.view, begin, target, host, end, truncated);
    return known ?? this.#make(hash, begin, target, host, end, truncated);
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
    text.shape = segments.length > 1 ? this.#shapes.ofKeys(keysOf(segments)) : undefined;
    text.resource = rowText(segments[0] as string);
    text.add(operationOf(method));
    text.restAt = text.end;
    text.add(host);
    text.add(segments.join('/'));
    text.add(target.query === undefined ? '' : redactedQuery(target.query, this.#allowed, truncated));
    return text;
  }

  /** Where the request belongs among the routes of its destination. */
  #route(shape: PathShape, destination: number, status: number): void {
    let found = this.#found.find(shape, destination);
    if (found === undefined) {
      const table = this.#routes.of(destination);
      found = { shape, destination, table, version: UNLEARNED, route: undefined };
      this.#found.put(found);
    }
    const { table } = found;
    this.#routes.use(table);
    let route: Route | undefined = found.route;
    const teaches = !TEACHES_NOTHING.has(status);
    if (found.version !== table.version || (route === undefined && teaches)) {
      route = teaches ? table.learn(shape.keys) : table.find(shape.keys);
      found.route = route;
      found.version = table.version;
    }
    if (route === undefined) this.#resource = OVERFLOW_TEXT;
    else {
      route.hits += 1;
      this.#resource = route.text;
    }
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
