/** Random questions: understood or refused, never a failure of the API, the store or the process. */
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { EDGE_FILTERS } from '../../query-api/src/edges.ts';
import { groupNames } from '../../query-api/src/grouping.ts';
import { measureOf } from '../../query-api/src/measures.ts';
import { GENERAL_PARAMETERS } from '../../query-api/src/question.ts';
import { ENDPOINT_FILTERS } from '../../query-api/src/sql/endpoints.ts';
import { FLOWS_DEFINITION } from '../../query-api/src/sql/flows.ts';
import { REQUESTS_DEFINITION } from '../../query-api/src/sql/requests.ts';
import { TCP_EVENTS_DEFINITION } from '../../query-api/src/sql/tcp_events.ts';
import { VERDICTS_DEFINITION } from '../../query-api/src/sql/verdicts.ts';
import { insertSamples } from './samples.ts';
import { Scene } from './scene.ts';

const SEED = Number(process.env.FLOWSPAN_TEST_SEED ?? 20261121);
const QUESTIONS = 250;

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  await insertSamples(scene);
});
after(() => scene.close());

/** Numbers from 0 to below `limit`, the same for the same seed. */
function dice(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const ROUTES = [
  ['flows', [...FLOWS_DEFINITION.filters.keys()]],
  ['requests', [...REQUESTS_DEFINITION.filters.keys()]],
  ['tcp-events', [...TCP_EVENTS_DEFINITION.filters.keys()]],
  ['verdicts', [...VERDICTS_DEFINITION.filters.keys()]],
  ['edges', [...EDGE_FILTERS.keys()]],
  ['endpoints', [...ENDPOINT_FILTERS.keys()]],
] as const;

const VALUES = [
  ...[
    '',
    '0',
    '1',
    '-1',
    '!',
    '!!',
    '!1',
    '..',
    '1..',
    '..1',
    '1..2',
    '2..1',
    '18446744073709551615',
    '1e9',
    'NaN',
    '0x1f',
  ],
  ...[
    'tcp',
    'GET',
    'get',
    'ok',
    'server',
    'client,server',
    'true',
    'false',
    '5xx',
    '5+',
    'xxx',
    '404,503',
    'none',
    'timeout',
  ],
  ...[
    '15m',
    '1h',
    '-1h',
    '0s',
    '50ms',
    '999999999999d',
    '2026-11-21T00:00:00Z',
    '2026-11-21',
    '1795263192',
    '1795263192.5',
  ],
  ...['10.0.0.1', '10.0.0.0/8', '::1', '::/0', '0.0.0.0/0', 'fe80::1%eth0', '::ffff:10.0.0.1', '1.2.3'],
  ...[
    '*',
    '?',
    '**',
    '%',
    '_',
    '\\',
    "'",
    '"',
    '`',
    ';',
    '{p0:String}',
    '/*',
    '--',
    '\u0000',
    '\ud83d\ude00',
    'a'.repeat(3000),
  ],
  ...[
    'count',
    'p99_duration_ns',
    'sum_bytes_sent',
    'avg_srtt_us',
    'error_ratio',
    'max_time',
    'node',
    'source_workload',
  ],
  ...[
    'time',
    '-time',
    '-count',
    'interval_start',
    'status',
    'http_path',
    'trace_id',
    'flow_id',
    'requests',
    '-requests',
  ],
  ...['json', 'ndjson', '00000000000000000000000000000000', '11111111-1111-4111-8111-111111111111', '1.1.1'],
];

test(`random questions (seed ${SEED})`, async () => {
  const roll = dice(SEED);
  const statuses = new Map<number, number>();
  for (let index = 0; index < QUESTIONS; index += 1) {
    const [route, filters] = ROUTES[roll(ROUTES.length)]!;
    const names = [...filters, ...Object.keys(GENERAL_PARAMETERS), 'nonsense'];
    const query = new URLSearchParams();
    for (let count = roll(4) + 1; count > 0; count -= 1) {
      query.append(names[roll(names.length)]!, VALUES[roll(VALUES.length)]!);
    }
    const answer = await scene.get(`/v1/${route}?${query}`);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    assert.ok([200, 400, 422].includes(answer.status), `/v1/${route}?${query}: ${answer.text}`);
    if (answer.status !== 200) assert.match(answer.body.code, /^FLOW_QUERY_(UNKNOWN_PARAMETER|BAD_|RANGE_|TOO_LONG)/);
  }
  assert.ok((statuses.get(200) ?? 0) > 15, JSON.stringify([...statuses]));
});

test('each filter alone: the store understands whatever is let through', async () => {
  const roll = dice(SEED + 1);
  const tried = new Set<string>();
  for (const [route, filters] of ROUTES) {
    for (const name of filters) {
      // One of another route by the same name is mostly the same.
      if (tried.has(name) && roll(4) > 0) continue;
      tried.add(name);
      const values = Array.from({ length: 3 }, () => VALUES[roll(VALUES.length)]!);
      const query = new URLSearchParams(values.map((value): [string, string] => [name, value]));
      const answer = await scene.get(`/v1/${route}?${query}`);
      assert.ok([200, 400, 422].includes(answer.status), `/v1/${route}?${query}: ${answer.text}`);
    }
  }
});

test('each measure and each group is understood by the store', async () => {
  for (const [route, definition] of [
    ['flows', FLOWS_DEFINITION],
    ['requests', REQUESTS_DEFINITION],
    ['tcp-events', TCP_EVENTS_DEFINITION],
    ['verdicts', VERDICTS_DEFINITION],
  ] as const) {
    const numeric = definition.table.columns.map((column) => column.name);
    const measures = ['sum', 'avg', 'min', 'max', 'p50', 'p999']
      .flatMap((word) => numeric.map((name) => `${word}_${name}`))
      .filter((name) => measureOf(definition, name) !== undefined);
    for (let at = 0; at < measures.length; at += 40) {
      const answer = await scene.get(
        `/v1/${route}?since=2h&group_by=node&measures=${measures.slice(at, at + 40).join(',')}`,
      );
      assert.equal(answer.status, 200, answer.text);
    }
    const names = groupNames(definition);
    for (let at = 0; at < names.length; at += 12) {
      const answer = await scene.get(`/v1/${route}?since=2h&group_by=${names.slice(at, at + 12).join(',')}`);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.body.data.length > 0);
    }
  }
});

test('request lines that are no URL', async () => {
  const { hostname, port } = new URL(scene.url);
  for (const path of [
    '//',
    '/%',
    '/v1/flows?%',
    '/v1/flows?%ff',
    '/v1/requests/%2e%2e',
    '/v1/requests/%',
    '/v1/flows?=',
    '/v1/flows?&&&',
    '*',
  ]) {
    const status = await new Promise<number>((resolve, reject) => {
      httpRequest({ hostname, port, path, headers: { host: `${hostname}:${port}` } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });
    assert.ok(status >= 200 && status < 500, `${path}: ${status}`);
  }
  assert.equal((await scene.get('/healthz')).status, 200);
});
