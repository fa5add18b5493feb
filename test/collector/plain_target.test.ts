import assert from 'node:assert/strict';
import test from 'node:test';
import { Arena } from '../../collector/src/batch/arena.ts';
import { PathShapes } from '../../collector/src/correlate/requests/path_shapes.ts';
import { PlainTarget } from '../../collector/src/correlate/requests/plain_target.ts';
import { printable, redactedSegments, splitTarget } from '../../collector/src/correlate/requests/redaction.ts';
import { keysOf } from '../../collector/src/correlate/requests/routes.ts';

const NOTHING_ALLOWED = { queryNames: new Set<string>(), pathSegments: new Set<string>() };
const arena = new Arena(16_384);
const at = arena.take(4096);
const plain = new PlainTarget(arena);
const shapes = new PathShapes(arena, 16);

/** Template of a target read byte by byte; undefined if it is not plain. */
function templateOf(target: string): string | undefined {
  const end = at + arena.bytes.write(target, at, 'latin1');
  return plain.read(at, end) ? `/${shapes.of(plain.template, plain.templateEnd).keys.join('/')}` : undefined;
}

/** What the rules say of a target, written with strings: the path that is kept and its template. */
function byTheRules(target: string): { path: string; query: string | undefined; template: string } {
  const { path, query } = splitTarget(printable(target), 'GET');
  const segments = redactedSegments(path, NOTHING_ALLOWED);
  return { path: segments.join('/'), query, template: `/${keysOf(segments).join('/')}` };
}

/** The same numbers at every run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 8) / 2 ** 24) * below);
  };
}

const ALPHABETS = ['0123456789', 'abcdef0123456789', 'ABCDEFabcdef0123456789', 'abcxyz', 'aB3', 'aZ0-_', '0-9', 'x0'];
const WORDS = ['REDACTED', '20261121', '19991332', '0x1f2e3d4c', '{number}', '*', '..', 'v2', 'CONNECT', 'eyJabcd', ''];
const ODD = [...'%.@~+=;:,?#"<\\ \u0000\u007f\u00e9'];

function randomTarget(random: (below: number) => number): string {
  const segment = (): string => {
    const kind = random(16);
    if (kind === 0) return WORDS[random(WORDS.length)] as string;
    if (kind === 1) {
      const hex = (length: number) => Array.from({ length }, () => '0123456789abcdefABCDEF'[random(22)]).join('');
      const cut = random(8) === 0 ? 11 : 12;
      return [hex(8), hex(4), hex(4), hex(4), hex(cut)].join('-');
    }
    const alphabet = ALPHABETS[random(ALPHABETS.length)] as string;
    const length = random(random(4) === 0 ? 45 : 12);
    let text = Array.from({ length }, () => alphabet[random(alphabet.length)]).join('');
    if (kind === 2) text += ODD[random(ODD.length)];
    return text;
  };
  const depth = 1 + random(random(5) === 0 ? 16 : 4);
  return `${random(40) === 0 ? '' : '/'}${Array.from({ length: depth }, segment).join('/')}`;
}

test('of a plain target the path is kept as it is, and its template is that of the rules', () => {
  const random = randomOf(20_261_122);
  const counts = { plain: 0, not: 0 };
  for (let count = 0; count < 300_000; count += 1) {
    const target = randomTarget(random);
    const template = templateOf(target);
    counts[template === undefined ? 'not' : 'plain'] += 1;
    if (template === undefined) continue;
    const rules = byTheRules(target);
    assert.deepEqual({ path: target, query: undefined, template }, rules, target);
    const shape = shapes.of(plain.template, plain.templateEnd);
    assert.equal(shapes.ofKeys(rules.template.slice(1).split('/')), shape, 'told by strings it is the same');
  }
  assert.ok(counts.plain > 100_000 && counts.not > 50_000, JSON.stringify(counts));
});

test('what most services are asked for is plain', () => {
  for (const [target, template] of [
    ['/', '/'],
    ['/healthz', '/healthz'],
    ['/api/v2/orders/0012345678/lines/', '/api/v2/orders/{number}/lines/'],
    ['/o/0b6d7a3e-2f4c-4b1d-9a55-1c2d3e4f5a6b/items', '/o/{uuid}/items'],
    ['/blob/da39a3ee5e6b', '/blob/{hash}'],
    ['/ulid/01ARZ3NDEKTSV4RRFFQ69G5FAV', '/ulid/{hash}'],
    ['/log/20261121', '/log/{date}'],
    ['/users/anna-lena_7', '/users/anna-lena_7'],
  ])
    assert.equal(templateOf(target as string), template);
});

test('what may be a secret, or may have another form, is not plain', () => {
  for (const target of [
    '',
    '*',
    'shop.test:443',
    'http://shop.test/',
    '/reset/d41d8cd98f00b204e9800998ecf8427e',
    '/1/2/3/4/5/6/7/8/9/10/11/d41d8cd98f00b204e9800998ecf8427e',
    '/u/ann@example.com',
    '/a%20b',
    '/a?b=c',
    '/REDACTED',
  ])
    assert.equal(templateOf(target), undefined, target);
});
