/** The kernel's table of who has which address, filled from the index: a real map, asked for what it holds. */
import assert from 'node:assert/strict';
import { afterEach, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { type BpfMap, type BpfObject, openObject } from '../../../collector/native/addon.ts';
import { AddressTable, addressTableOf } from '../../../collector/src/attach/address_table.ts';
import { endpointId } from '../../../collector/src/control/identity.ts';
import { KernelAddresses } from '../../../collector/src/control/kernel_addresses.ts';
import { wordsOfText } from '../../../collector/src/control/kubernetes/addresses.ts';
import type { Cluster } from '../../../collector/src/control/kubernetes/cluster.ts';
import { addressText } from '../../../collector/src/correlate/address_text.ts';
import { Counters } from '../../../collector/src/counters.ts';
import { eventually } from '../../../deploy/lab/wait.ts';
import { openCluster } from './support/cluster.ts';
import { type PodValues, podObject } from './support/objects.ts';

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).reverse()) close();
});

/** Whether the kernel refuses what it is told. */
const kernel = { refuses: false };

/** The table of the BPF object, and of its programs only the one that writes it. */
function openTable(slots: number): { map: BpfMap; table: AddressTable } {
  const object = openObject('build/bpf/flowspan.bpf.o');
  opened.push(() => object.close());
  for (const { name } of object.programs()) object.setAutoload(name, name === 'apply_address_changes');
  const { knobs, mapEntries } = addressTableOf(slots);
  object.setGlobal('address_slots', new Uint8Array(Uint32Array.of(knobs.address_slots).buffer));
  object.setMaxEntries('address_table', mapEntries.address_table);
  object.load();
  const changes = object.map('address_changes');
  const written = {
    map: () => ({
      valueSize: changes.valueSize,
      maxEntries: changes.maxEntries,
      updateBatch(...batch: Parameters<BpfMap['updateBatch']>) {
        if (kernel.refuses) throw new Error('E2BIG');
        return changes.updateBatch(...batch);
      },
    }),
    testRun: (...run: Parameters<BpfObject['testRun']>) => object.testRun(...run),
  };
  return { map: object.map('address_table'), table: new AddressTable(written) };
}

async function open({ slots = 1024, early = [] as PodValues[] } = {}) {
  const index = await openCluster();
  index.put('pods', ...early.map(podObject));
  const { map, table } = openTable(slots);
  const counters = new Counters();
  const addresses = new KernelAddresses({ cluster: index.cluster, table, counters, log: pino({ level: 'silent' }) });
  opened.push(() => index.close());
  opened.push(() => addresses.close());
  await addresses.start();
  return { ...index, map, counters, addresses };
}

function tableOf(map: BpfMap): Map<string, bigint> {
  const owned = new Map<string, bigint>();
  const { values, count } = map.entries();
  for (let at = 0; at < count * 24; at += 24) {
    const endpointId = values.readBigUInt64LE(at + 16);
    if (endpointId !== 0n) owned.set(addressText(values, at), endpointId);
  }
  return owned;
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
  const early = Array.from({ length: 50 }, (_, at) => pod(at, `10.0.0.${at}`));
  const { map, counters, put, remove } = await open({ slots: 33, early });
  const held = tableOf(map);
  assert.equal(held.size, 32);
  for (const [address, id] of held) assert.equal(id, idOf(Number(address.split('.')[3])));
  assert.equal(counters.discards.address_table_full, 18);
  const [address = ''] = held.keys();
  remove('pods', podObject(pod(Number(address.split('.')[3]), address)));
  put('pods', podObject(pod(77, '10.0.0.77')));
  await turn();
  assert.equal(tableOf(map).get('10.0.0.77'), idOf(77));
  assert.equal(counters.discards.address_table_full, 18);
});

it('writes again what could not be written, also that somebody has an address no more', async () => {
  const { map, counters, put, remove, cluster } = await open({ early: [pod(1, '10.0.0.1'), pod(2, '10.0.0.2')] });
  kernel.refuses = true;
  opened.push(() => {
    kernel.refuses = false;
  });
  cluster.pods.lose(uid(1));
  remove('pods', podObject(pod(2, '10.0.0.2')));
  put('pods', podObject(pod(3, '10.0.0.2')), podObject(pod(4, '10.0.0.4')));
  await turn();
  const before = new Map([
    ['10.0.0.1', idOf(1)],
    ['10.0.0.2', idOf(2)],
  ]);
  assert.deepEqual([tableOf(map), counters.discards.address_table_full], [before, 0]);
  assert.ok(counters.discards.address_write_failed >= 3);
  kernel.refuses = false;
  const after = new Map([
    ['10.0.0.2', idOf(3)],
    ['10.0.0.4', idOf(4)],
  ]);
  await eventually('what was refused', () => tableOf(map).has('10.0.0.4'));
  assert.deepEqual(tableOf(map), after);
  const failed = counters.discards.address_write_failed;
  put('pods', podObject(pod(5, '10.0.0.5')));
  await turn();
  assert.equal(tableOf(map).get('10.0.0.5'), idOf(5));
  assert.equal(counters.discards.address_write_failed, failed);
});

it('lets others work between a few hundred addresses', async () => {
  const addresses = 5000;
  let turns = 0;
  let filling = true;
  const count = () => {
    turns += 1;
    if (filling) setImmediate(count);
  };
  setImmediate(count);
  const early = Array.from({ length: addresses }, (_, at) => pod(at, `10.1.${at >> 8}.${at & 255}`));
  const { map } = await open({ slots: 16_384, early });
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
