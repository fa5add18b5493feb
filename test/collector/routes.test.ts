import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import test from 'node:test';
import { keysOf, OVERFLOW, Routes, RouteTable } from '../../collector/src/correlate/requests/routes.ts';
import { openPath } from './support/path.ts';
import { connection, requestRecord } from './support/records.ts';

const split = (path: string) => keysOf(path.split('/'));
const hash = (index: number, length: number) => createHash('sha1').update(String(index)).digest('hex').slice(0, length);
const WORDS = 'amber birch cedar delta ember fjord grove haven inlet jolly koala lemon mango north ocean pearl'.split(
  ' ',
);
const slug = (index: number) => `${WORDS[index % 16]}-${WORDS[(index >> 4) % 16]}-${WORDS[(index >> 8) % 16]}`;

test('values become placeholders by their looks', () => {
  const table = new RouteTable(200);
  const cases: [string, string][] = [
    ['/', '/'],
    ['/api/v2/orders/42', '/api/v2/orders/{number}'],
    ['/api/v2/orders/-3.5', '/api/v2/orders/{number}'],
    [`/o/${randomUUID()}/items`, '/o/{uuid}/items'],
    ['/log/2026-11-21', '/log/{date}'],
    ['/log/20261121', '/log/{date}'],
    ['/log/2026-11', '/log/{date}'],
    ['/log/2026-11-21T10:00:00Z', '/log/{date}'],
    [`/blob/${hash(1, 8)}`, '/blob/{hash}'],
    ['/ulid/01ARZ3NDEKTSV4RRFFQ69G5FAV', '/ulid/{hash}'],
    ['/cafe/decade', '/cafe/decade'],
    ['/search/a%20b', '/search/{text}'],
    ['/a/', '/a/'],
    [
      '/1/2/3/4/5/6/7/8/9/a/b/c',
      '/{number}/{number}/{number}/{number}/{number}/{number}/{number}/{number}/{number}/a/*',
    ],
  ];
  for (const [path, template] of cases) assert.equal(table.learn(split(path))?.template, template, path);
});

for (const [what, value, template] of [
  ['UUIDs', () => randomUUID(), '/shop/{uuid}/cart'],
  ['numbers', (index: number) => String(index), '/shop/{number}/cart'],
  ['hashes', (index: number) => hash(index, 12), '/shop/{hash}/cart'],
  ['dates', (index: number) => new Date(index * 86_400_000).toISOString().slice(0, 10), '/shop/{date}/cart'],
  ['slugs', slug, '/shop/{slug}/cart'],
] as const) {
  test(`10,000 ${what} end in one template`, () => {
    const table = new RouteTable(200);
    for (let index = 0; index < 10_000; index += 1) table.learn(split(`/shop/${value(index)}/cart`));
    assert.equal(table.find(split(`/shop/${value(10_001)}/cart`))?.template, template);
    assert.ok(table.count <= 10, `${table.count} templates`);
  });
}

test('names that look like any word are folded as well, only later', () => {
  const table = new RouteTable(200);
  for (let index = 0; index < 5000; index += 1) {
    const name = `${WORDS[index % 16]}${WORDS[(index >> 4) % 16]}`;
    table.learn(split(`/users/${name}`));
  }
  assert.equal(table.find(split('/users/somebody'))?.template, '/users/{slug}');
});

test('parts of an API stay apart, however many there are', () => {
  const table = new RouteTable(200);
  for (let index = 0; index < 30; index += 1)
    table.learn(split(`/api/${WORDS[index % 16]}s${index > 15 ? 'list' : ''}/${index}`));
  assert.equal(table.find(split('/api/ambers/7'))?.template, '/api/ambers/{number}');
  assert.equal(table.count, 30);
});

test('a route that is asked for often is not folded with strangers', () => {
  const table = new RouteTable(200);
  const often = table.learn(split('/api/checkout-v2-beta'))!;
  often.hits = 1000;
  for (let index = 0; index < 1000; index += 1) table.learn(split(`/api/${slug(index)}`));
  assert.equal(table.find(split('/api/checkout-v2-beta'))?.template, '/api/checkout-v2-beta');
  assert.equal(table.find(split('/api/any-other-thing'))?.template, '/api/{slug}');
});

test('a destination has so many templates and no more', () => {
  const table = new RouteTable(200);
  for (let index = 0; index < 100_000; index += 1) {
    const [a, b, c] = [WORDS[index % 16], WORDS[(index >> 4) % 16], WORDS[(index >> 8) % 16]];
    table.learn(split(`/${a}/${b}/${c}`));
  }
  assert.equal(table.count, 200);
  assert.equal(table.learn(split('/never/seen/before')), undefined);
});

test("a scanner's 100,000 distinct 404s teach nothing", () => {
  const path = openPath();
  const ask = (target: string, status: number) =>
    path.feed('requests', requestRecord({ target }, { ...connection(), http_status_code: status }))[0]!.resource;
  assert.equal(ask('/checkout', 200), '/checkout');
  assert.equal(ask('/orders/1', 500), '/orders/{number}');
  const batch: Buffer[] = [];
  const seen = new Set<unknown>();
  for (let index = 0; index < 100_000; index += 1) {
    batch.push(
      requestRecord(
        { target: `/${hash(index, 5)}/wp-${index}.php?x=${index}` },
        { ...connection(), http_status_code: 404 },
      ),
    );
    if (batch.length < 1000) continue;
    for (const row of path.feed('requests', ...batch.splice(0))) seen.add(row.resource);
  }
  assert.deepEqual([...seen], [OVERFLOW]);
  assert.equal(ask('/checkout', 200), '/checkout');
  assert.equal(ask('/orders/2', 404), '/orders/{number}');
  assert.equal(ask('/cart', 200), '/cart');
});

test('destinations learn apart, and those long not looked up are forgotten', () => {
  const routes = new Routes(200);
  const first = routes.of(1);
  first.learn(split('/a'));
  assert.equal(routes.of(1), first);
  for (let index = 2; index < 1026; index += 1) routes.of(index);
  assert.notEqual(routes.of(1), first);
  const path = openPath();
  const at = (port: number) => ({ ...connection(), destination_port: port, pid: 0 });
  path.feed('requests', requestRecord({ target: '/only-here' }, at(80)));
  assert.equal(
    path.feed('requests', requestRecord({ target: '/only-here' }, { ...at(81), http_status_code: 404 }))[0]!.resource,
    '/*',
  );
});

test('after folding, requests seen before get the new template', () => {
  const path = openPath();
  const ask = (index: number) =>
    path.feed('requests', requestRecord({ target: `/blog/${slug(index)}` }, connection()))[0]!.resource;
  assert.equal(ask(0), `/blog/${slug(0)}`);
  for (let index = 1; index < 20; index += 1) ask(index);
  assert.equal(ask(0), '/blog/{slug}');
});
