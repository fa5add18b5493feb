/**
 * Questions about rows whose ends were told wrongly, or not at all, and are decided by who had the address then. Every
 * row is there twice: in cluster `truth` as observed by its very ends, in cluster `told` with stamps that are hints. All
 * that can be asked must be answered alike of both.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { allColumns } from '../../store/remainders.ts';
import { decidedRows } from '../../store/resolved.ts';
import { ENDPOINT_ADDRESSES, ENDPOINTS, FLOWS, REQUESTS, TCP_EVENTS } from '../../store/tables.ts';
import { BEGIN, clientView, endpoint, event, flow, MS, NODE_B, request, SECOND, window } from './rows.ts';
import { Scene } from './scene.ts';

type Row = Record<string, unknown>;

const NEVER = 9_214_646_400_000_000_000n;
const DAY_BEFORE = BEGIN - 86_400n * SECOND;
/** One address that changes hands: the former owner's until 60 s, the later one's from 62 s on. */
const [FORMER, LATER, CALLER, KEPT, STRANGER] = [31n, 32n, 33n, 34n, 77n];
const [SHARED, CALLERS, KEPT_AT] = ['10.1.0.1', '10.1.0.3', '10.1.0.4'];
const HANDED_OVER = [60n * SECOND, 62n * SECOND] as const;

const pod = (id: bigint, workload: string, more: Row): Row =>
  endpoint(id, workload, { kind: 'pod', name: `${workload}-${id}`, workload_kind: 'Deployment', ...more });

const had = (address: string, id: bigint, from: bigint, to: bigint): Row => ({
  ...{ cluster: 'told', address, endpoint_id: id, node: 'node-a', basis: 'node' },
  ...{ valid_from: from, sure_from: from, sure_to: to, valid_to: to, changed_from: from, updated: BEGIN },
});

/** Whom a connection to the shared address that began then led to, if its row was stamped so. */
function owner(began: bigint, stamp: bigint): bigint {
  if (began < HANDED_OVER[0]) return FORMER;
  if (began >= HANDED_OVER[1]) return LATER;
  return stamp === FORMER || stamp === LATER ? 0n : stamp;
}

const STAMPS = [FORMER, LATER, 0n, STRANGER];
const hint = (stamp: bigint) => (stamp === 0n ? 'none' : 'address');

/** One row for each cluster. `began`: when it is asked who had the address, in ns after BEGIN. */
function both(row: Row, end: 'source' | 'destination', began: bigint, stamp: bigint): Row[] {
  const other = end === 'source' ? 'destination' : 'source';
  return [
    {
      ...row,
      cluster: 'truth',
      // another exchange than the other cluster's
      ...(row.request_sequence === undefined ? {} : { request_sequence: (Number(row.request_sequence) + 1) % 2 ** 32 }),
      [`${end}_endpoint_id`]: owner(began, stamp),
      ...{ source_basis: 'cgroup', destination_basis: 'cgroup' },
    },
    {
      ...row,
      cluster: 'told',
      [`${end}_endpoint_id`]: stamp,
      [`${end}_basis`]: hint(stamp),
      [`${other}_basis`]: 'cgroup',
    },
  ];
}

/** Every two seconds from 10 s on; the shared address is now the source's and now the destination's. */
const drawn = Array.from({ length: 60 }, (_, index) => ({
  at: BigInt(10 + 2 * index) * SECOND,
  stamp: STAMPS[index % 4]!,
  shared: index % 3 === 0 ? ('source' as const) : ('destination' as const),
  port: 41_000 + index,
}));

const ends = (shared: 'source' | 'destination'): Row =>
  shared === 'source'
    ? { source_address: SHARED, destination_endpoint_id: KEPT, destination_address: KEPT_AT }
    : { destination_address: SHARED, source_endpoint_id: CALLER, source_address: CALLERS };

/** Requests whose client sees the shared address as a service's: the server's view knows nothing of that. */
const dialled = { service_namespace: 'shop', service_name: 'web', backend_address: SHARED, backend_port: 8080 };

let scene: Scene;
before(async () => {
  scene = await Scene.start();
  const blue = { namespace: 'shop', services: ['web'], node: 'node-b', zone: 'z1' };
  await scene.insert(ENDPOINTS, [
    pod(FORMER, 'web', { ...blue, labels: { version: 'v1' }, containers: { c31: 'main' } }),
    pod(LATER, 'batch', { namespace: 'jobs', zone: 'z2', labels: { version: 'v2' }, workload_kind: 'Job' }),
    pod(CALLER, 'caller', { namespace: 'shop', labels: { role: 'caller' } }),
    pod(KEPT, 'kept', { namespace: 'shop', zone: 'z3' }),
    endpoint(STRANGER, 'stranger'),
  ]);
  await scene.insert(ENDPOINT_ADDRESSES, [
    had(SHARED, FORMER, DAY_BEFORE, BEGIN + HANDED_OVER[0]),
    had(SHARED, LATER, BEGIN + HANDED_OVER[1], NEVER),
    had(CALLERS, CALLER, DAY_BEFORE, NEVER),
    had(KEPT_AT, KEPT, DAY_BEFORE, NEVER),
  ]);
  const requests = drawn.flatMap(({ at, stamp, shared, port }) => {
    const server = request(at, { ...ends(shared), source_port: port, duration_ns: 5n * MS });
    if (shared === 'source') return both(server, 'source', at - 5n * MS, stamp);
    // each end of the exchange knows itself; what the client was stamped with is its other end's
    const client = clientView(server, MS, {
      ...NODE_B,
      ...dialled,
      destination_address: '10.96.0.1',
      destination_port: 80,
    });
    const known = both({ ...server, destination_endpoint_id: owner(at - 5n * MS, 0n) }, 'source', at, CALLER).map(
      (row) => ({
        ...row,
        source_endpoint_id: CALLER,
      }),
    );
    return [...known, ...both(client, 'destination', at - 6n * MS, stamp)];
  });
  await scene.insert(REQUESTS, requests);
  await scene.insert(
    FLOWS,
    drawn.flatMap(({ at, stamp, shared, port }) => {
      // opened five seconds before the interval ended: it is who had the address then
      const row = flow(at, {
        ...ends(shared),
        ...{ source_port: port, socket_cookie: BigInt(port) },
        ...{ connection_age_ns: 5n * SECOND, duration_ns: SECOND },
      });
      const seen = shared === 'source' ? row : { ...row, observation_point: 'client', ...dialled };
      return both(seen, shared, at - 5n * SECOND, stamp);
    }),
  );
  await scene.insert(
    TCP_EVENTS,
    drawn.flatMap(({ at, stamp, shared, port }) =>
      both(event(at, { ...ends(shared), source_port: port, socket_cookie: BigInt(port) }), shared, at, stamp),
    ),
  );
});
after(() => scene.close());

const SPAN = window(140);
const encoded = (parameters: Readonly<Record<string, string>>) => new URLSearchParams(parameters).toString();

async function ask(route: string, cluster: string, parameters: Readonly<Record<string, string>>): Promise<Row[]> {
  const { status, body, text } = await scene.get(
    `/v1/${route}?${SPAN}&${encoded({ limit: '500', ...parameters, cluster })}`,
  );
  assert.equal(status, 200, text);
  return body.data;
}

/** A row without what differs between the clusters by its nature. */
function comparable(row: Row): Row {
  const { cluster, id, other_side, source_basis, destination_basis, request_sequence, ...rest } = row;
  const seen = other_side === null || other_side === undefined ? other_side : { ...(other_side as Row), id: '' };
  return { ...rest, other_side: seen };
}

/** Asks both clusters; the answers must be alike, and some of the rows but not all. */
async function alike(route: string, parameters: Readonly<Record<string, string>>): Promise<Row[]> {
  const [truth, told] = await Promise.all(['truth', 'told'].map((cluster) => ask(route, cluster, parameters)));
  assert.deepEqual(told!.map(comparable), truth!.map(comparable), `${route} ${encoded(parameters)}`);
  return told!;
}

const FILTERS: readonly Readonly<Record<string, string>>[] = [
  { source: 'web' },
  { destination_namespace: 'jobs' },
  { namespace: '!jobs' },
  { source_workload: 'w*' },
  { destination_workload_kind: 'Job' },
  { pod: 'shop/web' },
  { destination_services: 'shop/web' },
  { source_zone: 'z2' },
  { label: 'version in (v1,v3)' },
  { destination_label: '!(version)' },
  { source_node: 'node-b' },
  { destination_node: '!node-b' },
  { destination_endpoint_id: String(LATER) },
  { source_endpoint_id: `!${LATER}`, destination_zone: 'z3' },
  { service: 'shop/web' },
  { service: 'w?b', destination_namespace: 'jobs' },
];

describe('rows, by every filter', () => {
  for (const [index, filter] of FILTERS.entries()) {
    // every filter on requests, each on one of the others
    const other = index % 2 === 0 ? 'flows' : 'tcp-events';
    test(encoded(filter), async () => {
      for (const route of ['requests', ...('service' in filter ? ['flows'] : [other])]) {
        const rows = await alike(route, filter);
        assert.ok(rows.length > 0 && rows.length < 60, `${route}: ${rows.length} rows`);
      }
    });
  }
});

describe('groups', () => {
  const properties = ['namespace', 'workload', 'workload_kind', 'name', 'node', 'zone', 'services', 'label:version'];
  for (const end of ['source', 'destination']) {
    test(`by all that is said of the ${end}`, async () => {
      const group_by = properties.map((property) => `${end}_${property}`).join(',');
      for (const route of ['requests', 'flows', 'tcp-events']) {
        const rows = await alike(route, { group_by, order: `${end}_name` });
        assert.ok(rows.length > 2, route);
      }
    });
  }

  test('by id, by service, and by neither', async () => {
    const keys = [
      'source_endpoint_id,destination_endpoint_id',
      'service,destination_workload',
      'service_name',
      'sample_weight',
    ];
    for (const group_by of keys) await alike('requests', { group_by, order: group_by.split(',')[0]! });
    const byService = await ask('requests', 'told', { group_by: 'service', order: 'service' });
    assert.deepEqual(byService, [
      { service: null, count: '20' },
      { service: 'shop/web', count: '40' },
    ]);
  });
});

test('rows say whom they are decided to be, page by page, in any order', async () => {
  for (const [route, order] of [
    ['requests', '-time'],
    ['requests', '-destination_port'],
    ['flows', 'time'],
  ] as const) {
    const pages: Row[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const path = `/v1/${route}?${SPAN}&cluster=told&order=${order}&limit=9&destination_namespace=jobs${next === '' ? '' : `&cursor=${next}`}`;
      const { body } = await scene.get(path);
      pages.push(...body.data);
      next = body.next;
    }
    assert.deepEqual(
      pages.map(comparable),
      (await ask(route, 'truth', { order, destination_namespace: 'jobs' })).map(comparable),
    );
  }
});

test('a request is found by its id, whoever its ends are decided to be; its service is told by the client', async () => {
  const rows = await ask('requests', 'told', { source: 'caller', destination: 'batch', limit: '3' });
  assert.equal(rows.length, 3);
  for (const row of rows) {
    const { status, body } = await scene.get(`/v1/requests/${row.id}`);
    assert.equal(status, 200);
    assert.deepEqual(body.data.request, row);
    assert.equal(row.destination_name, `batch-${LATER}`);
    assert.deepEqual([row.service_namespace, row.service_name], ['shop', 'web']);
    assert.deepEqual([row.backend_address, row.backend_port], [SHARED, 8080]);
    assert.equal(body.data.views.server.service_name, null);
    assert.equal(body.data.views.client.destination_name, `batch-${LATER}`);
    assert.equal(body.data.flows[0].destination_name, `batch-${LATER}`);
    const other = await scene.get(`/v1/requests/${(row.other_side as Row).id}`);
    assert.deepEqual(other.body.data.request, row);
  }
});

test('edges: whatever is built of them, by labels, by service', async () => {
  const keys = 'source_workload,destination_workload';
  for (const more of [{}, { destination_label: 'version' }, { source_label: 'version=v2' }, { service: 'shop/web' }]) {
    const rows = await alike('edges', { group_by: keys, order: 'source_workload', ...more });
    assert.ok(rows.length > 0);
  }
  const { body } = await scene.get(
    `/v1/edges?${SPAN}&cluster=told&group_by=service,destination_workload&order=destination_workload`,
  );
  assert.equal(body.from, 'rows');
  const shown = body.data.map((row: Row) => [row.service, row.destination_workload, row.requests]);
  assert.deepEqual(
    shown,
    (await ask('edges', 'truth', { group_by: 'service,destination_workload', order: 'destination_workload' })).map(
      (row) => [row.service, row.destination_workload, row.requests],
    ),
  );
  assert.ok(shown.some(([service, workload]: unknown[]) => service === 'shop/web' && workload === 'batch'));
});

test('claims picked out by what rows ask for decide as all of them', async () => {
  const reader = scene.store.reader({ database: 'flowspan' });
  for (const table of [FLOWS, REQUESTS, TCP_EVENTS]) {
    const decided = async (onlyAsked: boolean) => {
      const rows = decidedRows(table, {
        from: `(SELECT ${allColumns(table, 't')} FROM ${table.name} AS t)`,
        ends: ['source', 'destination'],
        onlyAsked,
      });
      const query = `SELECT time, source_port, toString(source_endpoint_id) AS source, toString(destination_endpoint_id) AS destination FROM (${rows}) ORDER BY ALL`;
      return await (await reader.query({ query, format: 'JSONEachRow' })).json<Row>();
    };
    const all = await decided(false);
    assert.ok(all.some(({ destination }) => destination === String(LATER)));
    assert.deepEqual(await decided(true), all);
  }
});

test('answers say until when ends are settled', async () => {
  const past = (await scene.get(`/v1/requests?${SPAN}`)).body.completeness;
  assert.equal(
    past.identities_settled_until,
    new Date(Number((BEGIN + 140n * SECOND) / MS)).toISOString().replace('000Z', '000000000Z'),
  );
  const recent = (await scene.get('/v1/requests?since=10m')).body.completeness;
  const ago = Date.now() - Date.parse(recent.identities_settled_until);
  assert.ok(ago >= 90_000 && ago < 100_000, `${ago} ms`);
  assert.equal((await scene.get('/v1/requests?since=30s')).body.completeness.identities_settled_until, null);
});
