/** Rules and heads by chance, such that the one often fits the other. */
import type { HeaderRule, HttpRule } from '../../../../collector/src/control/policy/http/rules.ts';

/** A number below the given one. */
export type Random = (below: number) => number;

export const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

const METHODS = ['GET', 'POST', 'GET|HEAD', 'P.*', '[A-Z]+', '[^G].*'];
const PATHS = [
  '/a',
  '/a.*',
  '/.*',
  '/a/[^/]+/c(?:\\?.*)?',
  '/(?:a|b)*',
  '/[^ é]*',
  '.*b',
  '/[a-c/]{2,5}',
  '/a\\?x=[0-9]+',
  '/%C3%A9|/é',
  '/[^%]*',
  '/b[^?]*\\b.*',
];
const HOSTS = ['a', 'A\\.b', '.*\\.b', 'a(?::80)?', '[^.]*', '\\[::1\\]:.*'];
const HEADERS: readonly HeaderRule[] = [
  { name: 'X-A' },
  { name: 'x-a', value: '1' },
  { name: 'X-A', value: 'a b' },
  { name: 'X-A', pattern: '[0-9]*' },
  { name: 'X-Ab', pattern: '.*é.*|' },
  { name: 'x-ab', pattern: 'a.*b' },
  { name: 'Host', pattern: '[a-z].*' },
  { name: 'Upgrade' },
];

export function rulesOf(random: Random, most: number): HttpRule[] {
  const maybe = <K extends string, T>(key: K, list: readonly T[], chance: number) =>
    random(100) < chance ? { [key]: pick(random, list) } : {};
  return times(1 + random(most), () => ({
    ...maybe('method', METHODS, 40),
    ...maybe('path', PATHS, 70),
    ...maybe('host', HOSTS, 30),
    ...(random(100) < 30 ? { headers: times(1 + random(2), () => pick(random, HEADERS)) } : {}),
  }));
}

const PIECES = ['a', 'b', 'c', 'B', '/a', '/b', '/c', '.', '?', '?x=1', '%C3%A9', '%20', '%61', '1', '-', '='];
const DOUBTFUL_PIECES = ['/', '/..', '%2F', '%2e', '%', ';', '#', '\xe9'];
const LINES = [
  'X-A: 1',
  'x-a:1  ',
  'X-A: a b',
  'X-A:',
  'X-A: a  1',
  'X-Ab: a\xc3\xa9b',
  'x-AB: \xe9',
  'X-Abc: 1',
  'X: y',
  'Content-Length: 12',
  'Transfer-Encoding: chunked',
  'Upgrade: websocket',
  'Accept: */*',
];
const DOUBTFUL_LINES = [
  'Content-Length: 1x',
  'Transfer-Encoding: Chunked ',
  'Transfer-Encoding: gzip',
  'Upgrade: h2c',
  'x-a:\t1',
  'X-Ab: a \t',
  'Accept:\t*',
  ' folded',
  'bad name: x',
  'Content-Length : 1',
];
const HOST_VALUES = ['a', 'a', 'a', 'A.b', 'x.b', 'a:80', 'b', 'B', '[::1]:80', 'a.b', 'b.', 'a b', ''];
const NOISE = ['\r', '\n', '\r\n', ' ', '\t', '\0', ':', '/', '%', '.', 'a', '\x7f', '\xff', '\r\n\r\n'];

/** In latin1. Every fifth one has bytes put in, taken out or changed. */
export function headOf(random: Random): string {
  const pieces = times(random(6), () => pick(random, random(25) === 0 ? DOUBTFUL_PIECES : PIECES)).join('');
  const target = pieces.startsWith('/') ? pieces : `/${pieces}`;
  const version = pick(random, ['1.1', '1.1', '1.1', '1.1', '1.1', '1.1', '1.1', '1.1', '1.0', '1.0', '1.2']);
  const lines = times(random(4), () => pick(random, random(15) === 0 ? DOUBTFUL_LINES : LINES));
  if (random(15) > 0)
    lines.splice(
      random(lines.length + 1),
      0,
      `${pick(random, ['Host', 'host', 'HOST'])}: ${pick(random, HOST_VALUES)}`,
    );
  let head = `${pick(random, ['GET', 'GET', 'GET', 'POST', 'POST', 'HEAD', 'PUT', 'PUT', 'M-SEARCH', 'get'])} ${target} HTTP/${version}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
  for (let count = random(5) === 0 ? 1 + random(2) : 0; count > 0; count -= 1) {
    const at = random(head.length);
    head = head.slice(0, at) + (random(2) === 0 ? pick(random, NOISE) : '') + head.slice(at + random(3));
  }
  return head;
}
