/**
 * What rows a connection's bytes amount to, read slowly and all at once: RFC 9112, and fail closed where readers differ.
 * The kernel's parser must say the same of the same bytes, however they are split.
 */
import type { Exchange } from './exchange.ts';
import { forbiddenIn, type Head, isTooLong, lineAt, readHead } from './reference_head.ts';

const METHOD_MAX = 32;
const TARGET_MAX = 704;
const HOST_MAX = 200;
const TRACEPARENT_MAX = 64;
type Body = { readonly kind: 'none' | 'chunked' | 'close' } | { readonly kind: 'length'; readonly bytes: number };

interface ReadRequest {
  readonly method: string;
  readonly target: string;
  readonly version: number;
  readonly head: Head;
  readonly truncated: boolean;
  /** Where it begins. */
  readonly start: number;
  bytes: number;
  bodyBytes: number;
}

interface ReadBody {
  /** Behind the body; undefined: it is not whole. */
  readonly end: number | undefined;
  readonly bodyBytes: number;
  /** Where reading stopped because no reader may go on. */
  readonly malformedAt?: number;
}

function readChunks(bytes: string, start: number): ReadBody {
  let bodyBytes = 0;
  for (let at = start; ; ) {
    const line = lineAt(bytes, at);
    if (line === undefined)
      return forbiddenIn(bytes, at) ? { end: undefined, bodyBytes, malformedAt: at } : { end: undefined, bodyBytes };
    if (line.forbidden) return { end: undefined, bodyBytes, malformedAt: at };
    const size = /^([0-9a-f]{1,15})([; \t]|$)/i.exec(line.text);
    if (size === null || isTooLong(line.text)) return { end: undefined, bodyBytes, malformedAt: line.next };
    at = line.next;
    const length = Number.parseInt(size[1] ?? '', 16);
    if (length === 0) return readTrailers(bytes, at, bodyBytes);
    const there = Math.min(length, bytes.length - at);
    bodyBytes += there;
    at += there;
    if (there < length) return { end: undefined, bodyBytes };
    const end = lineAt(bytes, at);
    if (end === undefined)
      return forbiddenIn(bytes, at) ? { end: undefined, bodyBytes, malformedAt: at } : { end: undefined, bodyBytes };
    if (end.forbidden) return { end: undefined, bodyBytes, malformedAt: at };
    at = end.next;
    if (end.text !== '') return { end: undefined, bodyBytes, malformedAt: at };
  }
}

function readTrailers(bytes: string, start: number, bodyBytes: number): ReadBody {
  for (let at = start; ; ) {
    const line = lineAt(bytes, at);
    if (line === undefined)
      return forbiddenIn(bytes, at) ? { end: undefined, bodyBytes, malformedAt: at } : { end: undefined, bodyBytes };
    if (line.forbidden) return { end: undefined, bodyBytes, malformedAt: at };
    at = line.next;
    if (line.text === '') return { end: at, bodyBytes };
  }
}

function readBody(bytes: string, at: number, body: Body): ReadBody {
  if (body.kind === 'none') return { end: at, bodyBytes: 0 };
  if (body.kind === 'chunked') return readChunks(bytes, at);
  if (body.kind !== 'length') return { end: undefined, bodyBytes: bytes.length - at };
  const there = Math.min(body.bytes, bytes.length - at);
  return { end: there === body.bytes ? at + there : undefined, bodyBytes: there };
}

function bodyOf(head: Head, otherwise: 'none' | 'close'): Body {
  if (head.chunked) return { kind: 'chunked' };
  if (head.length === undefined) return { kind: otherwise };
  return head.length === 0 ? { kind: 'none' } : { kind: 'length', bytes: head.length };
}

interface Requests {
  /** undefined: began, but its first line is none or not whole. */
  readonly requests: (ReadRequest | undefined)[];
  readonly rejected: string | undefined;
}

function readRequests(bytes: string): Requests {
  const requests: (ReadRequest | undefined)[] = [];
  for (let at = 0; ; ) {
    while (bytes[at] === '\r' || bytes[at] === '\n') at += 1;
    if (at >= bytes.length) return { requests, rejected: undefined };
    if (requests.length === 0 && bytes[at] === '\x16') return { requests, rejected: 'tls' };
    const start = at;
    const line = lineAt(bytes, at);
    const seen = line?.text ?? bytes.slice(at).replace(/\r$/, '');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
    const control = /[\0-\x1f]/.test(seen);
    const parts = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) HTTP\/1\.([0-9])$/.exec(seen);
    const [, method = '', target = '', minor = ''] = parts ?? [];
    if (line === undefined && !control) return { requests: [...requests, undefined], rejected: undefined };
    if (control || parts === null || method.length > METHOD_MAX) {
      const rejected = !control && seen === 'PRI * HTTP/2.0' ? 'http2' : 'other';
      return requests.length > 0
        ? { requests: [...requests, undefined], rejected: undefined }
        : { requests: [], rejected };
    }
    const version = minor === '0' ? 10 : 11;
    const head = readHead(bytes, line?.next ?? 0, true, version);
    const request: ReadRequest = {
      method,
      target: target.slice(0, TARGET_MAX),
      version,
      head,
      truncated: target.length > TARGET_MAX || head.truncated,
      start,
      bytes: bytes.length - start,
      bodyBytes: 0,
    };
    requests.push(request);
    if (head.end === undefined) return { requests, rejected: undefined };
    if (head.invalid) {
      request.bytes = head.end - start;
      return { requests, rejected: undefined };
    }
    const body = readBody(bytes, head.end, method === 'CONNECT' ? { kind: 'none' } : bodyOf(head, 'none'));
    request.bodyBytes = body.bodyBytes;
    if (body.end === undefined) {
      if (body.malformedAt !== undefined) request.bytes = body.malformedAt - start;
      return { requests, rejected: undefined };
    }
    request.bytes = body.end - start;
    if (method === 'CONNECT') return { requests, rejected: undefined };
    at = body.end;
  }
}

interface Answer {
  /** Where it begins; undefined: cannot be told. */
  readonly start: number | undefined;
  readonly status: number;
  readonly bytes: number;
  readonly bodyBytes: number;
  readonly end: string;
}

const UNANSWERED: Answer = { start: undefined, status: 0, bytes: 0, bodyBytes: 0, end: 'connection_closed' };

/** Answers to the requests, in order; fewer if the bytes end before. */
function readAnswers(bytes: string, requests: readonly (ReadRequest | undefined)[]): Answer[] {
  const answers: Answer[] = [];
  let start = 0;
  let at = 0;
  const lose = (answer: Omit<Answer, 'start' | 'end'>): Answer[] => {
    answers.push({ ...answer, start, end: 'lost_sight' });
    while (answers.length < requests.length) answers.push({ ...UNANSWERED, end: 'lost_sight' });
    return answers;
  };
  while (at < bytes.length && answers.length < requests.length) {
    const request = requests[answers.length];
    const line = lineAt(bytes, at);
    if (line === undefined || line.forbidden) {
      if (line === undefined && !forbiddenIn(bytes, at))
        return [...answers, { ...UNANSWERED, start, bytes: bytes.length - start }];
      return lose({ status: 0, bytes: at - start, bodyBytes: 0 });
    }
    const [, minor, digits] = /^HTTP\/1\.([0-9]) ([1-9][0-9]{2})(?= |$)/.exec(line.text) ?? [];
    if (digits === undefined) return lose({ status: 0, bytes: line.next - start, bodyBytes: 0 });
    const status = Number(digits);
    const head = readHead(bytes, line.next, false, minor === '0' ? 10 : 11);
    if (head.end === undefined) return [...answers, { ...UNANSWERED, start, bytes: bytes.length - start }];
    at = head.end;
    if (status === 101 || (request?.method === 'CONNECT' && status >= 200 && status < 300)) {
      answers.push({ start, status, bytes: at - start, bodyBytes: 0, end: 'upgraded' });
      return answers;
    }
    if (status < 200) continue;
    const empty = request?.method === 'HEAD' || status === 204 || status === 304;
    if (!empty && head.invalid) return lose({ status, bytes: at - start, bodyBytes: 0 });
    const body = readBody(bytes, at, empty ? { kind: 'none' } : bodyOf(head, 'close'));
    const told = { start, status, bodyBytes: body.bodyBytes };
    if (body.end === undefined) {
      if (body.malformedAt !== undefined) return lose({ ...told, bytes: body.malformedAt - start });
      return [...answers, { ...told, bytes: bytes.length - start, end: 'connection_closed' }];
    }
    answers.push({ ...told, bytes: body.end - start, end: 'complete' });
    at = body.end;
    start = at;
  }
  /* Interim responses, and then nothing; or nothing at all. */
  answers.push({ ...UNANSWERED, start, bytes: at - start });
  return answers;
}

export interface Expected {
  readonly rows: Exchange[];
  /** What the connection is instead of HTTP/1. */
  readonly rejected: string | undefined;
}

/**
 * All requests were sent, then all answers, then the connection was closed.
 * @param first sequence number of the first byte of both
 */
export function expectedOf(requestBytes: Uint8Array, responseBytes: Uint8Array, first: number): Expected {
  const { requests, rejected } = readRequests(Buffer.from(requestBytes).toString('latin1'));
  const answers = readAnswers(Buffer.from(responseBytes).toString('latin1'), requests);
  const rows = requests.flatMap((request, index): Exchange[] => {
    if (request === undefined) return [];
    const answer = answers[index] ?? UNANSWERED;
    const { head } = request;
    return [
      {
        method: request.method,
        target: request.target,
        host: (head.host ?? '').slice(0, HOST_MAX),
        traceparent: (head.traceparent ?? '').slice(0, TRACEPARENT_MAX),
        version: request.version,
        status: answer.status,
        truncated: request.truncated,
        requestSequence: (first + request.start) >>> 0,
        responseSequence: answer.start === undefined ? 0 : (first + answer.start) >>> 0,
        requestBytes: request.bytes,
        requestBodyBytes: request.bodyBytes,
        responseBytes: answer.bytes,
        responseBodyBytes: answer.bodyBytes,
        end: answer.end,
      },
    ];
  });
  return { rows, rejected };
}
