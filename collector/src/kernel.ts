/** The kernel side as the data path sees it: rings to drain, walks to run, counters to read. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FLOW_RECORD, RECORD_COUNTER } from '../../bpf/wire/events.gen.ts';
import { type Handle, openRing, type ProgramStats, type Ring } from '../native/addon.ts';
import { ADDRESS_TABLE, AddressTable } from './attach/address_table.ts';
import type { Host } from './attach/host.ts';
import { type Kept, KeptMaps } from './attach/kept_maps.ts';
import { type Attached, loadPrograms, type ProgramStatus } from './attach/load.ts';
import { perCpuSum } from './attach/per_cpu.ts';
import { PROGRAMS } from './attach/programs.ts';
import { countRunTime } from './attach/run_time.ts';
import { type SharedMaps, UNSHARED_ENTRIES } from './attach/shared_maps.ts';
import { formatReport } from './attach/table.ts';
import { type WalkSteps, walk } from './attach/walk.ts';
import type { RecordRing } from './batch/drain.ts';
import type { Config } from './config.ts';
import { newestFlowInFiles } from './flows_in_files.ts';
import type { RingName } from './govern/pressure.ts';
import { ThrottleTable } from './govern/throttle_table.ts';

/** What the kernel counted of one kind of record. */
export interface RecordCount {
  readonly wanted: number;
  readonly lostRingFull: number;
  /** Of these, not written because their cgroup is throttled. */
  readonly shed: number;
}

/** What the pipeline needs of the kernel; tests bring their own. */
export interface Kernel {
  readonly rings: readonly RecordRing[];
  readonly programs: readonly ProgramStatus[];
  /** Who has which address: what connections are stamped with when they begin. Undefined where it was not asked for. */
  readonly addressTable: AddressTable | undefined;
  /** What is written of noisy cgroups. */
  readonly throttles: ThrottleTable;
  /** Share of a ring that waits to be read, 0 to 1. */
  ringFill(ring: RingName): number;
  /** Gives sockets that were there before a place to be counted in. Writes records while it runs. */
  adopt(): Promise<void>;
  /** Makes a row of every open connection and flow. Writes records while it runs. */
  snapshot(): Promise<void>;
  /** Records wanted and lost, by the number of their kind. */
  recordCount(kind: number): RecordCount;
  /** Facts discarded, by the number of their reason. */
  discardCount(reason: number): number;
  /** Runs that the kernel skipped of programs that write events (`recursion_misses`), since the start. */
  skippedEvents(): number;
  /** The next record wakes the reader, however few wait. */
  wakeAtNext(): void;
  /** Bytes in the rings that wait to be read, records that are being written included. */
  ringBytes(): number;
  /** Records in the rings that made no sense, since the start. */
  malformedRecords(): number;
  /** Makes the kernel count how often and how long programs run, until the handle is closed. */
  countRunTime(): Handle;
  /** What was counted of each program. */
  programStats(): ProgramStats[];
  /** What became of the counters that an earlier run left. */
  readonly kept: Kept;
  /** Flow records until then, boot clock in nanoseconds, are rows in a file, dated by that difference of clocks. */
  setFlowsInFiles(bootNs: bigint, wallMinusBootNs: bigint): void;
  /** Nothing is written any more; what was can still be drained. */
  detach(): void;
  close(): void;
}

/** Share of the ring that a step of the walk over connections fills, and to which it is emptied before the next one. */
const STEP_FILL = 0.25;
const EMPTIED_MS = 10;
/** Where nobody empties it the walk goes on all the same, and what finds no room is counted. */
const EMPTIED_TRIES = 100;

/** Opens the rings and counters of programs that are attached. Closing it detaches them. */
export function openKernel(attached: Attached, addressesKnown = false, kept?: KeptMaps): Kernel {
  const { object, iterators, programs } = attached;
  const byName = { records: openRing(object, 'records'), request_records: openRing(object, 'request_records') };
  const rings: Ring[] = [byName.records, byName.request_records];
  const records = object.map('record_counters');
  const discards = object.map('discard_counters');
  const rests = object.map('reader_rests');
  const [first, set] = [Buffer.alloc(4), Buffer.alloc(4)];
  set.writeUInt32LE(1);
  const walkWith = async (program: string, steps?: WalkSteps) => {
    const link = iterators.get(program);
    if (link !== undefined) await walk(object, link, steps);
  };
  const ringFill = (ring: keyof typeof byName) => byName[ring].waiting / byName[ring].size;
  const rowsPerStep = Math.max(Math.floor((byName.records.size * STEP_FILL) / FLOW_RECORD.size), 1);
  const emptied = async () => {
    for (let tries = 0; tries < EMPTIED_TRIES && ringFill('records') > STEP_FILL; tries += 1) await sleep(EMPTIED_MS);
  };
  const runs = (program: string) => programs.some(({ name, attached: there }) => name === program && there);
  const sweeps = ['sweep_udp_flows', 'tell_refusals'].filter(runs);
  return {
    rings,
    programs,
    addressTable: addressesKnown && runs('apply_address_changes') ? new AddressTable(object) : undefined,
    throttles: new ThrottleTable(object),
    ringFill,
    adopt: () => walkWith('adopt_sockets'),
    async snapshot() {
      // A byte is printed per row.
      await walkWith('snapshot_flows', { bytes: rowsPerStep, between: emptied });
      for (const program of sweeps) object.testRun(program);
    },
    recordCount(kind) {
      // A record is counted as wanted first: read in this order, what was lost or shed is always among what was wanted.
      const lostRingFull = perCpuSum(records, kind, RECORD_COUNTER.lost_ring_full);
      const shed = perCpuSum(records, kind, RECORD_COUNTER.shed);
      return { wanted: perCpuSum(records, kind, RECORD_COUNTER.wanted), lostRingFull, shed };
    },
    discardCount: (reason) => perCpuSum(discards, reason, 0),
    skippedEvents: () =>
      object
        .programStats()
        .reduce((sum, { name, recursionMisses }) => sum + (EVENTS.has(name) ? Number(recursionMisses) : 0), 0),
    wakeAtNext: () => rests.update(first, set),
    ringBytes: () => rings.reduce((sum, ring) => sum + ring.waiting, 0),
    malformedRecords: () => rings.reduce((sum, ring) => sum + ring.malformed, 0),
    countRunTime,
    programStats: () => object.programStats(),
    kept: { state: kept?.state ?? 'off', reason: kept?.reason ?? '' },
    setFlowsInFiles: (bootNs, wallMinusBootNs) => kept?.setInFiles(bootNs, wallMinusBootNs),
    detach: () => attached.detach(),
    close: () => attached.close(),
  };
}

/** Programs that write events. */
const EVENTS: ReadonlySet<string> = new Set(
  PROGRAMS.filter(({ writesEvents }) => writesEvents).map(({ name }) => name),
);

/** The kernel's id of a cgroup is the inode number of its directory. */
const cgroupId = (path: string): bigint => statSync(path, { bigint: true }).ino;

const BUILT_OBJECT = fileURLToPath(new URL('../../build/bpf/flowspan.bpf.o', import.meta.url));

/** A kernel side that is loaded, and attached nowhere yet. */
export interface LoadedKernel {
  /**
   * Attaches, once; prints what is attached and what is not.
   * @throws AttachError; nothing stays attached
   */
  attach(): Promise<Kernel>;
  close(): void;
}

/**
 * Loads what is to be attached to this machine's kernel.
 * @param addressesKnown whether the table of addresses will be filled
 * @param shared maps of the data plane, if one is loaded
 * @throws AttachError
 */
export function loadKernel(config: Config, host: Host, addressesKnown: boolean, shared?: SharedMaps): LoadedKernel {
  const { bpf_object, pin_dir, records_ring_bytes, requests_ring_bytes } = config.collector;
  const { data_dir } = config;
  const kept = pin_dir === '' ? undefined : new KeptMaps(pin_dir, data_dir);
  const loaded = loadPrograms({
    objectPath: bpf_object === '' ? BUILT_OBJECT : bpf_object,
    cgroupRoot: host.cgroupRoot,
    kept,
    shared,
    knobs: {
      ...(addressesKnown ? ADDRESS_TABLE.knobs : {}),
      slow_request_ns: BigInt(config.collector.governor.slow_ms) * 1_000_000n,
      read_requests: config.collector.read_requests ? 1 : 0,
      watched_cgroup_id: config.collector.cgroup_root_only ? cgroupId(host.cgroupRoot) : 0,
    },
    mapEntries: {
      ...(shared === undefined ? UNSHARED_ENTRIES : {}),
      records: records_ring_bytes,
      request_records: requests_ring_bytes,
      ...(addressesKnown ? ADDRESS_TABLE.mapEntries : {}),
    },
  });
  return {
    async attach() {
      if (kept !== undefined) kept.newestRowNs = await newestFlowInFiles(data_dir);
      const attached = loaded.attach();
      process.stdout.write(formatReport(host, attached.programs));
      return openKernel(attached, addressesKnown, kept);
    },
    close: () => loaded.close(),
  };
}
