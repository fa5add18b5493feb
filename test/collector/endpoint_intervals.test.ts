/** An endpoint whose labels or workload change is another interval from then on; what is learned late always held. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Identity, PodFacts } from '../../collector/src/control/identity.ts';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import { Endpoints } from '../../collector/src/correlate/endpoints.ts';
import { openCluster } from './kubernetes/support/cluster.ts';
import { nodeObject, podObject } from './kubernetes/support/objects.ts';

const UID = '1f2e3d4c-aaaa-4bbb-8ccc-000000000001';
const S = 1_000_000_000n;

describe('intervals of an endpoint', () => {
  const FACTS: PodFacts = {
    ...{ uid: UID, workloadKind: 'Deployment', node: 'n', zone: '', serviceAccount: '', hostNetwork: false },
    ...{ services: [], containers: new Map() },
  };
  const pod = (more: Partial<Identity> = {}, facts: Partial<PodFacts> = {}): Identity => ({
    ...{ id: 7n, kind: 'pod', namespace: 'shop', workload: 'web', name: 'web-1', containerId: '', cgroupPath: '' },
    ...{ here: true, labels: { app: 'web' }, pod: { ...FACTS, ...facts } },
    ...more,
  });
  const open = (first: Identity) => {
    const endpoints = new Endpoints(10);
    endpoints.number(first, 0, 10n);
    endpoints.takeChanged();
    const told = () =>
      endpoints
        .takeChanged()
        .map(({ identity, validFromNs, validToNs }) => [
          Object.entries(identity.labels).join(),
          identity.workload,
          validFromNs,
          validToNs,
        ]);
    return { endpoints, told };
  };

  it('labels that change end one and begin the next', () => {
    const { endpoints, told } = open(pod());
    endpoints.refresh(pod({ labels: { app: 'web', track: 'canary' } }), 20n);
    endpoints.refresh(pod({ labels: { track: 'canary' } }), 30n);
    assert.deepEqual(told(), [
      ['app,web', 'web', 10n, 20n],
      ['app,web,track,canary', 'web', 20n, 30n],
      ['track,canary', 'web', 30n, undefined],
    ]);
    assert.deepEqual(endpoints.validity(), new Map([[7n, 30n]]));
    endpoints.end(7n, 40n);
    assert.deepEqual(told(), [['track,canary', 'web', 30n, 40n]]);
    endpoints.refresh(pod({ labels: { late: 'news' } }), 50n);
    assert.deepEqual(told(), [['late,news', 'web', 30n, 40n]], 'no interval after its end');
  });

  it('another workload does too, but not the one behind a ReplicaSet or Job that is heard of later', () => {
    const { endpoints, told } = open(pod({ workload: 'web-5d4f' }, { workloadKind: 'ReplicaSet' }));
    endpoints.refresh(pod(), 20n);
    assert.deepEqual(told(), [['app,web', 'web', 10n, undefined]]);
    endpoints.refresh(pod({ workload: 'other' }), 30n);
    assert.deepEqual(told(), [
      ['app,web', 'web', 10n, 30n],
      ['app,web', 'other', 30n, undefined],
    ]);
  });

  it('a name that comes late, another service or the same labels again are no change', () => {
    const { endpoints, told } = open(pod({ name: '', workload: '', labels: {} }, { workloadKind: '' }));
    endpoints.refresh(pod(), 20n);
    assert.deepEqual(told(), [['app,web', 'web', 10n, undefined]]);
    endpoints.refresh(pod({}, { services: ['front'] }), 30n);
    assert.deepEqual(told(), [['app,web', 'web', 10n, undefined]]);
  });

  it('labels that change without end are told, however many at once', () => {
    const { endpoints, told } = open(pod());
    for (let change = 0; change < 30_000; change += 1)
      endpoints.refresh(pod({ labels: { change: `${change}` } }), 20n + BigInt(change));
    const rows = told();
    assert.equal(rows.length, 10_001);
    assert.deepEqual(rows.at(-1)?.[0], 'change,29999');
  });

  it('one that ends and begins again before anybody asks is two', () => {
    const { endpoints, told } = open(pod());
    endpoints.end(7n, 20n);
    endpoints.number(pod(), 0, 30n);
    assert.deepEqual(told(), [
      ['app,web', 'web', 10n, 20n],
      ['app,web', 'web', 30n, undefined],
    ]);
  });
});

describe('nodes that the API server tells of', () => {
  it('have their zone, also when it comes later', async () => {
    const { put, identity, told, close } = await openCluster();
    put('nodes', nodeObject('node-2', 'u2', ['192.0.2.2'], ''));
    const before = identity.ofAddress(addressBytes('192.0.2.2'), 0) as Identity;
    const endpoints = new Endpoints(10);
    endpoints.number(before, 0, 10n, false);
    assert.equal(endpoints.takeChanged()[0]?.identity.zone, '');
    told.updated.length = 0;
    put('nodes', nodeObject('node-2', 'u2', ['192.0.2.2'], 'west-1'));
    for (const identity of told.updated) endpoints.refresh(identity, 20n);
    const [row] = endpoints.takeChanged();
    assert.deepEqual([row?.identity.zone, row?.validFromNs], ['west-1', 10n]);
    close();
  });
});

describe('labels that the API server changes', () => {
  it('hold from then on for every collector, whether it had seen the pod or not', async () => {
    const { clock, put, list, identity, told, close } = await openCluster();
    const object = (labels: Record<string, string>) =>
      podObject({ uid: UID, name: 'web-1', address: '10.0.0.7', startedMs: clock.ms - 60_000, labels });
    const first = object({ app: 'web' });
    put('pods', first);
    const ofPod = () => identity.ofCgroup(`/kubepods/pod${UID}`);
    const startedNs = BigInt(Math.floor((clock.ms - 60_000) / 1000)) * S;
    assert.equal(ofPod()?.validFromNs, startedNs);
    clock.ms += 5000;
    const changed = podObject({
      uid: UID,
      name: 'web-1',
      address: '10.0.0.7',
      startedMs: clock.ms - 65_000,
      labels: { app: 'web', track: 'canary' },
    });
    put('pods', changed);
    const sinceNs = BigInt(clock.ms) * 1_000_000n;
    assert.deepEqual(
      told.updated.map(({ labels, validFromNs }) => [{ ...labels }, validFromNs]),
      [[{ app: 'web', track: 'canary' }, sinceNs]],
    );
    clock.ms += 5000;
    put('pods', changed);
    list('pods', [changed]);
    assert.equal(ofPod()?.validFromNs, sinceNs, 'the same again is no change');
    close();
  });
});
