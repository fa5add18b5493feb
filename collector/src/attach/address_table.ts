/** The kernel's table of who has which address (bpf/address_table.bpf.h), written a few hundred changes at a time. */
import type { BpfMap, BpfObject } from '../../native/addon.ts';

const SLOT_BYTES = 24;
const ADDRESS_BYTES = 16;
/** Changes that are brought at once. */
export const CHANGES = 256;
/** ADDRESS_PROBES of bpf/address_table.bpf.h. */
const PROBES = 32;
/** Nearly all of the 150,000 pods of the largest clusters are where they are looked for first. 12.6 MB. */
export const ADDRESS_SLOTS = 524_288;

/** What an object needs to be told before its load, so that it has the table. */
export const addressTableOf = (slots: number) => ({
  knobs: { address_slots: slots },
  mapEntries: { address_table: slots + PROBES },
});
export const ADDRESS_TABLE = addressTableOf(ADDRESS_SLOTS);

/** Takes changes and brings them to the kernel. */
export class AddressTable {
  readonly #object: BpfObject;
  readonly #map: BpfMap;
  readonly #places = new Uint8Array(new Uint32Array(CHANGES).map((_, index) => index).buffer);
  readonly #changes = Buffer.alloc(CHANGES * SLOT_BYTES);
  readonly #context = Buffer.alloc(8);
  #count = 0;

  /** @param object loaded */
  constructor(object: BpfObject) {
    this.#object = object;
    this.#map = object.map('address_changes');
  }

  /** Whether the changes must be brought to the kernel before another is taken. */
  get isFull(): boolean {
    return this.#count === CHANGES;
  }

  /** Takes a change: whose an address is from now on, 0 for nobody's. @param address 16 bytes */
  set(address: Uint8Array, endpointId: bigint): void {
    const at = this.#count * SLOT_BYTES;
    this.#changes.set(address, at);
    this.#changes.writeBigUInt64LE(endpointId, at + ADDRESS_BYTES);
    this.#count += 1;
  }

  /** Brings the changes to the kernel, in their order. @returns how many addresses found no room */
  apply(): number {
    this.#map.updateBatch(
      this.#places.subarray(0, this.#count * 4),
      this.#changes.subarray(0, this.#count * SLOT_BYTES),
    );
    this.#context.writeUInt32LE(this.#count, 0);
    this.#count = 0;
    return this.#object.testRun('apply_address_changes', { ctx: this.#context }).ctx.readUInt32LE(4);
  }
}
