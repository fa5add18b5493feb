import assert from 'node:assert/strict';
import test from 'node:test';
import { openPath } from './support/path.ts';
import { connection, requestRecord } from './support/records.ts';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U';
const HEX = 'd41d8cd98f00b204e9800998ecf8427e';
const SHA1 = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';

function stored(target: string, host = 'shop.test', values = {}) {
  const [row] = openPath().feed('requests', requestRecord({ target, host }, { ...connection(), ...values }));
  return row!;
}

test('path segments that look like secrets are not stored, others are', () => {
  const cases: [string, string][] = [
    [`/t/${JWT}/x`, '/t/REDACTED/x'],
    ['/u/ann.smith@example.com', '/u/REDACTED'],
    ['/u/ann%40example.com/edit', '/u/REDACTED/edit'],
    ['/u/ann%2540example.com/edit', '/u/REDACTED/edit'],
    [`/reset/${HEX}`, '/reset/REDACTED'],
    [`/commit/${SHA1}.patch`, '/commit/REDACTED'],
    ['/k/AKIAIOSFODNN7EXAMPLEwJalrXUtnFEMIK7MDENG', '/k/REDACTED'],
    ['/k/c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA==', '/k/REDACTED'],
    ['/k/Zm9v%2BYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6', '/k/REDACTED'],
    [`/page;jsessionid=${HEX.toUpperCase()}`, '/REDACTED'],
    ['/proxy//ann:hunter2@db.test/x', '/proxy//REDACTED/x'],
    [`/short/${HEX.slice(1)}`, `/short/${HEX.slice(1)}`],
    ['/o/0b6d7a3e-2f4c-4b1d-9a55-1c2d3e4f5a6b', '/o/0b6d7a3e-2f4c-4b1d-9a55-1c2d3e4f5a6b'],
    ['/blog/how-we-cut-our-build-time-in-half-and-more', '/blog/how-we-cut-our-build-time-in-half-and-more'],
    ['/npm/lodash@4.17.21/@scope/pkg', '/npm/lodash@4.17.21/@scope/pkg'],
  ];
  for (const [target, path] of cases) assert.equal(stored(target).http_path, path, target);
});

test('a template never holds what the path may not', () => {
  assert.equal(stored(`/t/${JWT}`).resource, '/t/{secret}');
  assert.equal(stored(`/reset/${HEX}`).resource, '/reset/{secret}');
});

test('query names stay and values go', () => {
  const cases: [string, string][] = [
    ['/?a=1&b=2', 'a=REDACTED&b=REDACTED'],
    ['/?flag&empty=&x=a=b;y=2', 'flag&empty=&x=REDACTED;y=REDACTED'],
    [`/?${JWT}`, 'REDACTED'],
    [`/?${HEX}=1`, 'REDACTED=REDACTED'],
    ['/?q=a?b', 'q=REDACTED'],
    ['/?a[0]=x%26y', 'a[0]=REDACTED'],
    ['/?output_format_json_quote_64bit_integers=1', 'output_format_json_quote_64bit_integers=REDACTED'],
  ];
  for (const [target, query] of cases) assert.equal(stored(target).http_query, query, target);
  assert.equal(stored('/?').http_query, null);
});

test('credentials go, whatever the form of the target', () => {
  const absolute = stored('http://ann:secret@shop.test/a?b=c', '');
  assert.deepEqual([absolute.http_host, absolute.http_path, absolute.http_query], ['shop.test', '/a', 'b=REDACTED']);
  assert.equal(stored('/a', 'ann:secret@shop.test').http_host, 'shop.test');
  const [connect] = openPath().feed(
    'requests',
    requestRecord({ method: 'CONNECT', target: 'u:p@db.test:5432', host: '' }),
  );
  assert.deepEqual([connect!.http_host, connect!.http_path, connect!.operation], ['db.test:5432', null, 'CONNECT']);
  assert.equal(stored('*').http_path, '*');
});

test('no byte that a URL may not hold is stored, and no fragment', () => {
  assert.equal(stored('/caf\xc3\xa9\x01?x=1#frag').http_path, '/caf%C3%A9%01');
  assert.equal(stored('/a#?token=1').http_path, '/a');
});

test('the rest of a segment that was cut is not trusted', () => {
  assert.equal(stored(`/reset/${HEX.slice(0, 20)}`, 'h', { text_truncated: 1 }).http_path, '/reset/REDACTED');
});

test('what is no host and no port is not kept: it may be of credentials', () => {
  const cases: [string, string, string][] = [
    ['/a', 'ann:sec/ret@shop.test', 'shop.test'],
    ['/a', 'ann:secret', 'REDACTED'],
    ['http://ann:sec/ret@shop.test/a', '', 'REDACTED'],
    ['http://ann:sec?ret@shop.test/a', '', 'REDACTED'],
    ['/a', 'shop.test:80', 'shop.test:80'],
    ['/a', '[::1]:80', '[::1]:80'],
    ['/a', '::1', '::1'],
    ['/a', 'shop.test:', 'shop.test:'],
  ];
  for (const [target, host, kept] of cases) assert.equal(stored(target, host).http_host, kept, `${target} ${host}`);
});

test('of what was cut, nothing is kept that may be the beginning of credentials or of a secret', () => {
  const cut = { text_truncated: 1 };
  assert.equal(stored('/a', 'k'.repeat(200), cut).http_host, 'REDACTED');
  assert.equal(stored('/a', 'shop.test', cut).http_host, 'shop.test');
  assert.equal(stored(`http://${'k'.repeat(697)}`, '', cut).http_host, 'REDACTED');
  assert.equal(stored(`http://shop.test/${'k'.repeat(600)}`, '', cut).http_host, 'shop.test');
  assert.equal(stored(`/a?b=1&${HEX.slice(0, 20)}`, 'h', cut).http_query, 'b=REDACTED&REDACTED');
  assert.equal(stored('/a?b=1&c=d', 'h', cut).http_query, 'b=REDACTED&c=REDACTED');
});

test('what is encoded once more at each proxy is read as what it was', () => {
  assert.equal(stored('/u/ann%2525252540example.com').http_path, '/u/REDACTED');
});

test('what the configuration allows is kept, from the next request on', () => {
  const path = openPath();
  const target = `/v/${HEX}?page=2&token=x`;
  const ask = () => path.feed('requests', requestRecord({ target }, connection()))[0]!;
  assert.equal(ask().http_query, 'page=REDACTED&token=REDACTED');
  path.requestText.allow({ queryNames: new Set(['page']), pathSegments: new Set([HEX]) });
  const row = ask();
  assert.deepEqual([row.http_path, row.http_query], [`/v/${HEX}`, 'page=2&token=REDACTED']);
});

test('methods that nobody knows do not become words of their own', () => {
  const [row] = openPath().feed('requests', requestRecord({ method: 'FROBNICATE' }));
  assert.equal(row!.operation, '_OTHER');
});

test('a hundred thousand texts take no more memory than some thousand', () => {
  const path = openPath();
  for (let index = 0; index < 20_000; index += 1) {
    path.feed('requests', requestRecord({ target: `/x/${index}/${'y'.repeat(100)}` }, { http_status_code: 404 }));
  }
  const before = process.memoryUsage().heapUsed;
  for (let index = 20_000; index < 40_000; index += 1) {
    path.feed('requests', requestRecord({ target: `/x/${index}/${'y'.repeat(100)}` }, { http_status_code: 404 }));
  }
  assert.ok(process.memoryUsage().heapUsed - before < 40 * 1024 * 1024);
});
