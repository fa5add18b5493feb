/** Who had an address when: what is told late or to the second only must not name the wrong one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openCluster, BEGIN_MS as T } from './support/cluster.ts';
import { nodeObject, type PodValues, podObject } from './support/objects.ts';

const A = 'aaaaaaaa-0000-4000-8000-000000000001';
const B = 'bbbbbbbb-0000-4000-8000-000000000002';
const IP = '10.0.0.7';
const a = (values: Partial<PodValues> = {}) => ({
  uid: A,
  name: 'a',
  address: IP,
  startedMs: T,
  runningMs: T,
  ...values,
});
const b = (values: Partial<PodValues> = {}) => ({ uid: B, name: 'b', address: IP, ...values });

describe('an address', () => {
  it("is its pod's from the start that its node tells, and nobody's before", async () => {
    const { put, at, clock, close } = await openCluster();
    clock.ms = T + 1700;
    put('pods', podObject(a({ startedMs: T + 300, runningMs: T + 1100 })));
    assert.deepEqual(
      [T - 1, T, T + 1650, T + 60_000].map((ms) => at(IP, ms)),
      ['?', 'a', 'a', 'a'],
    );
    assert.equal(at('10.0.0.8'), undefined, 'another address is nobody’s business');
    close();
  });

  it('that changes hands within a second belongs to each at its time', async () => {
    const { put, remove, at, clock, close } = await openCluster();
    put('pods', podObject(a()));
    // a stops at +10.20 s, its node deletes it at +10.25; b gets the address at +10.30, which is told at +10.60
    const stopped = podObject(a({ stoppedMs: T + 10_200, deletionMs: T + 9000 }));
    clock.ms = T + 10_250;
    remove('pods', stopped);
    clock.ms = T + 10_600;
    put('pods', podObject(b({ startedMs: T + 10_260, runningMs: T + 10_400 })));
    assert.equal(at(IP, T + 9_999), 'a');
    assert.equal(at(IP, T + 10_100), '?', 'both may have had it: the times are told to the second');
    assert.equal(at(IP, T + 10_300), 'b');
    assert.equal(at(IP, T + 10_900), 'b');
    close();
  });

  it('of a pod that was removed by force may stay its own until another has it for sure', async () => {
    const { put, remove, at, clock, close } = await openCluster();
    put('pods', podObject(a()));
    clock.ms = T + 10_050;
    remove('pods', podObject(a({ deletionMs: T + 10_000 })));
    assert.equal(at(IP, T + 12_000), 'a', 'its node may not have heard of it');
    clock.ms = T + 12_500;
    put('pods', podObject(b({ startedMs: T + 10_100, runningMs: T + 12_300 })));
    assert.deepEqual(
      [T + 9900, T + 11_000, T + 12_600].map((ms) => at(IP, ms)),
      ['a', '?', 'b'],
    );
    assert.equal(at(IP, T + 41_000), 'b');
    close();
  });

  it('is given up by a pod that has finished', async () => {
    for (const phase of ['Succeeded', 'Failed']) {
      const { put, at, clock, close } = await openCluster();
      put('pods', podObject(a()));
      clock.ms = T + 5400;
      put('pods', podObject(a({ phase, stoppedMs: T + 5000 })));
      assert.deepEqual(
        [T + 4000, T + 5401].map((ms) => at(IP, ms)),
        ['a', '?'],
      );
      put('pods', podObject(b({ startedMs: T + 5600, runningMs: T + 5700 })));
      clock.ms = T + 5900;
      assert.equal(at(IP, T + 5800), 'b');
      close();
    }
  });

  it('is not given back to a pod that finished long ago, when that is told of once more', async () => {
    const { put, remove, list, at, clock, cluster, close } = await openCluster();
    const over = podObject(a({ phase: 'Succeeded', stoppedMs: T + 5000 }));
    put('pods', podObject(a()));
    clock.ms = T + 5400;
    put('pods', over);
    clock.ms = T + 600_000;
    cluster.forget();
    for (const tell of [() => put('pods', over), () => list('pods', [over]), () => remove('pods', over)]) {
      tell();
      assert.equal(at(IP, T + 300_000), undefined);
    }
    assert.equal(cluster.pods.remembered.claims, 0);
    close();
  });

  it('of a pod that lived 300 ms is known by what is told after its end', async () => {
    const { put, remove, at, clock, close } = await openCluster();
    put('pods', podObject({ uid: A, name: 'a', phase: 'Pending' }));
    clock.ms = T + 1000;
    const over = { startedMs: T + 100, runningMs: T + 200, stoppedMs: T + 500, phase: 'Succeeded' };
    put('pods', podObject(a(over)));
    assert.equal(at(IP, T + 400), 'a');
    clock.ms = T + 1500;
    remove('pods', podObject(a({ ...over, deletionMs: T + 1400 })));
    assert.equal(at(IP, T + 400), 'a', 'late rows ask after its end');
    close();
  });

  it('is remembered some minutes, and then forgotten', async () => {
    const { put, remove, at, clock, cluster, close } = await openCluster();
    put('pods', podObject(a()));
    clock.ms = T + 1000;
    remove('pods', podObject(a({ stoppedMs: T + 900 })));
    clock.ms = T + 4 * 60_000;
    cluster.forget();
    assert.equal(at(IP, T + 500), 'a');
    clock.ms = T + 6 * 60_000;
    cluster.forget();
    assert.equal(at(IP, T + 500), undefined);
    assert.deepEqual(cluster.pods.remembered, { pods: 0, claims: 0, containers: 0 });
    assert.equal(cluster.texts.count, 0, 'no text is held for a pod that is gone');
    close();
  });

  it('that changes while the pod lives: the new one is known when it is told, the old one until nothing tells', async () => {
    const { put, at, clock, close } = await openCluster();
    clock.ms = T + 2000;
    put('pods', podObject(a()));
    clock.ms = T + 60_000;
    put('pods', podObject(a({ address: '10.0.0.99' })));
    assert.equal(at('10.0.0.99', T + 59_000), '?');
    assert.equal(at('10.0.0.99', T + 60_000), 'a');
    assert.equal(at(IP, T + 60_000), '?');
    put('pods', podObject(b({ startedMs: T + 50_000, runningMs: T + 51_000 })));
    assert.equal(at(IP, T + 51_500), '?', 'whose it was then is not told');
    assert.equal(at(IP, T + 55_000), 'b', 'its containers ran');
    close();
  });

  it('of both families belongs to the pod; of a node to the node; of hostNetwork pods to neither of them', async () => {
    const { put, at, close } = await openCluster();
    put('nodes', nodeObject('node-1', 'n1', ['192.0.2.1']));
    put('pods', podObject(a({ addresses: [IP, 'fd00::7'] })));
    put('pods', podObject(b({ address: '192.0.2.1', hostNetwork: true, hostAddress: '' })));
    assert.deepEqual(
      [IP, 'fd00::7', '192.0.2.1', 'fd00::8'].map((address) => at(address)),
      ['a', 'a', 'node-1', undefined],
    );
    close();
  });
});

describe('lists', () => {
  it('what a new list does not have ended while nobody was told', async () => {
    const { put, list, at, clock, close } = await openCluster();
    list('pods', [podObject(a()), podObject({ uid: 'c', name: 'c', address: '10.0.0.8', startedMs: T, runningMs: T })]);
    clock.ms = T + 10_000;
    put('pods', podObject({ uid: 'd', name: 'd', address: '10.0.0.9', startedMs: T + 9000, runningMs: T + 9000 }));
    // ten minutes without the API server
    clock.ms = T + 610_000;
    list('pods', [
      podObject({ uid: 'c', name: 'c', address: '10.0.0.8', startedMs: T, runningMs: T }),
      podObject(b({ startedMs: T + 300_000, runningMs: T + 301_000 })),
    ]);
    assert.deepEqual(
      [T + 7000, T + 200_000, T + 300_500, T + 303_000].map((ms) => at(IP, ms)),
      ['a', '?', '?', 'b'],
    );
    assert.equal(at('10.0.0.8', T + 200_000), 'c', 'the same pod before and after had it all the time');
    assert.equal(at('10.0.0.9', T + 200_000), '?');
    close();
  });

  it('a list that broke off takes nothing away', async () => {
    const { cluster, put, at, close } = await openCluster();
    put('pods', podObject(a()));
    const sink = cluster.sink('pods');
    sink.begin();
    sink.begin();
    sink.item(podObject(a()));
    sink.end();
    assert.equal(at(IP), 'a');
    close();
  });
});
