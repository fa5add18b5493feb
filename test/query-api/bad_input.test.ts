/** What is not understood is refused, with what was wrong and what is allowed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.start();
});
after(() => scene.close());

/** Path, status, code, parameter that is named. */
const TABLE: readonly (readonly [string, number, string, string?])[] = [
  ['/v1/flows?nonsense=1', 400, 'UNKNOWN_PARAMETER', 'nonsense'],
  ['/v1/flows?status=200', 400, 'UNKNOWN_PARAMETER', 'status'],
  ['/v1/flows?__proto__=1', 400, 'UNKNOWN_PARAMETER', '__proto__'],
  ['/v1/requests?http_statuscode=200', 400, 'UNKNOWN_PARAMETER', 'http_statuscode'],
  ['/v1/endpoints?measures=count', 400, 'UNKNOWN_PARAMETER', 'measures'],
  ['/v1/edges?measures=count', 400, 'UNKNOWN_PARAMETER', 'measures'],
  ['/v1/requests?status=abc', 400, 'BAD_VALUE', 'status'],
  ['/v1/requests?status=99', 400, 'BAD_VALUE', 'status'],
  ['/v1/requests?status=6xxx', 400, 'BAD_VALUE', 'status'],
  ['/v1/requests?status=599..500', 400, 'BAD_VALUE', 'status'],
  ['/v1/requests?status=', 400, 'BAD_VALUE', 'status'],
  ['/v1/requests?outcome=bad', 400, 'BAD_VALUE', 'outcome'],
  ['/v1/requests?min_duration=50', 400, 'BAD_VALUE', 'min_duration'],
  ['/v1/requests?min_duration=-5ms', 400, 'BAD_VALUE', 'min_duration'],
  ['/v1/requests?trace_id=xyz', 400, 'BAD_VALUE', 'trace_id'],
  ['/v1/requests?path=', 400, 'BAD_VALUE', 'path'],
  ['/v1/requests?has_trace=yes', 400, 'BAD_VALUE', 'has_trace'],
  ['/v1/requests?flow_id=1.2.3', 400, 'BAD_VALUE', 'flow_id'],
  ['/v1/flows?source_address=10.0.0.256', 400, 'BAD_VALUE', 'source_address'],
  ['/v1/flows?source_address=10.0.0.0/33', 400, 'BAD_VALUE', 'source_address'],
  ['/v1/flows?address=10.0.0', 400, 'BAD_VALUE', 'address'],
  ['/v1/flows?address=2130706433', 400, 'BAD_VALUE', 'address'],
  ['/v1/flows?port=http', 400, 'BAD_VALUE', 'port'],
  ['/v1/flows?port=1..2..3', 400, 'BAD_VALUE', 'port'],
  ['/v1/flows?port=..', 400, 'BAD_VALUE', 'port'],
  ['/v1/flows?socket_cookie=18446744073709551616', 400, 'BAD_VALUE', 'socket_cookie'],
  ['/v1/flows?verdict=ALLOWED', 400, 'BAD_VALUE', 'verdict'],
  ['/v1/flows?protocol=ipx', 400, 'BAD_VALUE', 'protocol'],
  ['/v1/flows?source=ns/', 400, 'BAD_VALUE', 'source'],
  ['/v1/tcp-events?kind=reset', 400, 'BAD_VALUE', 'kind'],
  ['/v1/flows?since=yesterday', 400, 'BAD_VALUE', 'since'],
  ['/v1/flows?since=2026-13-01T00:00:00Z', 400, 'BAD_VALUE', 'since'],
  ['/v1/flows?since=15x', 400, 'BAD_VALUE', 'since'],
  ['/v1/flows?since=99999999999', 400, 'BAD_VALUE', 'since'],
  ['/v1/flows?since=5m&until=10m', 400, 'BAD_VALUE', 'since'],
  ['/v1/flows?since=5m&since=6m', 400, 'BAD_VALUE', 'since'],
  ['/v1/flows?since=400d', 422, 'RANGE_TOO_LONG'],
  ['/v1/flows?limit=0', 400, 'BAD_VALUE', 'limit'],
  ['/v1/flows?limit=1e3', 400, 'BAD_VALUE', 'limit'],
  ['/v1/flows?limit=100000000', 400, 'BAD_VALUE', 'limit'],
  ['/v1/flows?order=command', 400, 'BAD_VALUE', 'order'],
  ['/v1/flows?order=time;DROP', 400, 'BAD_VALUE', 'order'],
  ['/v1/flows?format=xml', 400, 'BAD_VALUE', 'format'],
  ['/v1/flows?cursor=abc', 400, 'BAD_CURSOR', 'cursor'],
  ['/v1/flows?group_by=time', 400, 'BAD_VALUE', 'group_by'],
  ['/v1/flows?group_by=', 400, 'BAD_VALUE', 'group_by'],
  ['/v1/flows?group_by=node&measures=p42_duration_ns', 400, 'BAD_VALUE', 'measures'],
  ['/v1/flows?group_by=node&measures=sum_command', 400, 'BAD_VALUE', 'measures'],
  ['/v1/flows?group_by=node&order=-p99_srtt_us', 400, 'BAD_VALUE', 'order'],
  ['/v1/flows?measures=count', 400, 'BAD_VALUE', 'measures'],
  ['/v1/flows?interval=1m&interval=2m', 400, 'BAD_VALUE', 'interval'],
  ['/v1/flows?interval=1ms', 400, 'BAD_VALUE', 'interval'],
  ['/v1/edges?group_by=resource', 400, 'BAD_VALUE', 'group_by'],
  ['/v1/edges?order=-time', 400, 'BAD_VALUE', 'order'],
  ['/v1/endpoints?address=x', 400, 'BAD_VALUE', 'address'],
  ['/v1/live?nonsense=1', 400, 'UNKNOWN_PARAMETER', 'nonsense'],
  ['/v1/live?types=dns', 400, 'BAD_VALUE', 'types'],
  ['/v1/live?types=flow&status=200', 400, 'NOTHING_LEFT', 'types'],
  ['/v1/live', 426, 'WEBSOCKET_ONLY'],
  ['/v1/nothing', 404, 'NOT_FOUND'],
];

for (const [path, status, code, parameter] of TABLE) {
  test(`${path} is refused`, async () => {
    const answer = await scene.get(path);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.type, /^application\/problem\+json/);
    assert.equal(answer.body.code, `FLOW_QUERY_${code}`);
    assert.equal(answer.body.status, status);
    for (const member of ['type', 'title', 'detail', 'instance']) assert.equal(typeof answer.body[member], 'string');
    if (parameter === undefined) return;
    assert.equal(answer.body.parameter, parameter);
    assert.ok(answer.body.allowed.length > 0, 'says what is allowed');
  });
}

test('other methods are refused as problems', async () => {
  for (const method of ['POST', 'DELETE']) {
    const response = await fetch(`${scene.url}/v1/flows`, { method, body: method === 'POST' ? '{}' : null });
    assert.equal(response.status, 404);
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
  }
});

test('what looks like SQL is a value like any other', async () => {
  for (const value of ["' OR 1=1 --", '{p0:String}', '\\', '%', '`', "x'); DROP TABLE flows; --", '\u0000']) {
    const answer = await scene.get(
      `/v1/requests?path=${encodeURIComponent(value)}&source=${encodeURIComponent(value)}`,
    );
    assert.equal(answer.status, 200, `${value}: ${answer.text}`);
    assert.deepEqual(answer.body.data, []);
  }
});

test('a long list of values is taken up to its limit', async () => {
  const ports = (count: number) => Array.from({ length: count }, (_, index) => index + 1).join(',');
  assert.equal((await scene.get(`/v1/flows?port=${ports(100)}`)).status, 200);
  assert.equal((await scene.get(`/v1/flows?port=${ports(101)}`)).status, 400);
  const paths = Array.from({ length: 100 }, () => `path=/${'x'.repeat(100)}${Math.random()}`).join('&');
  const tooLong = await scene.get(`/v1/requests?${paths}`);
  assert.equal(tooLong.status, 422);
  assert.equal(tooLong.body.code, 'FLOW_QUERY_TOO_LONG');
});
