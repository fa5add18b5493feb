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

it('of this cluster and node, also without a data directory, and of nodes that are gone', async () => {
  const nowMs = Date.now();
  const time = (agoS: number) => new Date(nowMs - agoS * 1000).toISOString().replace('T', ' ').replace('Z', '');
  const ns = (agoS: number) => BigInt(nowMs - agoS * 1000) * 1_000_000n;
  const row = (address: string, values: object = {}) => ({
    ...{ cluster: 'c', node: 'n', basis: 'node', address, endpoint_id: '7', changed_from: time(600) },
    ...{ valid_from: time(600), sure_from: time(599), sure_to: OPEN, valid_to: OPEN, updated: time(598) },
    ...values,
  });
  const values = [
    row('::ffff:10.0.0.1', { endpoint_id: endpointId('pod', UID).toString() }),
    row('::ffff:10.0.0.2'),
    row('fd00::2'),
    row('::ffff:10.0.0.3', { node: 'other' }),
    row('::ffff:10.0.0.7', { node: 'gone', endpoint_id: '8' }),
    row('::ffff:10.0.0.8', { node: 'gone', endpoint_id: endpointId('pod', 'moved').toString() }),
    row('::ffff:10.0.0.4', { cluster: 'other' }),
    row('::ffff:10.0.0.5', { updated: time(1) }),
    row('::ffff:10.0.0.6'),
    row('::ffff:10.0.0.6', { sure_to: time(500), valid_to: time(499), updated: time(499) }),
  ];
  await client.insert({ table: 'endpoint_addresses', values, format: 'JSONEachRow' });
  const report = { cluster: 'c', boot_id: '11111111-2222-3333-4444-555555555555', counters: {} };
  const reports = [
    { ...report, node: 'n', time: time(40), started: time(1000) },
    { ...report, node: 'n', time: time(2), started: time(20) },
    { ...report, node: 'other', time: time(30), started: time(1000) },
    { ...report, node: 'gone', time: time(90), started: time(1000) },
  ];
  await client.insert({ table: 'collector_reports', values: reports, format: 'JSONEachRow' });

  const { identity, put, close } = await openCluster('n');
  put('pods', podObject({ uid: UID, node: 'n', address: '10.0.0.1' }));
  put('pods', podObject({ uid: 'moved', node: 'other', address: '10.0.0.8' }));
  put('nodes', nodeObject('n', 'node-uid', []), nodeObject('other', 'other-uid', []));
  const stopping = new AbortController();
  const { signal } = stopping;
  let isKnown = false;
  let asked = 0;
  const reading = readAddressesBack(
    {
      ...{ client, cluster: 'c', node: 'n', addresses: identity.ownAddresses, log: pino({ level: 'silent' }) },
      ...{ startedNs: ns(20), nowNs: () => ns(0), goneNodes: () => identity.goneNodes() },
      isKnown: () => {
        asked += 1;
        return isKnown;
      },
    },
    signal,
  );
  assert.deepEqual([asked, identity.ownAddresses.takeChanged(ns(0))], [1, []], 'pods are not known yet');
  isKnown = true;
  const rows: AddressRow[] = [];
  await eventually('what was read', () => {
    rows.push(...identity.ownAddresses.takeChanged(ns(0)));
    return rows.length >= 3;
  });
  assert.deepEqual(
    rows.map((one) => [one.address, one.endpointId, one.validFromNs, one.sureFromNs, one.sureToNs, one.validToNs]),
    [
      ['10.0.0.2', 7n, ns(600), ns(599), ns(40), ns(0)],
      ['fd00::2', 7n, ns(600), ns(599), ns(40), ns(0)],
      ['10.0.0.7', 8n, ns(600), ns(599), ns(90), ns(0)],
    ],
    'pods that are there go on, what was written just now may be of another collector',
  );
  assert.deepEqual(identity.ownAddresses.takeChanged(ns(0)), []);
  stopping.abort();
  await reading;
  close();
});
