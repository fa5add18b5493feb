/** The kernel side without a collector: loads the object for one cgroup and shows what it writes, record by record. */
import assert from 'node:assert/strict';
import {
  CGROUP_RECORD_FIELDS,
  ENUMS,
  FLOW_RECORD_FIELDS,
  RECORD_COUNTER,
  REQUEST_RECORD_FIELDS,
  TCP_EVENT_RECORD_FIELDS,
  type WireField,
} from '../../bpf/wire/events.gen.ts';
import { type BpfMap, openRing, type Ring } from '../../collector/native/addon.ts';
import { AddressTable } from '../../collector/src/attach/address_table.ts';
import { type AttachOptions, attachPrograms } from '../../collector/src/attach/load.ts';
import { addressBytes } from '../../collector/src/correlate/address_text.ts';
import type { Cgroup } from '../../deploy/lab/cgroup.ts';
import { eventually } from '../../deploy/lab/wait.ts';

/** A record by field name: numbers as bigint, enums by their name, addresses and texts as text. */
export type Seen = Record<string, string | bigint>;

const KINDS: Record<number, readonly WireField[]> = {
  [ENUMS.record_kind.flow]: FLOW_RECORD_FIELDS,
  [ENUMS.record_kind.tcp_event]: TCP_EVENT_RECORD_FIELDS,
  [ENUMS.record_kind.request]: REQUEST_RECORD_FIELDS,
  [ENUMS.record_kind.cgroup]: CGROUP_RECORD_FIELDS,
};

function readField(bytes: Buffer, field: WireField): string | bigint {
  const width = Number(field.type.slice(field.type.startsWith('bytes') ? 5 : 1));
  if (field.type.startsWith('bytes')) {
    const raw = bytes.subarray(field.offset, field.offset + width);
    if (!field.name.endsWith('_address')) return raw.toString('latin1').replace(/\0.*$/s, '');
    if (raw.subarray(0, 12).toString('hex') === `${'00'.repeat(10)}ffff`) return raw.subarray(12).join('.');
    return raw.toString('hex');
  }
  const value = bytes
    .subarray(field.offset, field.offset + width / 8)
    .reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  if (field.enumName === undefined) return value;
  const values = Object.entries(ENUMS[field.enumName as keyof typeof ENUMS]);
  return values.find(([, number]) => BigInt(number) === value)?.[0] ?? `${value}`;
}

/** Loaded programs and everything they have written so far. */
export class Watcher {
  readonly #seen: Seen[] = [];
  readonly #buffer = Buffer.alloc(4 * 1024 ** 2);
  readonly #attached: ReturnType<typeof attachPrograms>;
  readonly #rings: readonly Ring[];
  readonly #addresses: AddressTable;

  constructor(cgroup: Cgroup, options: Partial<AttachOptions> = {}) {
    this.#attached = attachPrograms({ objectPath: 'build/bpf/flowspan.bpf.o', cgroupRoot: cgroup.path, ...options });
    this.#rings = ['records', 'request_records'].map((name) => openRing(this.#attached.object, name));
    this.#addresses = new AddressTable(this.#attached.object);
  }

  /** Runs the walk over descriptors that finds connections older than the watcher. */
  adopt(): void {
    this.#iterate('adopt_sockets');
  }

  /** Writes a row for every open connection, every UDP flow that moved, and every connection that was refused. */
  snapshot(): void {
    this.#iterate('snapshot_flows');
    for (const program of ['sweep_udp_flows', 'tell_refusals']) this.#attached.object.testRun(program);
  }

  #iterate(name: string): void {
    const link = this.#attached.iterators.get(name);
    if (link === undefined) throw new Error(`${name} is not attached`);
    this.#attached.object.iterate(link);
  }

  /** Says whose an address is from now on; nobody's without an id. */
  own(address: string, id = 0n): void {
    this.#addresses.set(addressBytes(address), id);
    assert.equal(this.#addresses.apply(), 0);
  }

  /** A map of the kernel side; the caller's to close. */
  map(name: string): BpfMap {
    return this.#attached.object.map(name);
  }

  /** Every record so far for which all of `like` holds. */
  seen(like: Seen): Seen[] {
    for (const ring of this.#rings) this.#read(ring.drain(this.#buffer));
    return this.#seen.filter((record) => Object.entries(like).every(([name, value]) => record[name] === value));
  }

  #read(bytes: number): void {
    for (let at = 0; at < bytes; ) {
      const length = this.#buffer.readUInt32LE(at);
      const record = this.#buffer.subarray(at, at + length);
      const fields = KINDS[record[4] ?? 0];
      if (fields !== undefined)
        this.#seen.push(Object.fromEntries(fields.map((field) => [field.name, readField(record, field)])));
      at += (length + 7) & ~7;
    }
  }

  /** Waits until at least `count` such records were seen. */
  async wait(like: Seen, count = 1): Promise<Seen[]> {
    return eventually(`${count} records like ${Object.values(like).join(' ')}`, () => {
      const found = this.seen(like);
      return found.length >= count && found;
    });
  }

  /** Sum over CPUs of a counter in `discard_counters`. */
  discarded(reason: keyof typeof ENUMS.discard_reason): bigint {
    return this.#sum('discard_counters', ENUMS.discard_reason[reason], 0);
  }

  /** Records of a kind: wanted by the kernel, and of these lost because the ring was full. */
  counted(kind: keyof typeof ENUMS.record_kind): { wanted: bigint; lost: bigint } {
    const key = ENUMS.record_kind[kind];
    return {
      wanted: this.#sum('record_counters', key, RECORD_COUNTER.wanted),
      lost: this.#sum('record_counters', key, RECORD_COUNTER.lost_ring_full),
    };
  }

  #sum(name: string, key: number, offset: number): bigint {
    const map = this.map(name);
    const keyBytes = Buffer.alloc(4);
    keyBytes.writeUInt32LE(key);
    const perCpu = map.lookup(keyBytes) ?? Buffer.alloc(0);
    let sum = 0n;
    for (let at = 0; at < perCpu.length; at += (map.valueSize + 7) & ~7) sum += perCpu.readBigUInt64LE(at + offset);
    map.close();
    return sum;
  }

  close(): void {
    for (const ring of this.#rings) ring.close();
    this.#attached.close();
  }
}
