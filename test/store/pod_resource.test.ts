/** A pod's Resource: what the collector sends and what the view `otel_traces` says are the same. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import type { Identity, PodFacts } from '../../collector/src/control/identity.ts';
import { Endpoints } from '../../collector/src/correlate/endpoints.ts';
import { Resources, serviceName } from '../../collector/src/deliver/spans/resources.ts';
import { Reporter, type ReporterOptions } from '../../collector/src/reporter.ts';
import { migrate } from '../../store/migrate.ts';
import { insertColumns } from '../../store/remainders.ts';
import { encodeRow } from '../../store/rowbinary.ts';
import { ENDPOINTS, REQUESTS, type Table } from '../../store/tables.ts';
import { RunningStore } from './running_store.ts';

const NOW = BigInt(Date.now()) * 1_000_000n;
const SCOPE = { cluster: 'prod', node: 'node-a', boot_id: '11111111-1111-4111-8111-111111111111' };
const VERSION = '1.2.3';

type Pod = Partial<Omit<Identity, 'pod'>> & { readonly pod?: Partial<PodFacts> };

function identity(id: bigint, { pod, ...own }: Pod): Identity {
  const facts: PodFacts = {
    uid: `uid-${id}`,
    workloadKind: 'Deployment',
    node: 'node-a',
    zone: 'z1',
    serviceAccount: 'default',
    hostNetwork: false,
    services: [],
    containers: new Map([['c1', 'main']]),
    ...pod,
  };
  const names = { namespace: 'shop', workload: 'web', name: `web-${id}`, containerId: '', cgroupPath: '' };
  return { id, kind: 'pod', here: true, labels: {}, ...names, ...own, pod: facts };
}

const LABELS = {
  'app.kubernetes.io/name': 'web-part',
  'app.kubernetes.io/instance': 'release',
  'app.kubernetes.io/version': '9',
};

/** What is expected beside what every pod of this file has. */
const CASES: readonly (readonly [string, Pod, Record<string, string>])[] = [
  [
    'a Deployment',
    {},
    { 'k8s.deployment.name': 'web', 'service.name': 'web', 'service.instance.id': 'shop.web-1.main' },
  ],
  [
    'a StatefulSet on another node, with a tag and a registry with a port',
    {
      pod: { workloadKind: 'StatefulSet', node: 'node-b', images: new Map([['main', 'registry.test:5000/a/web:1.4']]) },
    },
    { 'k8s.statefulset.name': 'web', 'k8s.node.name': 'node-b', 'service.version': '1.4' },
  ],
  [
    'a tag and a digest',
    { pod: { images: new Map([['main', 'web:1.4@sha256:abcd']]) } },
    { 'service.version': '1.4@sha256:abcd' },
  ],
  ['a digest', { pod: { images: new Map([['main', 'a/web@sha256:abcd']]) } }, { 'service.version': 'sha256:abcd' }],
  ['an image of no version', { pod: { images: new Map([['main', 'host:5000/web']]) } }, {}],
  [
    'several containers: which one it was is not known',
    {
      pod: {
        containers: new Map([
          ['c1', 'main'],
          ['c2', 'proxy'],
        ]),
        images: new Map([
          ['main', 'web:1'],
          ['proxy', 'proxy:2'],
        ]),
      },
    },
    { 'service.instance.id': 'shop.web-6', 'k8s.container.name': '' },
  ],
  [
    'a container that was restarted',
    {
      containerId: 'c2',
      pod: {
        containers: new Map([
          ['c1', 'main'],
          ['c2', 'main'],
        ]),
      },
    },
    { 'k8s.container.name': 'main', 'container.id': 'c2' },
  ],
  [
    'annotations, which say nothing of what is known',
    {
      pod: {
        resourceAttributes: {
          'service.name': 'shop-web',
          'service.namespace': 'team-a',
          'service.version': '7',
          'service.instance.id': 'one',
          'deployment.environment.name': 'staging',
          'k8s.pod.name': 'another',
          'host.name': 'elsewhere',
        },
        images: new Map([['main', 'web:1']]),
      },
    },
    {
      'service.name': 'shop-web',
      'service.namespace': 'team-a',
      'service.version': '7',
      'service.instance.id': 'one',
      'deployment.environment.name': 'staging',
      'k8s.pod.name': 'web-8',
      'host.name': 'node-a',
    },
  ],
  ['labels that nobody asked for', { labels: LABELS }, { 'service.name': 'web' }],
  [
    'a pod of no workload',
    { workload: '', pod: { workloadKind: 'Pod' } },
    { 'service.name': 'web-10', 'k8s.deployment.name': '' },
  ],
];

let store: RunningStore;
before(async () => {
  store = await RunningStore.start();
  await migrate(store.writer(), 'flowspan');
});
after(() => store.close());

async function insert(table: Table, rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const { stream } = await store.writer({ database: 'flowspan' }).exec({
    query: `INSERT INTO ${table.name} ${insertColumns(table)} FORMAT RowBinary`,
    values: Readable.from([Buffer.concat(rows.map((row) => encodeRow(table, row)))], { objectMode: false }),
  });
  stream.resume();
  await finished(stream);
}

/** Stores endpoints by way of the collector's own reporter. */
async function tell(identities: readonly Identity[], serviceLabels: boolean): Promise<void> {
  const endpoints = new Endpoints(100);
  for (const one of identities) endpoints.number(one, 0, NOW - 60_000_000_000n);
  const rows: Record<string, unknown>[] = [];
  const delivery = { add: (_table: Table, row: Record<string, unknown>) => rows.push(row) };
  const options = { scope: SCOPE, endpoints, delivery, nowNs: () => NOW, startedNs: NOW, serviceLabels };
  new Reporter(options as unknown as ReporterOptions).tellEndpoints();
  await insert(ENDPOINTS, rows);
}

const request = (id: bigint) => ({
  ...SCOPE,
  time: NOW,
  source_endpoint_id: 999n,
  destination_endpoint_id: id,
  destination_address: '10.0.0.2',
  request_sequence: Number(id),
  response_sequence: 1,
  observation_point: 'server',
  sample_weight: 1,
});

async function resourceInView(id: bigint): Promise<Record<string, string>> {
  const result = await store.reader().query({
    query: `SELECT ResourceAttributes AS r, ServiceName AS s FROM flowspan.otel_traces WHERE SpanAttributes['flowspan.request_id'] LIKE '%${id.toString(16).padStart(16, '0')}${(999).toString(16).padStart(16, '0')}%'`,
    format: 'JSONEachRow',
  });
  const [row] = await result.json<{ r: Record<string, string>; s: string }>();
  assert.equal(row!.s, row!.r['service.name']);
  return row!.r;
}

for (const [index, [what, pod, expected]] of CASES.entries()) {
  test(`${what}`, async () => {
    const id = BigInt(index + 1);
    const one = identity(id, pod);
    await tell([one], false);
    await insert(REQUESTS, [request(id)]);
    const resources = new Resources({ ...SCOPE, version: VERSION, serviceLabels: false });
    const { attributes } = resources.of({ endpointId: String(id), address: '10.0.0.2' }, one);
    assert.deepEqual(await resourceInView(id), without(attributes, 'telemetry.distro.version'));
    const common = { 'k8s.pod.uid': `uid-${id}`, 'k8s.namespace.name': 'shop', 'k8s.cluster.name': 'prod' };
    for (const [name, value] of Object.entries({ ...common, ...expected })) {
      assert.equal(attributes[name] ?? '', value, name);
    }
  });
}

const without = (values: object, name: string) =>
  Object.fromEntries(Object.entries(values).filter(([own]) => own !== name));

test('labels name the service where that is wanted, after annotations', async () => {
  const annotated = identity(101n, { labels: LABELS, pod: { resourceAttributes: { 'service.version': '8' } } });
  const named = identity(102n, { labels: { 'app.kubernetes.io/name': 'web-part' } });
  await tell([annotated, named], true);
  await insert(REQUESTS, [request(101n), request(102n)]);
  const seen = [await resourceInView(101n), await resourceInView(102n)];
  assert.deepEqual([seen[0]!['service.name'], seen[0]!['service.version']], ['release', '8']);
  assert.equal(seen[1]!['service.name'], 'web-part');
  assert.deepEqual(
    [annotated, named].map((one) => serviceName(one, true)),
    ['release', 'web-part'],
  );
});
