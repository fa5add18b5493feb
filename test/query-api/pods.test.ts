/** Filters and groups by what Kubernetes says of the ends, as it was at the time of each row. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseSelector, selectorHolds } from '../../query-api/src/filter/selector.ts';
import { ENDPOINTS, FLOWS, REQUESTS } from '../../store/tables.ts';
import { BEGIN, endpoint, flow, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';
import { LABELLED, SELECTORS, WRONG } from './selectors.ts';

type Row = Record<string, unknown>;

/** A pod of namespace shop. */
const pod = (id: bigint, workload: string, more: Row = {}): Row =>
  endpoint(id, workload, {
    kind: 'pod',
    namespace: 'shop',
    name: `${workload}-7d9f-${id}`,
    workload_kind: 'Deployment',
    zone: 'z1',
    containers: { [`c${id}`]: 'main' },
    ...more,
  });

const FIRST_LABELLED = 101n;
/** Of the pod that is given other labels, another service and a second container while it is there. */
const CHANGING = 20n;
const CHANGED_S = 100n;

/** Endpoints of many intervals, and what was asked of them when; by numbers drawn once and for all. */
const DRAWN = (() => {
  let seed = 7;
  const draw = (most: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * most);
  };
  const intervals = Array.from({ length: 40 }, (_, index) => {
    const times = Array.from({ length: 1 + draw(4) }, () => 300 + draw(250)).toSorted((a, b) => a - b);
    const labels = () => ({ ...(draw(3) > 0 ? { v: String(draw(3)) } : {}), ...(draw(2) > 0 ? { w: 'x' } : {}) });
    return { id: 200n + BigInt(index), spans: [...new Set(times)].map((from) => ({ from, labels: labels() })) };
  });
  const requests = Array.from({ length: 400 }, (_, index) => ({ at: 300 + draw(290), of: draw(40), index }));
  return { intervals, requests };
})();

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  const changing = { services: ['web', 'web-old'], labels: { version: 'v1', app: 'web' } };
  await scene.insert(ENDPOINTS, [
    pod(11n, 'web', { services: ['web'], node: 'node-b', zone: 'z2' }),
    pod(12n, 'web-cache', { namespace: 'other', workload_kind: 'StatefulSet', services: ['web'] }),
    pod(13n, 'proxied', { containers: { a: 'main', b: 'proxy' }, zone: '' }),
    endpoint(14n, 'web.service'),
    pod(CHANGING, 'web', changing),
    pod(CHANGING, 'web', {
      valid_from: BEGIN + CHANGED_S * SECOND,
      labels: { version: 'v2', app: 'web' },
      services: ['web'],
      containers: { c20: 'main', c21: 'debugger' },
    }),
    // known from a while after its first request on; a second row for the same time replaces the first
    pod(21n, 'late', { valid_from: BEGIN + 70n * SECOND, labels: { version: 'v1' }, updated: BEGIN }),
    pod(21n, 'late', { valid_from: BEGIN + 70n * SECOND, labels: { version: 'v3' }, updated: BEGIN + SECOND }),
    ...Object.entries(LABELLED).map(([name, labels], index) =>
      pod(FIRST_LABELLED + BigInt(index), name, { namespace: 'labelled', labels }),
    ),
    ...DRAWN.intervals.flatMap(({ id, spans }) =>
      spans.map(({ from, labels }) => pod(id, 'drawn', { valid_from: BEGIN + BigInt(from) * SECOND, labels })),
    ),
  ]);
  const from = (source: bigint, at: bigint, more: Row = {}) =>
    request(at, { source_endpoint_id: source, source_port: 41_000 + Number(source), ...more });
  await scene.insert(REQUESTS, [
    from(11n, 1n * SECOND),
    from(12n, 2n * SECOND),
    from(13n, 3n * SECOND),
    from(14n, 4n * SECOND),
    from(999n, 5n * SECOND),
    from(0n, 6n * SECOND),
    ...[50n * SECOND, 100n * SECOND - 1n, 100n * SECOND, 150n * SECOND].map((at) => from(CHANGING, at)),
    from(21n, 60n * SECOND),
    ...Object.keys(LABELLED).map((_name, index) => from(FIRST_LABELLED + BigInt(index), 200n * SECOND)),
    ...DRAWN.requests.map(({ at, of, index }) =>
      from(200n + BigInt(of), BigInt(at) * SECOND, { request_index: index }),
    ),
  ]);
  await scene.insert(FLOWS, [
    flow(10n * SECOND, { source_endpoint_id: CHANGING, destination_endpoint_id: 11n }),
    flow(110n * SECOND, { source_endpoint_id: CHANGING, destination_endpoint_id: 11n }),
    flow(20n * SECOND, { source_endpoint_id: 13n, destination_endpoint_id: 12n }),
  ]);
});
after(() => scene.close());

const encoded = (parameters: Readonly<Record<string, string>>) => new URLSearchParams(parameters).toString();

async function ask(route: string, parameters: Readonly<Record<string, string>>, seconds = window(190)) {
  const { status, body, text } = await scene.get(`/v1/${route}?${seconds}&${encoded(parameters)}`);
  assert.equal(status, 200, text);
  return body;
}

/** Filter on the source, and which of the requests of the first 190 s pass it, by endpoint id. */
const FILTERS: readonly (readonly [Readonly<Record<string, string>>, readonly string[]])[] = [
  [{ source_pod: 'web' }, ['11', '12', '20', '20', '20', '20']],
  [{ source_pod: 'shop/web' }, ['11', '20', '20', '20', '20']],
  [{ source_pod: 'shop/web-7d9f-1' }, ['11']],
  [{ source_pod: 'other/' }, ['12']],
  [{ source_pod: 'o*/web-c?che' }, ['12']],
  [{ source_pod: '!shop/' }, ['null', '12', '14', '999']],
  [{ pod: 'shop/proxied,other/' }, ['12', '13']],
  [{ source_workload_kind: 'StatefulSet' }, ['12']],
  [{ source_zone: 'z2' }, ['11']],
  [{ zone: '!z1' }, ['null', '11', '13', '14', '999']],
  [{ source_node: 'node-b' }, ['11']],
  [{ source_services: 'web' }, ['11', '12', '20', '20', '20', '20']],
  [{ source_services: 'shop/web' }, ['11', '20', '20', '20', '20']],
  [{ source_services: 'web-old' }, ['20', '20']],
  [{ source_container: 'main' }, ['11', '12', '20', '20', '21']],
  [{ source_container: 'proxy' }, []],
  [{ source_label: 'version=v1' }, ['20', '20']],
  [{ source_label: 'version in (v2,v3)' }, ['20', '20', '21']],
  [{ source_label: 'version' }, ['20', '20', '20', '20', '21']],
  [{ source_label: '!version' }, ['11', '12', '13', '14']],
  [{ source_label: '!(version)' }, ['null', '11', '12', '13', '14', '999']],
  [{ source_label: '!( version = v1 )' }, ['null', '11', '12', '13', '14', '20', '20', '21', '999']],
  [{ label: 'app=web', source_pod: 'shop/web' }, ['20', '20', '20', '20']],
];

describe('filters', () => {
  for (const [filter, ids] of FILTERS) {
    test(encoded(filter), async () => {
      const { data } = await ask('requests', { ...filter, source_namespace: '!labelled' });
      const found = data.map((row: Row) => String(row.source_endpoint_id));
      assert.deepEqual(found.toSorted(), ids.toSorted());
    });
  }

  test('several values mean any of them', async () => {
    const query = `${encoded({ source_label: 'version=v2' })}&${encoded({ source_label: 'version=v3' })}`;
    const { body } = await scene.get(`/v1/requests?${window(190)}&${query}`);
    assert.equal(body.data.length, 3);
  });

  for (const [selector, names] of SELECTORS) {
    test(`labels ${selector}`, async () => {
      const { data } = await ask(
        'requests',
        { source_namespace: 'labelled', source_label: selector },
        window(210, 190),
      );
      const found = data.map((row: Row) => String(row.source_workload));
      assert.deepEqual(found.toSorted(), names.toSorted());
      const endpoints = await ask('endpoints', { namespace: 'labelled', label: selector });
      assert.deepEqual(endpoints.data.map((row: Row) => String(row.workload)).toSorted(), names.toSorted());
    });
  }

  test('each row by the interval that holds its time', async () => {
    for (const selector of ['v=0', 'v!=0', '!v', 'v in (1,2),w', 'w,!v']) {
      const { data } = await ask(
        'requests',
        { source_workload: 'drawn', source_label: selector, limit: '1000' },
        window(600, 300),
      );
      const expected = DRAWN.requests.filter(({ at, of }) => {
        const { spans } = DRAWN.intervals[of]!;
        const span = spans.findLast(({ from }) => from <= at) ?? spans[0]!;
        return selectorHolds(parseSelector(selector), span.labels as Record<string, string>);
      });
      const found = data.map((row: Row) => Number(row.request_index));
      assert.ok(expected.length > 20, `${selector} selects ${expected.length}`);
      assert.deepEqual(found.toSorted(), expected.map(({ index }) => index).toSorted(), selector);
    }
  });
});

test('rows say who the ends are', async () => {
  const { data } = await ask('requests', { source: '11' });
  const { source_name, source_container, source_node, source_zone, source_workload_kind } = data[0];
  assert.deepEqual([source_name, source_container, source_node], ['web-7d9f-11', 'main', 'node-b']);
  assert.deepEqual([source_zone, source_workload_kind], ['z2', 'Deployment']);
  const several = await ask('requests', { source: '13' });
  assert.deepEqual([several.data[0].source_container, several.data[0].source_zone], [null, null]);
});

test('groups by what an end was at the time', async () => {
  const of = async (route: string, ...keys: string[]) => {
    const { data } = await ask(route, { group_by: keys.join(','), source: '20', order: keys[0]! });
    return data.map((row: Row) => [...keys.map((key) => row[key]), row.count]);
  };
  assert.deepEqual(await of('requests', 'source_label:version', 'source_services'), [
    ['v1', 'web,web-old', '2'],
    ['v2', 'web', '2'],
  ]);
  assert.deepEqual(await of('requests', 'source_container'), [
    [null, '2'],
    ['main', '2'],
  ]);
  assert.deepEqual(await of('flows', 'source_label:version', 'destination_zone', 'destination_node'), [
    ['v1', 'z2', 'node-b', '1'],
    ['v2', 'z2', 'node-b', '1'],
  ]);
  assert.deepEqual(await of('flows', 'source_workload', 'source_label:no/such'), [['web', null, '2']]);
});

test('edges: stable properties from minutes, labels from rows', async () => {
  const zone = await ask('edges', { source_zone: 'z1', group_by: 'source_workload,source_zone' }, window(180));
  assert.equal(zone.from, 'edges_1m');
  assert.deepEqual(zone.data.map((row: Row) => [row.source_workload, row.source_zone, row.requests]).toSorted(), [
    ['late', 'z1', '1'],
    ['web', 'z1', '4'],
    ['web-cache', 'z1', '1'],
  ]);
  const label = await ask('edges', { source_label: 'version=v1', group_by: 'source_workload' }, window(180));
  assert.equal(label.from, 'rows');
  assert.deepEqual([label.data[0].requests, label.data[0].connections_opened], ['2', '0']);
  const refused = await scene.get(`/v1/edges?${window(180)}&group_by=source_label:version`);
  assert.equal(refused.body.code, 'FLOW_QUERY_BAD_VALUE');
});

test('what is no selector is refused, and what to do is said', async () => {
  for (const [selector, at] of WRONG) {
    for (const route of ['requests', 'edges', 'endpoints', 'live'] as const) {
      const name = route === 'endpoints' ? 'label' : 'source_label';
      const { status, body } = await scene.get(`/v1/${route}?${encoded({ [name]: selector })}`);
      assert.equal(status, 400, `${route} ${selector}`);
      assert.deepEqual([body.code, body.parameter, body.value], ['FLOW_QUERY_BAD_SELECTOR', name, selector]);
      assert.match(body.detail, new RegExp(`at character ${at}, `));
      assert.match(body.next_step, /kubectl get -l/);
    }
    if (selector.length > 40) break;
  }
  const long = await scene.get(`/v1/requests?${encoded({ label: `k in (${'a,'.repeat(3000)}a)` })}`);
  assert.equal(long.body.code, 'FLOW_QUERY_BAD_SELECTOR');
});
