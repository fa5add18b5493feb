/** Filters mean what they say. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { globMatches } from '../../query-api/src/filter/match.ts';
import { BEGIN, MS, SECOND, window } from './rows.ts';
import { insertSamples, MAX } from './samples.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  await insertSamples(scene);
});
after(() => scene.close());

const rows = async (path: string) => (await scene.get(`${path}&${window(300)}&order=time`)).body.data;

/** Filter, and which of the four requests (by second) pass it. */
const REQUEST_FILTERS: readonly (readonly [string, readonly number[]])[] = [
  ['status=200', [1]],
  ['status=5xx', [3]],
  ['status=4xx,5xx', [2, 3]],
  ['status=5%2B', [3]],
  ['status=40%2B', [2]],
  ['status=400..599', [2, 3]],
  ['status=!200', [2, 3, 4]],
  ['http_status_code=..299', [1]],
  ['outcome=no_response', [4]],
  ['outcome=ok,client_error', [1, 2]],
  ['method=post', [2]],
  ['method=!GET', [2]],
  ['path=/items/7', [1]],
  ['path=/items/*', [1, 2]],
  ['path=/items/?', [1]],
  ['path=/items/8,9', [2]],
  ['path=/items/7&path=/cart', [1, 3]],
  ['path=!/items/*', [3, 4]],
  ['path=/100%25_*', [4]],
  ['path=*', [1, 2, 3, 4]],
  ['host=shop.example', [1, 2, 3, 4]],
  ['route=/items/{id}', [1, 2, 3, 4]],
  ['min_duration=50ms', [3]],
  ['max_duration=6ms', [1, 2, 4]],
  ['duration_ns=60ms..', [3]],
  ['source=1', [1, 2, 3]],
  ['source=checkout', [1, 2, 3]],
  ['source=checkout-7d9f-x2', [1, 2, 3]],
  ['source=shop/c*', [1, 2, 3, 4]],
  ['source=shop/cart', [4]],
  ['destination=nginx*', [1, 2, 3, 4]],
  ['endpoint=cart', [4]],
  ['endpoint=!cart', [1, 2, 3]],
  ['source_namespace=shop', [1, 2, 3, 4]],
  ['namespace=shop&workload=cart', [4]],
  ['source=nobody', []],
  ['request_index=1..2', [2, 3]],
  ['node=node-a', [1, 2, 3, 4]],
  ['node=node-b', []],
  ['flow_id=11111111-1111-4111-8111-111111111111.1000.0', [1, 2, 3, 4]],
  ['status=5xx&method=get&path=/cart', [3]],
];

for (const [filter, seconds] of REQUEST_FILTERS) {
  test(`/v1/requests?${filter}`, async () => {
    const found = await rows(`/v1/requests?${filter}`);
    const expected = seconds.map((second) =>
      new Date(Number((BEGIN + BigInt(second) * SECOND) / MS)).toISOString().slice(0, 19),
    );
    assert.deepEqual(
      found.map((row: { time: string }) => row.time.slice(0, 19)),
      expected,
    );
  });
}

/** Filter on flows, and how many of the five pass. */
const FLOW_FILTERS: readonly (readonly [string, number])[] = [
  ['source_address=2001:db8::7', 1],
  ['source_address=2001:db8::/32', 1],
  ['source_address=192.168.3.0/24', 2],
  ['address=10.0.0.2', 5],
  ['address=10.0.0.0/8', 5],
  ['source_address=10.0.0.0/8', 2],
  ['source_address=::ffff:192.168.3.4', 1],
  ['source_address=!192.168.3.4', 4],
  ['protocol=udp', 1],
  ['protocol=17', 1],
  ['protocol=tcp', 4],
  ['port=53', 1],
  ['port=50000..50002', 3],
  ['verdict=dropped', 1],
  ['pid=77', 1],
  ['pid=0', 0],
  ['pid=..100', 1],
  ['application_protocol=tls,http2', 3],
  [`socket_cookie=${MAX}`, 1],
  ['min_duration=61s', 0],
  ['source_endpoint_id=0', 0],
];

for (const [filter, count] of FLOW_FILTERS) {
  test(`/v1/flows?${filter}`, async () => {
    assert.equal((await rows(`/v1/flows?${filter}`)).length, count);
  });
}

for (const [filter, count] of [
  ['kind=retransmit', 1],
  ['cause=timeout', 1],
  ['cause=TCP_INVALID_SEQUENCE', 1],
  ['cause=TCP_*', 1],
  ['kind=drop,connect_failed', 2],
  ['min_duration=1ms', 1],
  ['error_number=111', 1],
] as const) {
  test(`/v1/tcp-events?${filter}`, async () => {
    assert.equal((await rows(`/v1/tcp-events?${filter}`)).length, count);
  });
}

for (const [filter, names] of [
  ['workload=checkout', ['checkout']],
  ['id=2', ['nginx.service']],
  ['kind=pod', ['checkout', 'cart']],
  ['namespace=shop&name=cart*', ['cart']],
  ['address=10.0.0.2', ['nginx.service']],
  ['address=10.0.0.0/30', ['checkout', 'nginx.service', 'cart']],
] as const) {
  test(`/v1/endpoints?${filter}`, async () => {
    const { body } = await scene.get(`/v1/endpoints?${filter}`);
    assert.deepEqual(
      body.data.map((row: { workload: string }) => row.workload),
      names,
    );
  });
}

test('pages of endpoints', async () => {
  const first = await scene.get('/v1/endpoints?limit=2');
  const second = await scene.get(`/v1/endpoints?limit=2&cursor=${first.body.next}`);
  assert.deepEqual(
    [...first.body.data, ...second.body.data].map((row: { endpoint_id: string }) => row.endpoint_id),
    ['1', '2', '3'],
  );
  assert.equal(second.body.next, null);
});

test('patterns match what SQL’s do', () => {
  for (const [pattern, value, expected] of [
    ['*', '', true],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxbyy', false],
    ['?', '', false],
    ['?', 'x', true],
    ['**x', 'yx', true],
    ['a%', 'ab', false],
    ['/x/*', '/x', false],
    ['*a*a*a*a*a*a*b', 'a'.repeat(5000), false],
  ] as const) {
    assert.equal(globMatches(pattern, value), expected, `${pattern} ${value.slice(0, 20)}`);
  }
});
