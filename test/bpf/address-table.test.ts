/** The kernel's table of who has which address: what is looked up is what was written last, however full it is. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BpfObject, openObject } from '../../collector/native/addon.ts';
import { AddressTable, addressTableOf } from '../../collector/src/attach/address_table.ts';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import { builtTestProgram } from '../native/build.ts';

/** Slots an address may be in. */
const PROBES = 32;

describe('the table of addresses', () => {
  let object: BpfObject;
  let table: AddressTable;

  function open(slots: number): void {
    object = openObject(builtTestProgram('look_up.bpf.o'));
    const { knobs, mapEntries } = addressTableOf(slots + PROBES);
    object.setGlobal('address_slots', new Uint8Array(Uint32Array.of(knobs.address_slots).buffer));
    object.setMaxEntries('address_table', mapEntries.address_table);
    object.load();
    table = new AddressTable(object);
  }

  /** Endpoint that the kernel finds for an address. */
  function lookUp(address: string): bigint {
    const slot = Buffer.alloc(24);
    slot.set(addressBytes(address));
    return object.testRun('look_up', { ctx: slot }).ctx.readBigUInt64LE(16);
  }

  /** @returns how many found no room */
  function write(...changes: readonly (readonly [address: string, endpointId: bigint])[]): number {
    let homeless = 0;
    for (const [address, endpointId] of changes) {
      table.set(addressBytes(address), endpointId);
      if (table.isFull) homeless += table.apply();
    }
    return homeless + table.apply();
  }

  /** Slots where searches that find nothing do not end: some address is or was there. */
  function touched(): number {
    const { values, count } = object.map('address_table').entries();
    let sum = 0;
    for (let at = 0; at < count * 24; at += 24) if (values.subarray(at, at + 16).some((byte) => byte !== 0)) sum += 1;
    return sum;
  }

  it('finds IPv4 and IPv6, and nobody', () => {
    open(1000);
    assert.equal(lookUp('10.0.0.1'), 0n);
    assert.equal(write(['10.0.0.1', 1n], ['fd00::1', 2n], ['fd00:0:0:1::1', 0xffff_ffff_ffff_ffffn]), 0);
    assert.equal(lookUp('10.0.0.1'), 1n);
    assert.equal(lookUp('fd00::1'), 2n);
    assert.equal(lookUp('fd00:0:0:1::1'), 0xffff_ffff_ffff_ffffn);
    for (const other of ['10.0.0.2', 'fd00::', '::a00:1', 'fd00:0:0:2::1', '::'])
      assert.equal(lookUp(other), 0n, other);
    object.close();
  });

  it('never answers with the endpoint of an address that left the slot meanwhile', () => {
    open(1);
    /** Endpoint found for an address while these changes are made. */
    const duringChanges = (
      address: string,
      ...changes: readonly (readonly [address: string, endpointId: bigint])[]
    ) => {
      const asked = Buffer.alloc(32);
      asked.set(addressBytes(address));
      asked.writeUInt32LE(changes.length, 24);
      for (const [at, [changed, endpointId]] of changes.entries()) {
        const slot = Buffer.alloc(24);
        slot.set(addressBytes(changed));
        slot.writeBigUInt64LE(endpointId, 16);
        object.map('address_changes').update(Uint8Array.of(at, 0, 0, 0), slot);
      }
      return object.testRun('look_up_interrupted', { ctx: asked }).ctx.readBigUInt64LE(16);
    };
    write(['10.0.0.1', 1n]);
    assert.equal(duringChanges('10.0.0.1'), 1n);
    assert.equal(duringChanges('10.0.0.2', ['10.0.0.1', 0n], ['10.0.0.2', 2n]), 0n);
    assert.equal(lookUp('10.0.0.2'), 2n, 'it has that very slot now');
    assert.equal(duringChanges('10.0.0.2', ['10.0.0.2', 3n]), 0n);
    assert.equal(duringChanges('10.0.0.2'), 3n);
    object.close();
  });

  it('takes as many as it has slots to look in, and says how many more there were', () => {
    open(1);
    const all = Array.from({ length: 40 }, (_, at): [string, bigint] => [`10.0.0.${at}`, BigInt(at + 1)]);
    assert.equal(write(...all), 40 - PROBES);
    for (const [address, id] of all) assert.equal(lookUp(address), id <= PROBES ? id : 0n);
    assert.equal(write(['10.0.0.3', 99n]), 0, 'who is there finds room again');
    assert.equal(lookUp('10.0.0.3'), 99n);
    assert.equal(write(['10.0.0.3', 0n], ['10.0.0.39', 40n]), 0);
    assert.deepEqual([lookUp('10.0.0.3'), lookUp('10.0.0.39')], [0n, 40n]);
    object.close();
  });

  it('holds what was written last after any order of writes, and nothing in the end', () => {
    for (const slots of [8, 40, 300]) {
      open(slots);
      const owned = new Map<string, bigint>();
      let state = slots;
      const below = (limit: number) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 8) % limit;
      };
      const addresses = Array.from({ length: 60 }, (_, at) =>
        at % 3 === 0 ? `fd00:${at}::${at * 7}` : `10.1.${at}.${at * 4}`,
      );
      for (let step = 0; step < 400; step += 1) {
        const address = addresses[below(60)]!;
        const id = below(3) === 0 ? 0n : BigInt(below(1000) + 1);
        const homeless = write([address, id]);
        if (id === 0n || homeless > 0) owned.delete(address);
        else owned.set(address, id);
        assert.equal(table.owned, owned.size);
        assert.ok(homeless === 0 || owned.size >= Math.min(PROBES, slots), `no room at ${owned.size} of ${slots}`);
        if (step % 20 !== 0) continue;
        for (const each of addresses)
          assert.equal(lookUp(each), owned.get(each) ?? 0n, `${each} of ${slots}, step ${step}`);
      }
      for (const address of addresses) write([address, 0n]);
      for (const address of addresses) assert.equal(lookUp(address), 0n);
      object.close();
    }
  });

  it('forgets who went where nobody is behind, so that searches stay short', () => {
    open(4096);
    assert.equal(table.owned, 0);
    for (let round = 0; round < 50; round += 1) {
      const some = Array.from({ length: 200 }, (_, at): [string, bigint] => [`10.${round}.${at >> 7}.${at & 127}`, 1n]);
      assert.equal(write(...some), 0);
      assert.equal(table.owned, 200);
      write(...some.map(([address]): [string, bigint] => [address, 0n]));
    }
    assert.ok(touched() < 200, `${touched()} slots of 10,000 addresses that went`);
    object.close();
  });
});
