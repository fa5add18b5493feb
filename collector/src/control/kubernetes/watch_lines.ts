/** Finds the lines of a watch in its bytes, and reads each as an event. */
import { FlowspanError } from '../../../../store/errors.ts';
import type { JsonPruner, Kept } from './pruned_json.ts';

const NEWLINE = 0x0a;
/** Kept of a line that is too long: enough for what the API server writes before labels and annotations. */
const HEAD_BYTES = 4096;

export interface LineReceiver {
  /** One line without its newline; the bytes are the caller's only until it returns. */
  line(bytes: Buffer): void;
  /** A line longer than allowed has ended. @param head its first bytes @param length all of them */
  tooLong(head: Buffer, length: number): void;
}

/** Splits what is pushed at newlines. Holds at most one line, and of one that is too long only its head. */
export class LineSplitter {
  readonly #receiver: LineReceiver;
  readonly #mostBytes: number;
  /** Begin of a line whose newline has not come. */
  #pieces: Buffer[] = [];
  #length = 0;

  /** @param mostBytes longest line that is told */
  constructor(receiver: LineReceiver, mostBytes: number) {
    this.#receiver = receiver;
    this.#mostBytes = Math.max(mostBytes, HEAD_BYTES);
  }

  push(chunk: Buffer): void {
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      this.#finish(chunk.subarray(begin, end));
      begin = end + 1;
    }
    if (begin < chunk.length) this.#keep(chunk.subarray(begin));
  }

  #keep(piece: Buffer): void {
    const before = this.#length;
    this.#length += piece.length;
    if (this.#length <= this.#mostBytes) this.#pieces.push(piece);
    else if (before <= this.#mostBytes) {
      this.#pieces = [Buffer.from(Buffer.concat([...this.#pieces, piece]).subarray(0, HEAD_BYTES))];
    }
  }

  #finish(rest: Buffer): void {
    if (this.#length === 0 && rest.length <= this.#mostBytes) {
      if (rest.length > 0) this.#receiver.line(rest);
      return;
    }
    this.#keep(rest);
    const [pieces, length] = [this.#pieces, this.#length];
    this.#pieces = [];
    this.#length = 0;
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    if (length <= this.#mostBytes) this.#receiver.line(bytes);
    else this.#receiver.tooLong(bytes.subarray(0, HEAD_BYTES), length);
  }
}

/** One event of a watch. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  /** The object; for ERROR a Status. */
  readonly object: ApiObject;
}

/** What is read here of any object. Everything comes from the wire: nothing needs to be there. */
export interface ApiObject {
  readonly metadata?: {
    readonly resourceVersion?: unknown;
    readonly annotations?: Readonly<Record<string, unknown>> | null;
  } | null;
}

/** What is read of any event, whatever its object is. */
export const EVENT_FIELDS: Kept = {
  type: true,
  object: {
    metadata: { resourceVersion: true, annotations: { 'k8s.io/initial-events-end': true } },
    // Of a Status.
    ...{ code: true, reason: true, message: true, details: true },
  },
};

const TYPES: readonly string[] = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'];

/**
 * @param line is written over
 * @param pruner leaves in what is read of an event
 * @throws FlowspanError FLOW_KUBERNETES_UNREADABLE if the line is not an event
 */
export function watchEvent(line: Buffer, pruner: JsonPruner): WatchEvent {
  let event: Partial<WatchEvent> | null | undefined;
  try {
    event = JSON.parse(pruner.prune(line).toString()) as Partial<WatchEvent> | null;
  } catch (cause) {
    throw unreadable('a line of a watch is not JSON', cause);
  }
  if (!TYPES.includes(event?.type ?? '') || typeof event?.object !== 'object' || event.object === null) {
    throw unreadable('a line of a watch is not an event');
  }
  return event as WatchEvent;
}

/** @throws FlowspanError FLOW_KUBERNETES_UNREADABLE if it has none */
export function versionOf(object: ApiObject): string {
  const version = object.metadata?.resourceVersion;
  if (typeof version === 'string' && version !== '') return version;
  throw unreadable('an event has no resourceVersion');
}

/** @returns an error that says that the server's bytes make no sense */
export function unreadable(what: string, cause?: unknown): FlowspanError {
  const message = `${what}: the connection is given up and made anew; look at what is between here and the API server`;
  return new FlowspanError('FLOW_KUBERNETES_UNREADABLE', message, { cause });
}

const HEAD =
  /"metadata":\{"name":"([^"\\]*)",(?:"generateName":"[^"\\]*",)?(?:"namespace":"([^"\\]*)",)?(?:"selfLink":"[^"\\]*",)?"uid":"([^"\\]*)"/;

/** Whose event it was that was too long to be read, as far as its head tells. */
export function objectOfHead(head: Buffer): object | undefined {
  const [, name, namespace = '', uid] = HEAD.exec(head.toString()) ?? [];
  return uid === undefined ? undefined : { metadata: { name, namespace, uid } };
}
