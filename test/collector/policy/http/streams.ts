/** Streams of requests by chance, and what a slow reader with regular expressions takes them for. */
import { pick, type Random } from './generate.ts';
import { expected } from './reference.ts';

const BODIES = [
  '',
  'a',
  'abc\r\n',
  '0\r\n\r\n',
  'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n',
  'x'.repeat(700),
  '5\r\nabc\r\n\r\n',
];
const EXTENSIONS = ['', '', '', ';', ';a=b', ';a="b\t; c"', '; a'];
const TRAILERS = ['', '', '', 'A: b\r\n', 'Content-Length: 3\r\nX-A:\r\n'];
/** What is put into streams to break them. */
const NOISE = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ';',
  ':',
  '0',
  '1',
  'f',
  'g',
  '\xff',
  '0\r\n\r\n',
  '-',
  '0x',
  '+',
  '_',
];

const digits = (random: Random, size: number): string => {
  const text = '0'.repeat(random(4) === 0 ? random(3) : 0) + size.toString(16);
  return random(2) === 0 ? text : text.toUpperCase();
};

function chunked(random: Random): string {
  const chunks = Array.from({ length: random(4) }, () => pick(random, BODIES.slice(1)));
  return [...chunks, '']
    .map((data) => {
      const line = `${digits(random, data.length)}${pick(random, EXTENSIONS)}\r\n`;
      return data === '' ? `${line}${pick(random, TRAILERS)}\r\n` : `${line}${data}\r\n`;
    })
    .join('');
}

function messageOf(random: Random, number: number): string {
  const framing = random(4);
  const line = `${pick(random, ['GET', 'POST', 'PUT'])} /${number} HTTP/1.1\r\nHost: a\r\n`;
  if (framing === 0) return `${line}\r\n`;
  if (framing > 1)
    return `${line}${pick(random, ['Transfer-Encoding: chunked', 'transfer-encoding:Chunked '])}\r\n\r\n${chunked(random)}`;
  const body = pick(random, BODIES);
  return `${line}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** In latin1. Two of three have bytes put in, taken out or changed; some end early. */
export function streamOf(random: Random): string {
  let stream = Array.from({ length: 1 + random(4) }, (_, index) => messageOf(random, index)).join('');
  for (let count = random(3); count > 0; count -= 1) {
    const at = random(stream.length);
    stream = stream.slice(0, at) + (random(3) > 0 ? pick(random, NOISE) : '') + stream.slice(at + random(2));
  }
  return random(6) === 0 ? stream.slice(0, random(stream.length)) : stream;
}

/** Targets of the requests whose heads are whole, with the bytes of those bodies that are. */
export interface Reading {
  readonly requests: readonly { readonly target: string; readonly bodyBytes: number | undefined }[];
  /** Whether nothing is behind the last. */
  readonly isWhole: boolean;
}

const SIZE = /([0-9A-Fa-f]+)(?:;[\t -~\x80-\xff]*)?\r\n/y;
const TRAILER_LINES = /(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*\r\n/y;

const matched = (pattern: RegExp, text: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at;
  return pattern.exec(text);
};

/** @returns where the chunks that begin there end, and how much they hold; undefined if they are broken or cut */
function chunksAt(text: string, begin: number): { end: number; bytes: number } | undefined {
  let [at, bytes] = [begin, 0];
  for (;;) {
    const line = matched(SIZE, text, at);
    if (line === null) return undefined;
    const size = Number.parseInt(line[1]!, 16);
    at += line[0].length;
    if (size === 0) break;
    if (text.slice(at + size, at + size + 2) !== '\r\n') return undefined;
    at += size + 2;
    bytes += size;
  }
  const trailers = matched(TRAILER_LINES, text, at);
  return trailers === null ? undefined : { end: at + trailers[0].length, bytes };
}

function bodyAt(head: string, text: string, at: number): { end: number; bytes: number } | undefined {
  if (/\r\ntransfer-encoding:/i.test(head)) return chunksAt(text, at);
  const bytes = Number(/\r\ncontent-length: *([0-9]+)/i.exec(head)?.[1] ?? 0);
  return at + bytes <= text.length ? { end: at + bytes, bytes } : undefined;
}

export function reading(text: string): Reading {
  const requests: { target: string; bodyBytes: number | undefined }[] = [];
  let at = 0;
  while (at < text.length) {
    const head = /^.*?\r\n\r\n/s.exec(text.slice(at))?.[0];
    if (head === undefined || !expected([{}], head).startsWith('allowed')) return { requests, isWhole: false };
    const body = bodyAt(head, text, at + head.length);
    requests.push({ target: head.split(' ')[1]!, bodyBytes: body?.bytes });
    if (body === undefined) return { requests, isWhole: false };
    at = body.end;
  }
  return { requests, isWhole: true };
}
