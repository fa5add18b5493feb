/** Which addresses the pods of this node had when: bounds of what its cgroups showed, else of what the API server told. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type CgroupChange, endpointId } from '../../../collector/src/control/identity.ts';
import type { AddressRow, StoredInterval } from '../../../collector/src/control/kubernetes/own_addresses.ts';
import { OPEN_NS } from '../../../collector/src/control/kubernetes/own_interval.ts';
import { openCluster, BEGIN_MS as T } from './support/cluster.ts';
import { type PodValues, podObject } from './support/objects.ts';

const UID = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const ID = endpointId('pod', UID);
const POD = `/kubepods/besteffort/pod${UID}`;
const SANDBOX = `${POD}/${'ab'.repeat(32)}`;
const MAIN = `${POD}/${'cd'.repeat(32)}`;
const ADDRESS = '10.0.0.7';
const pod = (values: Partial<PodValues> = {}) => podObject({ uid: UID, name: 'web-1', address: ADDRESS, ...values });

/** Times as milliseconds after the beginning. */
const after = (ms: number) => BigInt(T) * 1_000_000n + BigInt(ms * 1e6);
const since = (ns: bigint) => (ns === OPEN_NS ? 'open' : Number(ns - after(0)) / 1e6);
const bounds = (row: AddressRow) =>
  [row.validFromNs, row.sureFromNs, row.sureToNs, row.validToNs, row.changedFromNs].map(since);

async function openNode() {
  const cluster = await openCluster();
  const { identity, clock } = cluster;
  const late: number[] = [];
  identity.ownAddresses.toldLate = (seconds) => late.push(seconds);
  return {
    ...cluster,
    late,
    addresses: identity.ownAddresses,
    cgroup(path: string, change: CgroupChange, ms: number) {
      clock.ms = Math.max(clock.ms, T + ms);
      identity.cgroup(path, change, change === 'there' ? 0n : after(ms));
    },
    /** What is written at a time. */
    rows(ms: number) {
      clock.ms = T + ms;
      identity.tick();
      return identity.ownAddresses.takeChanged(after(ms));
    },
  };
}

const stored = (values: Partial<StoredInterval> = {}): StoredInterval => ({
  ...{ address: ADDRESS, endpointId: ID, isNodes: true, writerMayLive: false },
  ...{ validFromNs: after(-5000), sureFromNs: after(-4900), updatedNs: after(-4000) },
  ...values,
});

it('cgroups bound an interval to the nanosecond; it is told once it is known, and when it ends', async () => {
  const { put, remove, rows, cgroup, late, addresses, close } = await openNode();
  // Each processor has a ring of its own: within one look the order is any.
  cgroup(SANDBOX, 'made', 20.5);
  cgroup(POD, 'made', 10.25);
  cgroup(MAIN, 'made', 400);
  assert.deepEqual(rows(500), [], 'its address is not known');
  put('pods', pod({ startedMs: T, runningMs: T }));
  const [first, ...none] = rows(900);
  assert.ok(first !== undefined && none.length === 0);
  assert.deepEqual([first.address, first.endpointId, first.isNodes], [ADDRESS, ID, true]);
  assert.deepEqual(bounds(first), [10.25, 20.5, 'open', 'open', 10.25]);
  assert.deepEqual(late, [(900 - 20.5) / 1000]);
  assert.deepEqual([rows(1900), addresses.open], [[], 1], 'nothing new');
  cgroup(MAIN, 'removed', 2000);
  put('pods', pod({ phase: 'Succeeded', startedMs: T, runningMs: T, stoppedMs: T + 1000 }));
  cgroup(SANDBOX, 'removed', 2000.5);
  assert.deepEqual(rows(2500).map(bounds), [[10.25, 20.5, 2000.5, 'open', 2000.5]], 'its network goes now');
  cgroup(POD, 'removed', 3000);
  remove('pods', pod({ phase: 'Succeeded', startedMs: T, runningMs: T, stoppedMs: T + 1000 }));
  assert.deepEqual(rows(3500).map(bounds), [[10.25, 20.5, 2000.5, 3000, 3000]]);
  assert.deepEqual([rows(4500), rows(600_000), addresses.open], [[], [], 0]);
  assert.deepEqual(late.length, 1);
  close();
});

it('what of one moment is read the wrong way round ends all the same', async () => {
  const { put, rows, cgroup, close } = await openNode();
  cgroup(POD, 'removed', 40);
  cgroup(SANDBOX, 'removed', 30);
  cgroup(SANDBOX, 'made', 20);
  cgroup(POD, 'made', 10);
  put('pods', pod());
  assert.deepEqual(rows(1000).map(bounds), [[10, 20, 30, 40, 10]], 'a pod that lived for 30 ms');
  close();
});

it('without cgroups the API server bounds it; other nodes and hostNetwork are not written of', async () => {
  const { put, remove, rows, addresses, clock, close } = await openNode();
  addresses.adopt([], undefined, after(0));
  clock.ms = T + 3500;
  put('pods', pod({ startedMs: T, runningMs: T + 1000 }));
  put('pods', podObject({ uid: 'b', address: '10.0.0.8', node: 'node-2' }));
  put('pods', podObject({ uid: 'c', address: '10.0.0.9', hostNetwork: true }));
  const told = rows(4000);
  assert.deepEqual(told.map(bounds), [[0, 2000, 'open', 'open', 0]]);
  assert.equal(told[0]?.isNodes, false);
  const over = pod({ startedMs: T, runningMs: T + 1000, deletionMs: T + 5000, stoppedMs: T + 6000 });
  clock.ms = T + 7500;
  remove('pods', over);
  assert.deepEqual(rows(8000).map(bounds), [[0, 2000, 6000, 7500, 6000]]);
  close();
});

it('a pod that was removed by force has its address until its cgroup is gone, or is found to be', async () => {
  const { put, remove, rows, cgroup, clock, addresses, close } = await openNode();
  cgroup(POD, 'made', 10);
  cgroup(SANDBOX, 'made', 20);
  put('pods', pod({ startedMs: T, runningMs: T }));
  rows(1000);
  clock.ms = T + 2000;
  remove('pods', pod({ startedMs: T, runningMs: T, deletionMs: T + 2000 }));
  assert.deepEqual([rows(3000), rows(60_000), rows(400_000)], [[], [], []], 'forgotten by then, and there');
  addresses.adopt([stored({ validFromNs: after(10), sureFromNs: after(20) })], undefined, after(410_000));
  assert.deepEqual(rows(411_000), [], 'it is not ended for that it is not known any more');
  clock.cgroupIsThere = false;
  assert.deepEqual(rows(430_000).map(bounds), [[10, 20, 2000, 32_000, 2000]], 'its end was missed: as told');
  close();
});

it('while the API server is away, cgroups end what ends', async () => {
  const { put, rows, cgroup, addresses, close } = await openNode();
  cgroup(POD, 'there', 0);
  cgroup(SANDBOX, 'there', 0);
  put('pods', pod({ startedMs: T - 60_000, runningMs: T - 58_000 }));
  assert.deepEqual(rows(500), [], 'an earlier run may have told');
  addresses.adopt([], undefined, after(600));
  assert.deepEqual(rows(1000).map(bounds), [[-60_000, -57_000, 'open', 'open', -60_000]]);
  cgroup(SANDBOX, 'removed', 1100);
  cgroup(POD, 'removed', 1200);
  assert.deepEqual(rows(2000).map(bounds), [[-60_000, -57_000, 1100, 1200, 1100]]);
  close();
});

it('a pod without a cgroup of its network keeps its address between its containers', async () => {
  const { put, rows, cgroup, close } = await openNode();
  cgroup(POD, 'made', 10);
  cgroup(MAIN, 'made', 20);
  put('pods', pod());
  rows(1000);
  cgroup(MAIN, 'removed', 1100);
  assert.deepEqual(rows(2000).map(bounds), [[10, 20, 1100, 'open', 1100]]);
  cgroup(SANDBOX, 'made', 2100);
  assert.deepEqual(rows(3000).map(bounds), [[10, 20, 'open', 'open', 1100]]);
  close();
});

it('an address that is taken from a pod ends as told, and the next one begins as told', async () => {
  const { put, rows, cgroup, clock, close } = await openNode();
  cgroup(POD, 'made', 10);
  cgroup(SANDBOX, 'made', 20);
  put('pods', pod());
  rows(1000);
  clock.ms = T + 5000;
  put('pods', pod({ address: '10.0.0.8' }));
  const told = rows(6000).map((row) => [row.address, ...bounds(row)]);
  assert.deepEqual(told, [
    [ADDRESS, 10, 20, 20, 5000, 20],
    ['10.0.0.8', 5000, 5000, 'open', 'open', 5000],
  ]);
  cgroup(SANDBOX, 'removed', 7000);
  cgroup(POD, 'removed', 8000);
  assert.deepEqual(
    rows(9000).map((row) => [row.address, ...bounds(row)]),
    [['10.0.0.8', 5000, 5000, 7000, 8000, 7000]],
  );
  close();
});

it('what an earlier run left open goes on, or ends when that run watched last', async () => {
  const { put, rows, cgroup, addresses, close } = await openNode();
  cgroup(POD, 'there', 0);
  cgroup(SANDBOX, 'there', 0);
  put('pods', pod({ startedMs: T - 9000, runningMs: T - 9000 }));
  const gone = stored({ address: '10.0.0.8', endpointId: 8n });
  const young = stored({ address: '10.0.0.9', endpointId: 9n, writerMayLive: true });
  const later = stored({ address: '10.0.0.6', endpointId: 6n, updatedNs: after(200) });
  addresses.adopt([stored(), gone, young, later], after(-1000), after(500));
  const told = rows(1000);
  assert.deepEqual(
    told.map((row) => [row.endpointId, ...bounds(row)]),
    [
      [8n, -5000, -4900, -1000, 500, -1000],
      [6n, -5000, -4900, -800, 500, -800],
    ],
    'the other goes on: nothing is written',
  );
  addresses.adopt([stored({ validFromNs: after(-6000) })], undefined, after(2000));
  cgroup(SANDBOX, 'removed', 3000);
  cgroup(POD, 'removed', 4000);
  assert.deepEqual(
    rows(5000).map(bounds),
    [
      [-5000, -4900, 3000, 4000, 3000],
      [-6000, -4900, 3000, 4000, 3000],
    ],
    'also where another collector wrote it',
  );
  addresses.adopt([stored({ validFromNs: after(-7000) })], undefined, after(6000));
  assert.deepEqual(rows(6000).map(bounds), [[-7000, -4900, 3000, 4000, 3000]], 'also after its end');
  close();
});

it('what had ended before it was heard of is left as an earlier run told it', async () => {
  const { put, rows, addresses, close } = await openNode();
  put('pods', pod({ phase: 'Succeeded', startedMs: T - 9000, runningMs: T - 9000, stoppedMs: T - 1000 }));
  addresses.adopt([], undefined, after(0));
  assert.deepEqual([rows(1000), addresses.open], [[], 0]);
  close();
});

it('who has an address is an endpoint with a name, without traffic', async () => {
  const { put, identity, addresses, close } = await openNode();
  put('pods', pod());
  const fresh = addresses.takeFresh();
  assert.deepEqual(
    fresh.map((number) => identity.identityOf(number).name),
    ['web-1'],
  );
  assert.deepEqual(addresses.takeFresh(), []);
  close();
});
