/** The kernel's table of who has which address, filled from the index: a real map, asked for what it holds. */
import assert from 'node:assert/strict';
import { afterEach, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type BpfMap, openObject } from '../../../collector/native/addon.ts';
import { endpointId } from '../../../collector/src/control/identity.ts';
import { KernelAddresses } from '../../../collector/src/control/kernel_addresses.ts';
import { wordsOfText } from '../../../collector/src/control/kubernetes/addresses.ts';
import type { Cluster } from '../../../collector/src/control/kubernetes/cluster.ts';
import { addressText } from '../../../collector/src/correlate/address_text.ts';
import { Counters } from '../../../collector/src/counters.ts';
import { openCluster } from './support/cluster.ts';
import { type PodValues, podObject } from './support/objects.ts';

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).reverse()) close();
});

/** The table of the BPF object, without its programs. */
function openTable(entries: number): BpfMap {
  const object = openObject('build/bpf/flowspan.bpf.o');
  opened.push(() => object.close());
  for (const { name } of object.programs()) object.setAutoload(name, false);
  object.setMaxEntries('endpoint_of_address', entries);
  object.load();
  return object.map('endpoint_of_address');
}

async function open({ entries = 65_536, early = [] as PodValues[] } = {}) {
  const index = await openCluster();
  index.put('pods', ...early.map(podObject));
  const map = openTable(entries);
  const counters = new Counters();
  const addresses = new KernelAddresses({ cluster: index.cluster, map, counters });
  opened.push(() => index.close());
  opened.push(() => addresses.close());
  await addresses.start();
  return { ...index, map, counters, addresses };
}

function tableOf(map: BpfMap): Map<string, bigint> {
  const { keys, values, count } = map.entries();
  const at = (index: number) => addressText(keys, index * 16);
  return new Map(Array.from({ length: count }, (_, index) => [at(index), values.readBigUInt64LE(index * 8)]));
}

/** Of 10.0.0.0/24 what the index says. */
function indexOf({ claims, pods }: Cluster): Map<string, bigint> {
  const owned = new Map<string, bigint>();
  for (let last = 0; last < 256; last += 1) {
    const address = `10.0.0.${last}`;
    wordsOfText(address, words);
    const number = claims.sole(words);
    if (number !== 0) owned.set(address, endpointId('pod', pods.nodeUid(number)));
  }
  return owned;
}

const words = new Uint32Array(4);
const uid = (number: number) => {
  const start = (Math.imul(number + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');
  return `${start}-0000-4000-8000-${String(number).padStart(12, '0')}`;
};
const idOf = (number: number) => endpointId('pod', uid(number));
const pod = (number: number, address: string, more: Partial<PodValues> = {}): PodValues => ({
  ...{ uid: uid(number), address, runningMs: Date.UTC(2026, 0, 1), ...more },
});

it('holds what the index has at the start, and each address that begins, moves and ends', async () => {
  const { map, put, remove, list } = await open({
    early: [pod(1, '10.0.0.1'), { ...pod(2, ''), addresses: ['10.0.0.2', 'fd00::2'] }],
  });
  const start = new Map([
    ['10.0.0.1', idOf(1)],
    ['10.0.0.2', idOf(2)],
    ['fd00::2', idOf(2)],
  ]);
  assert.deepEqual(tableOf(map), start);
  put('pods', podObject(pod(3, '10.0.0.3')), podObject(pod(4, '192.0.2.1', { hostNetwork: true })));
  await turn();
  assert.deepEqual(tableOf(map), new Map([...start, ['10.0.0.3', idOf(3)]]));
  put('pods', podObject(pod(3, '10.0.0.4')), podObject(pod(1, '10.0.0.1', { phase: 'Succeeded' })));
  remove('pods', podObject(pod(2, '10.0.0.2')));
  await turn();
  assert.deepEqual(tableOf(map), new Map([['10.0.0.4', idOf(3)]]));
  put('pods', podObject(pod(5, '10.0.0.1')));
  list('pods', [podObject(pod(5, '10.0.0.1'))]);
  await turn();
  assert.deepEqual(tableOf(map), new Map([['10.0.0.1', idOf(5)]]));
});

it('says nothing of an address that two have, as far as is told', async () => {
  const { map, put, remove } = await open({ early: [pod(1, '10.0.0.1')] });
  put('pods', podObject(pod(2, '10.0.0.1')));
  await turn();
  assert.equal(tableOf(map).size, 0);
  remove('pods', podObject(pod(1, '10.0.0.1')));
  await turn();
  assert.deepEqual(tableOf(map), new Map([['10.0.0.1', idOf(2)]]));
});

it('static pods have the id that their node knows them by', async () => {
  const annotations = { 'kubernetes.io/config.hash': 'abc', 'kubernetes.io/config.source': 'file' };
  const mirror = { ...annotations, 'kubernetes.io/config.mirror': 'abc' };
  const { map } = await open({ early: [pod(1, '10.0.0.1', { annotations: mirror })] });
  assert.deepEqual(tableOf(map), new Map([['10.0.0.1', endpointId('pod', 'abc')]]));
});

it('takes back what it can be told no more of, before the number of its claim is another’s', async () => {
  const { map, put, cluster } = await open({ early: [pod(1, '10.0.0.1'), pod(2, '10.0.0.2')] });
  cluster.pods.lose(uid(1));
  assert.deepEqual(tableOf(map), new Map([['10.0.0.2', idOf(2)]]));
  put('pods', podObject(pod(3, '10.0.0.3')));
  cluster.pods.lose(uid(3));
  put('pods', podObject(pod(4, '10.0.0.4')));
  await turn();
  assert.deepEqual([...tableOf(map).keys()].sort(), ['10.0.0.2', '10.0.0.4']);
});

it('counts what finds no room, and writes the rest', async () => {
  const many = Array.from({ length: 6 }, (_, at) => pod(at, `10.0.0.${at}`));
  const { map, counters, put, remove } = await open({ entries: 4, early: many });
  assert.equal(tableOf(map).size, 4);
  assert.equal(counters.discards.address_table_full, 2);
  const [held] = [...tableOf(map)].find(([, id]) => id === idOf(0) || id === idOf(5))!;
  const last = Number(held.split('.')[3]);
  remove('pods', podObject(pod(last, held)));
  put('pods', podObject(pod(7, '10.0.0.7')));
  await turn();
  assert.equal(tableOf(map).get('10.0.0.7'), idOf(7));
  assert.equal(counters.discards.address_table_full, 2);
});

it('lets others work between a few hundred addresses', async () => {
  const addresses = 20_000;
  let turns = 0;
  let filling = true;
  const count = () => {
    turns += 1;
    if (filling) setImmediate(count);
  };
  setImmediate(count);
  const early = Array.from({ length: addresses }, (_, at) => pod(at, `10.1.${at >> 8}.${at & 255}`));
  const { map } = await open({ early });
  filling = false;
  assert.equal(tableOf(map).size, addresses);
  assert.ok(turns >= addresses / 512, `${turns} turns`);
});

it('after random births, moves and ends holds what the index says', async () => {
  const { map, put, remove, list, cluster, clock, identity } = await open();
  let state = 7;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % limit;
  };
  const there = new Map<number, PodValues>();
  for (let step = 0; step < 6000; step += 1) {
    const number = below(400);
    const values = pod(number, `10.0.0.${below(200)}`, below(20) === 0 ? { phase: 'Failed' } : {});
    const kind = below(10);
    clock.ms += 50;
    if (kind < 6) {
      put('pods', podObject(values));
      there.set(number, values);
    } else if (kind < 9) {
      if (there.has(number)) remove('pods', podObject(there.get(number)!));
      there.delete(number);
    } else if (step % 7 === 0) {
      list('pods', [...there.values()].map(podObject));
    } else cluster.pods.lose(uid(number));
    if (step % 500 === 0) identity.tick();
    if (step % 50 !== 0) continue;
    await turn();
    assert.deepEqual(tableOf(map), indexOf(cluster), `after ${step} steps`);
  }
});
