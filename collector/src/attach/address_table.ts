/** The kernel's table of who has which address (bpf/address_table.bpf.h), written a few hundred changes at a time. */
import type { BpfMap, BpfObject } from '../../native/addon.ts';

const ADDRESS_BYTES = 16;
/** Of 24 bytes: nearly all of the 150,000 pods of the largest clusters are where they are looked for first. */
const MOST_SLOTS = 524_288;

/** What an object must be told before its load to have a table with so many slots; of the last 32 few are used. */
export const addressTableOf = (slots: number) => ({
  knobs: { address_slots: slots },
  mapEntries: { address_table: slots },
});
export const ADDRESS_TABLE = addressTableOf(MOST_SLOTS);

type ChangesMap = Pick<BpfMap, 'valueSize' | 'maxEntries' | 'updateBatch'>;
/** What of an object is needed. */
interface TableObject extends Pick<BpfObject, 'testRun'> {
  map(name: string): ChangesMap;
}

/** Takes changes and brings them to the kernel. */
export class AddressTable {
  readonly #object: TableObject;
  readonly #map: ChangesMap;
  readonly #places: Uint8Array;
  readonly #changes: Buffer;
  /** struct address_changes_context. */
  readonly #context = Buffer.alloc(16);
  #count = 0;
  #owned = 0;

  /** @param object loaded, with program apply_address_changes */
  constructor(object: TableObject) {
    this.#object = object;
    this.#map = object.map('address_changes');
    this.#places = new Uint8Array(new Uint32Array(this.capacity).map((_, index) => index).buffer);
    this.#changes = Buffer.alloc(this.capacity * this.#map.valueSize);
  }

  /** Changes that are brought to the kernel at once, at most. */
  get capacity(): number {
    return this.#map.maxEntries;
  }

  /** Addresses that have an owner there. */
  get owned(): number {
    return this.#owned;
  }

  /** Whether the changes must be brought to the kernel before another is taken. */
  get isFull(): boolean {
    return this.#count === this.capacity;
  }

  /** Takes a change: whose an address is from now on, 0 for nobody's. @param address 16 bytes */
  set(address: Uint8Array, endpointId: bigint): void {
    const at = this.#count * this.#map.valueSize;
    this.#changes.set(address, at);
    this.#changes.writeBigUInt64LE(endpointId, at + ADDRESS_BYTES);
    this.#count += 1;
  }

  /** Brings the changes to the kernel, in their order. @returns how many addresses found no room */
  apply(): number {
    const count = this.#count;
    this.#count = 0;
    this.#map.updateBatch(this.#places.subarray(0, count * 4), this.#changes.subarray(0, count * this.#map.valueSize));
    this.#context.writeUInt32LE(count, 0);
    const { ctx } = this.#object.testRun('apply_address_changes', { ctx: this.#context });
    this.#owned += ctx.readInt32LE(8);
    return ctx.readUInt32LE(4);
  }
}
