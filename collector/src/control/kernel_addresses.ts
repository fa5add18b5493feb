/**
 * Tells the kernel whose each address is, as far as the Kubernetes index knows it now. Many at a time and a few hundred
 * per turn of the event loop, so that the rings are read in between; what waits is one bit per claim. The table is this
 * collector's own: empty when it starts, gone when it ends.
 */
import type { Logger } from 'pino';
import type { AddressTable } from '../attach/address_table.ts';
import type { Counters } from '../counters.ts';
import { endpointId } from './identity.ts';
import { addressOfWords, type Words, wordsOfBytes } from './kubernetes/addresses.ts';
import type { Cluster } from './kubernetes/cluster.ts';
import { Column } from './kubernetes/columns.ts';

export interface KernelAddressesOptions {
  readonly table: AddressTable;
  readonly cluster: Pick<Cluster, 'claims' | 'pods'>;
  readonly counters: Counters;
  readonly log: Pick<Logger, 'error'>;
}

const BITS = 32;
/** Addresses that are written again after their write failed; those beyond stay as they are until they change. */
const MOST_AGAIN = 65_536;
const AGAIN_MS = 1000;

/** Keeps the kernel's table like the index. */
export class KernelAddresses {
  readonly #options: KernelAddressesOptions;
  /** A bit per claim whose address waits to be written. */
  readonly #waiting = new Column(Uint32Array);
  #waitingCount = 0;
  /** Where the search for what waits goes on: all before it that waits came later. */
  #at = 0;
  readonly #words: Words = new Uint32Array(4);
  readonly #address = Buffer.alloc(16);
  /** Bytes of addresses whose write failed, as latin1. */
  readonly #again = new Set<string>();
  #turn: NodeJS.Immediate | undefined;
  #pause: NodeJS.Timeout | undefined;
  #written: () => void = () => undefined;

  constructor(options: KernelAddressesOptions) {
    this.#options = options;
  }

  /** From now on the table follows the index. @returns resolved once it holds all that the index has now */
  async start(): Promise<void> {
    const { claims } = this.#options.cluster;
    claims.watcher = this;
    for (let claim = 1; claim <= claims.last; claim += 1) this.changed(claim);
    if (this.#waitingCount > 0) await new Promise<void>((resolve) => (this.#written = resolve));
  }

  close(): void {
    this.#options.cluster.claims.watcher = undefined;
    clearImmediate(this.#turn);
    clearTimeout(this.#pause);
    this.#written();
  }

  /** Written in one of the next turns. */
  changed(claim: number): void {
    if (this.#waits(claim)) return;
    this.#flip(claim);
    this.#waitingCount += 1;
    this.#turn ??= setImmediate(this.#writeSome);
  }

  /** Written at once, since its number may be another address's soon; rare: an end is mostly written long before. */
  removed(claim: number): void {
    if (this.#waits(claim)) this.#take(claim);
    else if (!this.#options.cluster.claims.isOpen(claim)) return;
    this.#write([claim]);
  }

  readonly #writeSome = (): void => {
    this.#write(this.#next());
    this.#turn = this.#waitingCount > 0 ? setImmediate(this.#writeSome) : undefined;
    if (this.#waitingCount === 0) this.#written();
  };

  /** As many claims that have waited as the table takes at once; they wait no more. Some 7 µs each until written. */
  #next(): number[] {
    const most = this.#options.table.capacity;
    const claims: number[] = [];
    const words = Math.floor(this.#options.cluster.claims.last / BITS) + 1;
    for (let looked = 0; looked <= words && this.#waitingCount > 0 && claims.length < most; looked += 1) {
      if (this.#at >= words) this.#at = 0;
      let bits = this.#waiting.get(this.#at);
      while (bits !== 0 && claims.length < most) {
        const claim = this.#at * BITS + 31 - Math.clz32(bits);
        this.#take(claim);
        claims.push(claim);
        bits = this.#waiting.get(this.#at);
      }
      if (bits === 0) this.#at += 1;
    }
    return claims;
  }

  #waits(claim: number): boolean {
    return (this.#waiting.get(claim >>> 5) & (1 << (claim & 31))) !== 0;
  }

  #flip(claim: number): void {
    this.#waiting.set(claim >>> 5, this.#waiting.get(claim >>> 5) ^ (1 << (claim & 31)));
  }

  #take(claim: number): void {
    this.#flip(claim);
    this.#waitingCount -= 1;
  }

  /** Writes who has the addresses of some claims, which may be over. */
  #write(some: readonly number[]): void {
    for (const claim of some) this.#set(claim);
    if (this.#apply(some.length)) return;
    for (const claim of some.slice(0, MOST_AGAIN - this.#again.size)) {
      this.#readAddress(claim);
      this.#again.add(this.#address.toString('latin1'));
    }
    this.#pause ??= setTimeout(this.#writeAgain, AGAIN_MS).unref();
  }

  readonly #writeAgain = (): void => {
    const some = [...this.#again.values().take(this.#options.table.capacity)];
    for (const address of some) {
      this.#address.write(address, 'latin1');
      wordsOfBytes(this.#address, this.#words);
      this.#setOwner();
    }
    const isWritten = this.#apply(some.length);
    if (isWritten) for (const address of some) this.#again.delete(address);
    this.#pause = this.#again.size > 0 ? setTimeout(this.#writeAgain, isWritten ? 0 : AGAIN_MS).unref() : undefined;
  };

  #set(claim: number): void {
    this.#readAddress(claim);
    this.#setOwner();
  }

  #readAddress(claim: number): void {
    this.#options.cluster.claims.read(claim, this.#words);
    addressOfWords(this.#words, this.#address, 0);
  }

  /** Takes up whose the address is that was read last. */
  #setOwner(): void {
    const { claims, pods } = this.#options.cluster;
    const pod = claims.sole(this.#words);
    this.#options.table.set(this.#address, pod === 0 ? 0n : endpointId('pod', pods.nodeUid(pod)));
  }

  /** Brings what was set to the kernel. @returns false if that failed: nothing of it is there */
  #apply(count: number): boolean {
    const { table, counters, log } = this.#options;
    try {
      counters.discard('address_table_full', table.apply());
      return true;
    } catch (error) {
      counters.discard('address_write_failed', count);
      // Once for all that fail until there is none left.
      if (this.#again.size === 0) log.error({ err: error }, 'addresses of pods were not written to the kernel');
      return false;
    }
  }
}
