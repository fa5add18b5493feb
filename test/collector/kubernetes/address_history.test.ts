/** What a store holds of earlier runs is read back: intervals that nobody ended have an end. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { ClickHouseClient } from '@clickhouse/client';
import { pino } from 'pino';
import { endpointId } from '../../../collector/src/control/identity.ts';
import { readAddressesBack } from '../../../collector/src/control/kubernetes/address_history.ts';
import type { AddressRow } from '../../../collector/src/control/kubernetes/own_addresses.ts';
import { openClient } from '../../../collector/src/deliver/clickhouse.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { migrate } from '../../../store/migrate.ts';
import { type Flowspan, startFlowspan } from '../../support/flowspan.ts';
import { openCluster } from './support/cluster.ts';
import { nodeObject, podObject } from './support/objects.ts';

const PASSWORD = 'of the writer';
const UID = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const OPEN = '2262-01-01 00:00:00';

type Opened = Awaited<ReturnType<typeof openCluster>>;

let store: Flowspan;
let client: ClickHouseClient;
before(async () => {
  store = await startFlowspan({ processes: ['store'], env: { FLOWSPAN_STORE_WRITER_PASSWORD: PASSWORD } });
  client = openClient(store.storeUrl, { username: 'collector', password: PASSWORD }, 'flowspan');
  await migrate(client, 'flowspan');
});
after(async () => {
  await client?.close();
  await store?.stop();
});

const nowMs = Date.now();
const time = (agoS: number) => new Date(nowMs - agoS * 1000).toISOString().replace('T', ' ').replace('Z', '');
const ns = (agoS: number) => BigInt(nowMs - agoS * 1000) * 1_000_000n;
const row = (address: string, values: object = {}) => ({
  ...{ cluster: 'c', node: 'n', basis: 'node', address, endpoint_id: '7', changed_from: time(600) },
  ...{ valid_from: time(600), sure_from: time(599), sure_to: OPEN, valid_to: OPEN, updated: time(598) },
  ...values,
});
const old = { valid_from: time(4000), sure_from: time(3999), updated: time(3998) };
const report = (node: string, agoS: number, startedAgoS: number, cluster = 'c') => ({
  ...{ cluster, node, boot_id: '11111111-2222-3333-4444-555555555555', counters: {} },
  ...{ time: time(agoS), started: time(startedAgoS) },
});
const insert = (table: string, values: readonly object[]) => client.insert({ table, values, format: 'JSONEachRow' });

/** Reads back as a collector of node `n` that has begun 20 s ago. @param known may be asked for more than once */
async function readBack(cluster: string, ends: number, known: () => boolean, opened: Opened): Promise<AddressRow[]> {
  const { identity } = opened;
  const stopping = new AbortController();
  const reading = readAddressesBack(
    {
      ...{ client, cluster, node: 'n', addresses: identity.ownAddresses, log: pino({ level: 'silent' }) },
      ...{ startedNs: ns(20), nowNs: () => ns(0), goneNodes: () => identity.goneNodes(), isKnown: known },
    },
    stopping.signal,
  );
  const rows: AddressRow[] = [];
  await eventually('what was read', () => {
    rows.push(...identity.ownAddresses.takeChanged(ns(0)));
    return rows.length >= ends;
  });
  assert.deepEqual(identity.ownAddresses.takeChanged(ns(0)), []);
  stopping.abort();
  await reading;
  opened.close();
  return rows;
}

const told = (rows: readonly AddressRow[]) =>
  rows.map((one) => [one.address, one.endpointId, one.validFromNs, one.sureFromNs, one.sureToNs, one.validToNs]);

it('of this cluster and node, also without a data directory, and of nodes that are gone', async () => {
  await insert('endpoint_addresses', [
    row('::ffff:10.0.0.1', { endpoint_id: endpointId('pod', UID).toString() }),
    row('::ffff:10.0.0.2'),
    row('fd00::2'),
    row('::ffff:10.0.0.3', { node: 'other' }),
    row('::ffff:10.0.0.7', { ...old, node: 'went', endpoint_id: '8' }),
    row('::ffff:10.0.0.8', { ...old, node: 'went', endpoint_id: endpointId('pod', 'moved').toString() }),
    row('::ffff:10.0.0.4', { cluster: 'other' }),
    row('::ffff:10.0.0.5', { updated: time(1) }),
    row('::ffff:10.0.0.9', { ...old, node: 'other.example' }),
    row('::ffff:10.0.0.6'),
    row('::ffff:10.0.0.6', { sure_to: time(500), valid_to: time(499), updated: time(499) }),
  ]);
  const reports = [report('n', 400, 1000), report('n', 2, 20), report('other', 30, 1000)];
  const others = [report('other.example', 1800, 9000), report('went', 3700, 9000)];
  await insert('collector_reports', [...reports, ...others]);
  const opened = await openCluster('n');
  const { identity, put } = opened;
  put('pods', podObject({ uid: UID, node: 'n', address: '10.0.0.1' }));
  put('pods', podObject({ uid: 'moved', node: 'other', address: '10.0.0.8' }));
  put('nodes', nodeObject('n', 'node-uid', []), nodeObject('other', 'other-uid', []));
  let asked = 0;
  const isKnown = () => {
    asked += 1;
    return asked > 1;
  };
  const reading = readBack('c', 3, isKnown, opened);
  assert.deepEqual([asked, identity.ownAddresses.takeChanged(ns(0))], [1, []], 'pods are not known yet');
  assert.deepEqual(
    told(await reading),
    [
      ['10.0.0.2', 7n, ns(600), ns(599), ns(400), ns(0)],
      ['fd00::2', 7n, ns(600), ns(599), ns(400), ns(0)],
      ['10.0.0.7', 8n, ns(4000), ns(3999), ns(3700), ns(0)],
    ],
    'what was written just now may be of another collector, and one may be named otherwise than its node',
  );
});

it('what another collector of this node may know more of is left to it', async () => {
  await insert('endpoint_addresses', [
    row('::ffff:10.0.0.2', { cluster: 'd' }),
    row('::ffff:10.0.0.7', { ...old, cluster: 'd', node: 'went' }),
  ]);
  await insert('collector_reports', [report('n', 5, 1000, 'd'), report('n', 2, 20, 'd')]);
  const opened = await openCluster('n');
  opened.put('nodes', nodeObject('n', 'node-uid', []));
  const rows = await readBack('d', 1, () => true, opened);
  assert.deepEqual(
    rows.map(({ address }) => address),
    ['10.0.0.7'],
  );
});
