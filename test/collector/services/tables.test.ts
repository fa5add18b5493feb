/** The kernel's maps hold together after every single write. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FRONTEND, SERVICE, SERVICE_BACKEND, TABLE_HEAD, TABLE_SLOT } from '../../../bpf/dataplane/service_lb.gen.ts';
import type { MapEntries } from '../../../collector/native/addon.ts';
import type { Mode } from '../../../collector/src/config_dataplane.ts';
import { type Changes, type NodeAddresses, ServiceTables } from '../../../collector/src/control/services/compile.ts';
import type { CellWrite, Entry } from '../../../collector/src/control/services/layout.ts';
import { type Backend, type Frontend, type Pool, serviceIdOf } from '../../../collector/src/control/services/pools.ts';
import { readLeftTables } from '../../../collector/src/control/services/take_up.ts';
import { addressText } from '../../../collector/src/correlate/address_text.ts';
import { numbers } from './numbers.ts';

class Killed extends Error {}

/** The kernel's maps, written one entry at a time. */
class Maps {
  readonly frontends = new Map<string, Buffer>();
  readonly slots = new Map<number, bigint>();
  readonly services = new Map<number, bigint[]>();
  readonly backends = new Map<number, Buffer>();

  /** @param afterEach runs after each write */
  apply(changes: Changes, afterEach: () => void): void {
    const each = <T>(some: readonly T[], write: (one: T) => void) => {
      for (const one of some) {
        write(one);
        afterEach();
      }
    };
    const backend = ({ key, value }: Entry) => this.backends.set(key.readUInt32LE(), value);
    const cell = ({ target, cell, index, value }: CellWrite) => {
      if (target === 'slot') this.slots.set(index, value);
      else this.services.set(index, (this.services.get(index) ?? [0n, 0n, 0n]).with(cell, value));
    };
    each(changes.backends, backend);
    each(changes.writes, cell);
    each(changes.frontends, ({ key, value }) => this.frontends.set(key.toString('latin1'), value));
    each(changes.frontendsGone, (key) => this.frontends.delete(key.toString('latin1')));
    each(changes.writesAfter, cell);
    each(changes.backendsGone, backend);
  }

  /** As the addon shows a map. */
  map(name: string): { entries(): MapEntries } {
    const array = (size: number, entries: ReadonlyMap<number, Buffer>) => {
      const count = Math.max(-1, ...entries.keys()) + 1;
      const values = Buffer.alloc((count + 64) * size);
      for (const [index, value] of entries) value.copy(values, index * size);
      return { entries: () => ({ keys: Buffer.alloc(0), values, count }) };
    };
    if (name === 'services')
      return array(SERVICE.size, new Map([...this.services].map(([index, cells]) => [index, bytesOf(cells)])));
    if (name === 'service_slots')
      return array(8, new Map([...this.slots].map(([index, cell]) => [index, bytesOf([cell])])));
    if (name === 'service_backends') return array(SERVICE_BACKEND.size, this.backends);
    const frontends = name === 'service_frontends' ? [...this.frontends] : [];
    const keys = Buffer.concat(frontends.map(([key]) => Buffer.from(key, 'latin1')));
    const values = Buffer.concat(frontends.map(([, value]) => value));
    return { entries: () => ({ keys, values, count: frontends.length }) };
  }

  /** Backends by slot of what a frontend leads to; throws where a program would find something half made. */
  follow(frontend: Buffer): { id: bigint; version: number; backends: string[] } {
    const index = frontend.readUInt32LE(FRONTEND.service);
    const service = bytesOf(this.services.get(index) ?? []);
    const id = service.readBigUInt64LE(SERVICE.service_id);
    assert.notEqual(id, 0n, 'a frontend leads to a free service');
    const table = service.readUInt32LE(SERVICE.table);
    const head = bytesOf([this.slots.get(table) ?? 0n]);
    const backends = Array.from({ length: head.readUInt16LE(TABLE_HEAD.slots) }, (_, slot) => {
      const place = bytesOf([this.slots.get(table + 1 + slot)!]).readUInt32LE(TABLE_SLOT.backend);
      const backend = this.backends.get(place)!;
      assert.equal(backend.readUInt32LE(SERVICE_BACKEND.service), index, 'a backend of another service');
      assert.notEqual(backend.readUInt16LE(SERVICE_BACKEND.port), 0, 'a slot without a backend');
      return `${addressText(backend, 0)} ${backend.readUInt16LE(SERVICE_BACKEND.port)}`;
    });
    return { id, version: head.readUInt32LE(TABLE_HEAD.table_version), backends };
  }
}

function bytesOf(cells: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(cells.length * 8);
  for (const [at, cell] of cells.entries()) bytes.writeBigUInt64LE(cell, at * 8);
  return bytes;
}

const NO_NODES: NodeAddresses = new Map();
const backend = (number: number, weight = 1): Backend => ({ address: `10.0.0.${number}`, port: 80, weight });

function pool(name: string, candidates: readonly Backend[], mode: Mode = 'enforce'): Pool {
  const id = `shop/${name}`;
  const serviceId = serviceIdOf(id);
  return {
    id,
    serviceId,
    namespace: 'shop',
    service: name,
    port: 80,
    mode,
    affinitySeconds: 0,
    isLocal: false,
    hasOthers: false,
    basis: 'ready',
    endpoints: 12,
    candidates,
  };
}

const frontend = (number: number, pool: Pool): Frontend => ({
  ...{ kind: 'cluster_ip', family: 4, address: `10.96.0.${number}`, port: 80, protocol: 6 },
  ...{ ownNodeOnly: false, pool, place: pool.id },
});

const modelOf = (...pools: readonly Pool[]) => ({
  pools: new Map(pools.map((each) => [each.id, each])),
  frontends: pools.map((each) => frontend(Number(each.service.slice(1)), each)),
});

const CAPACITY = { services: 64, slots: 1024, backends: 256, frontends: 64 };

describe('the tables of the kernel', () => {
  it('are as the model says, and hold together after every write', () => {
    const random = numbers(11);
    const tables = new ServiceTables(CAPACITY);
    const maps = new Maps();
    for (let step = 0; step < 300; step += 1) {
      const pools: Pool[] = [];
      for (let number = 1; number <= 6; number += 1) {
        if (random(5) === 0) continue;
        const some = Array.from({ length: 12 }, (_, at) => backend(at + 1, 1 + random(2)));
        const mode = random(6) === 0 ? 'observe' : 'enforce';
        pools.push(
          pool(
            `s${number}`,
            some.filter(() => random(3) === 0),
            mode,
          ),
        );
      }
      const made = modelOf(...pools);
      const changes = tables.change(made, NO_NODES, step * 2000);
      assert.deepEqual(changes.noRoom, []);
      maps.apply(changes, () => {
        for (const each of maps.frontends.values()) maps.follow(each);
      });
      const balanced = pools.filter(({ mode }) => mode === 'enforce');
      assert.equal(maps.frontends.size, balanced.length);
      const found = new Map([...maps.frontends.values()].map((each) => [maps.follow(each).id, maps.follow(each)]));
      for (const each of balanced) {
        const { backends, version } = found.get(each.serviceId)!;
        const wanted = each.candidates.flatMap(({ address, port, weight }) => Array(weight).fill(`${address} ${port}`));
        assert.deepEqual(backends.toSorted(), wanted.toSorted());
        assert.equal(tables.view(each.id)?.version, version);
      }
      assert.deepEqual(tables.change(made, NO_NODES, step * 2000 + 1), NOTHING, 'the same again is no change');
    }
  });

  it('are taken up where a run was killed, after whichever write', () => {
    const random = numbers(23);
    const maps = new Maps();
    let killed = 0;
    for (let run = 0; run < 150; run += 1) {
      const nowMs = run * 10_000;
      const left = readLeftTables(maps);
      const tables = new ServiceTables(CAPACITY, left, nowMs);
      const pools = [1, 2, 3, 4].flatMap((number) => {
        const some = Array.from({ length: 9 }, (_, at) => backend(at + 1, 1 + random(2))).filter(() => random(3) === 0);
        return random(4) === 0 ? [] : [pool(`s${number}`, some)];
      });
      const changes = tables.change(modelOf(...pools), NO_NODES, nowMs + 1);
      let survives = random(40);
      try {
        maps.apply(changes, () => {
          for (const each of maps.frontends.values()) maps.follow(each);
          survives -= 1;
          if (survives === 0) throw new Killed();
        });
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        killed += 1;
        continue;
      }
      assert.equal(maps.frontends.size, pools.length);
      const owned = new Set<string>();
      for (const each of maps.frontends.values()) {
        const { id, backends } = maps.follow(each);
        const wanted = pools.find((one) => one.serviceId === id)!.candidates;
        const names = wanted.flatMap(({ address, port, weight }) => Array(weight).fill(`${address} ${port}`));
        assert.deepEqual(backends.toSorted(), names.toSorted());
        for (const name of new Set(backends)) owned.add(`${id} ${name}`);
      }
      const living = [...maps.backends.values()].filter((each) => each.readUInt16LE(SERVICE_BACKEND.port) !== 0);
      assert.equal(living.length, owned.size, 'nobody is left behind');
      const again = new ServiceTables(CAPACITY, readLeftTables(maps), nowMs + 2);
      assert.deepEqual(again.change(modelOf(...pools), NO_NODES, nowMs + 3), NOTHING, 'what is there is known');
    }
    assert.ok(killed > 30, `${killed} runs were killed`);
  });

  it('change by what differs', () => {
    const tables = new ServiceTables(CAPACITY);
    const some = Array.from({ length: 20 }, (_, at) => backend(at + 1));
    tables.change(modelOf(pool('s1', some)), NO_NODES, 0);
    const more = tables.change(modelOf(pool('s1', [...some, backend(21)])), NO_NODES, 1);
    assert.deepEqual([more.backends.length, more.writes.length], [1, 2], 'a slot and the head');
    const less = tables.change(modelOf(pool('s1', [...some.slice(1), backend(21)])), NO_NODES, 2);
    assert.deepEqual([less.writes.length, less.backendsGone.length], [2, 1]);
    const audited = tables.change(modelOf(pool('s1', [...some.slice(1), backend(21)], 'audit')), NO_NODES, 3);
    assert.deepEqual([audited.writes.length, audited.frontends.length], [1, 0], 'the mode');
    assert.equal(tables.view('shop/s1')?.version, 3, 'the mode is no version of the table');
  });

  it('leave a pool as it was where there is no room for its change, and say so', () => {
    const tables = new ServiceTables({ ...CAPACITY, backends: 4 });
    const maps = new Maps();
    const apply = (...pools: Pool[]) => {
      const changes = tables.change(modelOf(...pools), NO_NODES, 0);
      maps.apply(changes, () => {});
      return changes.noRoom;
    };
    assert.deepEqual(
      apply(
        pool(
          's1',
          [1, 2, 3].map((number) => backend(number)),
        ),
      ),
      [],
    );
    const both = [
      pool(
        's1',
        [1, 2, 3, 4, 5].map((number) => backend(number)),
      ),
      pool(
        's2',
        [6, 7].map((number) => backend(number)),
      ),
    ];
    assert.deepEqual(apply(...both), ['shop/s1', 'shop/s2']);
    assert.equal(maps.frontends.size, 1);
    assert.equal(tables.view('shop/s1')?.slots.length, 3);
    assert.equal(tables.view('shop/s2'), undefined);
    assert.deepEqual(
      apply(
        pool(
          's1',
          [1, 2, 3, 4].map((number) => backend(number)),
        ),
      ),
      [],
      'nothing was taken',
    );
  });
});

const NOTHING: Changes = {
  ...{ backends: [], writes: [], frontends: [], nodes: [], frontendsGone: [], nodesGone: [] },
  ...{ writesAfter: [], backendsGone: [], noRoom: [] },
};
