/**
 * Records without traffic: a BPF program (bpf/produce.bpf.c) writes them through the collector's own reserve, fill and
 * submit code, into rings of its own or those of a collector that runs. What they hold is in kit/produced.ts.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ENUMS, LAYOUT_HASH, RECORD_COUNTER } from '../../../bpf/wire/events.gen.ts';
import { type BpfObject, openObject } from '../../../collector/native/addon.ts';
import { pinDirectory } from '../../../deploy/lab/pins.ts';
import { MIX, type Mix, TARGETS, type Target } from './produced.ts';

/** What is written. */
export interface ProducerOptions extends Partial<Mix> {
  /** Cgroups that the connections' processes are in, up to eight. */
  readonly cgroupIds: readonly bigint[];
  /** The process of every connection. Default: this one. */
  readonly pid?: number;
  /** Process id of a collector: its rings are written to. Default: rings of the producer's own, of default size. */
  readonly collector?: number;
}

/** Records of one kind. */
export interface Produced {
  readonly wanted: number;
  /** Of these, those that found the ring full. */
  readonly lost: number;
}

export interface Producer {
  /** Loaded; its rings are `records` and `request_records`. */
  readonly object: BpfObject;
  /** Number of the next record. */
  readonly next: number;
  /** Writes so many records, on this thread. */
  produce(count: number): void;
  /** Records by kind since `openProducer`; in a collector's rings also those that others wrote. */
  counts(): Record<ProducedKind, Produced>;
  close(): void;
}

export const PRODUCED_KINDS = ['flow', 'tcp_event', 'request'] as const;
export type ProducedKind = (typeof PRODUCED_KINDS)[number];

/** What the producer shares with a collector. */
const SHARED = [
  'records',
  'request_records',
  'reader_rests',
  'record_counters',
  'discard_counters',
  'throttled_cgroups',
  'cgroup_throttles',
  'rows_in_files',
] as const;
/** Characters that the kernel keeps of a map's name. */
const NAME_LENGTH = 15;
const CGROUPS = 8;
const [TARGET_BYTES, HOST_BYTES] = [96, 48];
const HEADERS = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

function compiled(): string {
  const output = join('build', 'bench', 'produce.bpf.o');
  mkdirSync(join('build', 'bench'), { recursive: true });
  const target = `-D__TARGET_ARCH_${process.arch === 'arm64' ? 'arm64' : 'x86'}`;
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', target, '-Ibpf', '-idirafter', HEADERS];
  const hash = `-DFLOWSPAN_LAYOUT_HASH="${LAYOUT_HASH}"`;
  const source = join(import.meta.dirname, '..', 'bpf', 'produce.bpf.c');
  execFileSync(process.env.CLANG ?? 'clang-19', [...flags, hash, '-c', source, '-o', output]);
  return output;
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** As struct bench_target lies in memory. */
function targetBytes({ method, path, host }: Target): Buffer {
  const bytes = Buffer.alloc(8 + TARGET_BYTES + HOST_BYTES);
  const digits = /\d{10}/.exec(path);
  bytes[0] = method.length;
  bytes[1] = host.length;
  bytes.writeUInt16LE(path.length, 2);
  bytes.writeUInt32LE(digits === null ? TARGET_BYTES : method.length + digits.index, 4);
  bytes.write(method + path, 8, TARGET_BYTES, 'latin1');
  bytes.write(host, 8 + TARGET_BYTES, HOST_BYTES, 'latin1');
  return bytes;
}

interface MapInfo {
  readonly id: number;
  readonly name: string;
  readonly max_entries: number;
}

/** Maps that a process has open. */
function mapsOf(pid: number): MapInfo[] {
  const folder = `/proc/${pid}/fdinfo`;
  const ids = readdirSync(folder).map((descriptor) => {
    try {
      return /^map_id:\s+(\d+)/m.exec(readFileSync(join(folder, descriptor), 'utf8'))?.[1];
    } catch {
      return undefined; // closed meanwhile
    }
  });
  const show = (id: string) => execFileSync('bpftool', ['-j', 'map', 'show', 'id', id], { encoding: 'utf8' });
  return [...new Set(ids)].filter((id) => id !== undefined).map((id) => JSON.parse(show(id)) as MapInfo);
}

/** Takes the collector's maps instead of new ones. */
function share(object: BpfObject, collector: number): void {
  const maps = mapsOf(collector);
  const directory = pinDirectory();
  mkdirSync(directory);
  try {
    for (const name of SHARED) {
      const map = maps.find((one) => one.name === name.slice(0, NAME_LENGTH));
      if (map === undefined)
        throw new Error(`FLOW_BENCH_PRODUCER: process ${collector} has no map ${name}; is it a collector?`);
      const path = join(directory, name);
      execFileSync('bpftool', ['map', 'pin', 'id', String(map.id), path]);
      object.setMaxEntries(name, map.max_entries);
      if (!object.reuseMap(name, path))
        throw new Error(`FLOW_BENCH_PRODUCER: map ${name} is laid out otherwise; run make bpf`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function configure(object: BpfObject, options: ProducerOptions): void {
  const { connections, flows, events, unique, traced, pid = process.pid } = { ...MIX, ...options };
  const globals = { bench_flows: flows, bench_events: events, bench_unique: unique, bench_traced: traced };
  const counts = { bench_connections: connections, bench_target_count: TARGETS.length, bench_pid: pid };
  for (const [name, value] of Object.entries({ ...globals, ...counts })) object.setGlobal(name, u32(value));
  const { cgroupIds } = options;
  const ids = Array.from({ length: CGROUPS }, (_, index) => cgroupIds[index % cgroupIds.length] as bigint);
  object.setGlobal('bench_cgroup_ids', new Uint8Array(BigUint64Array.from(ids).buffer));
  object.setMaxEntries('bench_sockets', connections);
  object.setMaxEntries('bench_targets', TARGETS.length);
}

/** Compiles and loads the program. */
export function openProducer(options: ProducerOptions): Producer {
  const object = openObject(compiled());
  configure(object, options);
  if (options.collector !== undefined) share(object, options.collector);
  object.load();
  const places = Uint32Array.from(TARGETS.keys());
  object.map('bench_targets').updateBatch(new Uint8Array(places.buffer), Buffer.concat(TARGETS.map(targetBytes)));
  const counters = object.map('record_counters');
  const sum = (kind: ProducedKind, offset: number): number => {
    const values = counters.lookup(u32(ENUMS.record_kind[kind])) as Buffer;
    let total = 0n;
    for (let cpu = 0; cpu < values.length; cpu += RECORD_COUNTER.size) total += values.readBigUInt64LE(cpu + offset);
    return Number(total);
  };
  const look = () =>
    Object.fromEntries(
      PRODUCED_KINDS.map((kind) => [
        kind,
        { wanted: sum(kind, RECORD_COUNTER.wanted), lost: sum(kind, RECORD_COUNTER.lost_ring_full) },
      ]),
    ) as Record<ProducedKind, Produced>;
  const before = look();
  let next = 0;
  return {
    object,
    get next() {
      return next;
    },
    produce(count) {
      const run = Buffer.alloc(16);
      run.writeBigUInt64LE(BigInt(next), 0);
      run.writeUInt32LE(count, 8);
      object.testRun('bench_produce', { ctx: run });
      next += count;
    },
    counts() {
      const now = look();
      for (const kind of PRODUCED_KINDS) {
        const { wanted, lost } = now[kind];
        now[kind] = { wanted: wanted - before[kind].wanted, lost: lost - before[kind].lost };
      }
      return now;
    },
    close: () => object.close(),
  };
}
