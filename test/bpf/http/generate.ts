/** Bytes of HTTP/1 connections: well-formed ones with every framing there is, and broken ones. */

type Random = (below: number) => number;

export interface Streams {
  readonly requests: Buffer;
  readonly responses: Buffer;
}

const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'M-SEARCH', 'VERSION-CONTROL', 'x'];
const LINE_ENDS = ['\r\n', '\r\n', '\r\n', '\n'];

const pick = <T>(random: Random, values: readonly T[]): T => values[random(values.length)] as T;

function letters(random: Random, length: number): string {
  return Array.from({ length }, () => String.fromCharCode(97 + random(26))).join('');
}

function randomCase(random: Random, name: string): string {
  return [...name].map((letter) => (random(2) === 0 ? letter.toLowerCase() : letter.toUpperCase())).join('');
}

/** Bytes that look like HTTP to whoever reads bodies as heads. */
function body(random: Random, length: number): string {
  const decoy = 'GET /decoy HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n0\r\n\r\n\0\r';
  return decoy
    .repeat(Math.ceil(length / decoy.length))
    .slice(random(7))
    .slice(0, length)
    .padEnd(length, '\x80');
}

function chunked(random: Random, length: number): string {
  let text = '';
  for (let left = length; left > 0; ) {
    const size = Math.min(left, 1 + random(left));
    const digits = random(2) === 0 ? size.toString(16) : `00${size.toString(16).toUpperCase()}`;
    text += `${digits}${pick(random, ['', ';a=b', ' ; name="v"'])}\r\n${body(random, size)}\r\n`;
    left -= size;
  }
  return `${text}0\r\n${pick(random, ['', '', 'Trailer: x\r\nContent-Length: 9\r\n'])}\r\n`;
}

function framing(random: Random, allowed: readonly string[]): { headers: string[]; body: string } {
  const length = pick(random, [0, 1, 2, 17, 200, 1500, 5000]);
  switch (pick(random, allowed)) {
    case 'length':
      return {
        headers: [`${randomCase(random, 'content-length')}:${pick(random, ['', ' ', '\t '])}${length}`],
        body: body(random, length),
      };
    case 'chunked':
      return {
        headers: [`${randomCase(random, 'Transfer-Encoding')}: ${pick(random, ['chunked', 'gzip, Chunked'])}`],
        body: chunked(random, length),
      };
    default:
      return { headers: [], body: '' };
  }
}

function fillers(random: Random): string[] {
  return Array.from({ length: random(6) }, () =>
    pick(random, [
      () => `X-${letters(random, 1 + random(20))}: ${letters(random, random(40))}`,
      () => `Cookie: ${letters(random, random(3000))}`,
      () => 'Content-Length-Limit: 5',
      () => 'Hostname: other',
      () => 'Accept: */*\tq=1',
      () => 'Empty:',
      () => 'h: 1',
    ])(),
  );
}

/** Puts headers in any order, each with its line end. */
function head(random: Random, first: string, headers: string[]): string {
  const end = pick(random, LINE_ENDS);
  const shuffled = [...headers].sort(() => random(3) - 1);
  return [first, ...shuffled, ''].map((line) => line + end).join('');
}

function request(random: Random, method: string): string {
  const target = `/${letters(random, pick(random, [0, 1, 5, 60, 700, 703, 704, 2500]))}${pick(random, ['', '?a=b&c', '\x80é'])}`;
  const framed = framing(random, ['none', 'none', 'length', 'chunked']);
  const known = [
    ...(random(4) > 0
      ? [`${randomCase(random, 'host')}: ${letters(random, pick(random, [1, 20, 199, 200, 201]))}:80`]
      : []),
    ...(random(3) > 0 ? [] : ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']),
  ];
  const line = `${method} ${target} HTTP/1.1`;
  return (
    pick(random, ['', '', '', '\r\n', '\n']) +
    head(random, line, [...known, ...framed.headers, ...fillers(random)]) +
    framed.body
  );
}

function response(random: Random, method: string, last: boolean): string {
  const interim = random(8) === 0 ? head(random, 'HTTP/1.1 103 Early Hints', ['Link: </a>']) : '';
  const status = pick(random, [200, 200, 200, 204, 304, 404, 500, 503]);
  const line = `HTTP/1.1 ${status}${pick(random, [' OK', ' ', '', ' Not at all OK'])}`;
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  const framed = framing(
    random,
    bodiless ? ['length', 'chunked', 'none'] : last ? ['length', 'chunked', 'none'] : ['length', 'chunked'],
  );
  return interim + head(random, line, [...framed.headers, ...fillers(random)]) + (bodiless ? '' : framed.body);
}

/** A connection of `count` exchanges; only the last answer may last until the close. */
export function wellFormed(random: Random, count: number): Streams {
  const methods = Array.from({ length: count }, () => pick(random, METHODS));
  return {
    requests: Buffer.from(methods.map((method) => request(random, method)).join(''), 'latin1'),
    responses: Buffer.from(methods.map((method, i) => response(random, method, i === count - 1)).join(''), 'latin1'),
  };
}

const TOKENS = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  '\r\n ',
  '\r\n\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 18446744073709551617\r\n',
  'Content-Length : 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Host: again\r\n',
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\n\r\n',
  'GET / HTTP/1.1\r\n',
  '0\r\n\r\n',
  'ffffffffffffffff\r\n',
];

function damage(random: Random, bytes: Buffer): Buffer {
  const at = random(bytes.length + 1);
  switch (random(4)) {
    case 0:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(random, TOKENS), 'latin1'), bytes.subarray(at)]);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(20))]);
    case 2:
      return bytes.subarray(0, at);
    default: {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = random(256);
      return copy;
    }
  }
}

/** The same with one to four places spoilt. */
export function broken(random: Random, streams: Streams): Streams {
  let { requests, responses } = streams;
  for (let i = 1 + random(4); i > 0; i -= 1) {
    if (random(2) === 0) requests = damage(random, requests);
    else responses = damage(random, responses);
  }
  return { requests, responses };
}

/** Cuts bytes into pieces of at most `max`, often tiny. */
export function pieces(random: Random, bytes: Buffer, max: number): Buffer[] {
  const result: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = pick(random, [1, 2, 1 + random(20), 1 + random(300), max, max, max]);
    result.push(bytes.subarray(at, at + size));
    at += size;
  }
  return result;
}
