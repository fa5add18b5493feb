/**
 * What it costs the kernel to find out whose address the other end of a connection has, once per connection, in a table
 * of as many addresses as the largest clusters have: mean run time by the kernel's program statistics of a program that
 * does it, less that of the same program without a table. For a few addresses again and again, for as many as a busy
 * node or a gateway talks to, for all equally often, and for addresses of nobody: the last two fit into no cache, and
 * wait for memory. ADDRESSES and ROUNDS by environment. Each kind has a line of its own; the last is that of all
 * addresses equally often.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LAYOUT_HASH } from '../../bpf/wire/events.gen.ts';
import { type BpfObject, enableStats, openObject } from '../../collector/native/addon.ts';
import { ADDRESS_TABLE, AddressTable } from '../../collector/src/attach/address_table.ts';
import { median, printResult, resultOf } from './kit/result.ts';

const ADDRESSES = Number(process.env.ADDRESSES ?? 150_000);
const ROUNDS = Number(process.env.ROUNDS ?? 20);
const RUNS = 1_000_000;
const GOAL_NS = 25;
const PROGRAM = 'bench_lookup';
const PACKET = Buffer.alloc(64);
const HEADERS = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/** How many addresses are asked for, all equally often, and whether they are in the table. */
const KINDS = [
  { kind: 'few', asked: 16, known: true },
  { kind: 'node', asked: 1000, known: true },
  { kind: 'gateway', asked: 10_000, known: true },
  { kind: 'nobody', asked: ADDRESSES, known: false },
  { kind: 'all', asked: ADDRESSES, known: true },
] as const;

function compiled(): string {
  const output = join('build', 'bench', 'lookup.bpf.o');
  mkdirSync(join('build', 'bench'), { recursive: true });
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-Ibpf', '-idirafter', HEADERS];
  const hash = `-DFLOWSPAN_LAYOUT_HASH="${LAYOUT_HASH}"`;
  const source = join(import.meta.dirname, 'bpf', 'lookup.bpf.c');
  execFileSync(process.env.CLANG ?? 'clang-19', [...flags, hash, '-c', source, '-o', output]);
  return output;
}

/** Addresses of pods: in /24 networks of nodes, 110 each, those of one node after the other. */
function addressesOf(net: number): Buffer {
  const keys = Buffer.alloc(ADDRESSES * 16);
  for (let index = 0; index < ADDRESSES; index += 1) {
    const node = Math.floor(index / 110);
    keys.writeUInt32BE(0xffff, index * 16 + 8);
    keys.writeUInt32BE(((net << 24) | (node << 8) | (2 + (index % 110))) >>> 0, index * 16 + 12);
  }
  return keys;
}

function load(path: string, on: boolean, asked: number, known: boolean): BpfObject {
  const object = openObject(path);
  const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
  if (on) object.setGlobal('address_slots', u32(ADDRESS_TABLE.knobs.address_slots));
  object.setGlobal('bench_asked', u32(asked));
  object.setMaxEntries('bench_addresses', ADDRESSES);
  object.setMaxEntries('address_table', on ? ADDRESS_TABLE.mapEntries.address_table : 1);
  for (const ring of ['records', 'request_records']) object.setMaxEntries(ring, 4096);
  object.load();
  const addresses = addressesOf(10);
  if (on) {
    const table = new AddressTable(object);
    for (let index = 0; index < ADDRESSES; index += 1) {
      table.set(addresses.subarray(index * 16, index * 16 + 16), BigInt(index + 1));
      if (!table.isFull && index < ADDRESSES - 1) continue;
      if (table.apply() > 0) throw new Error(`the table has no room for ${ADDRESSES} addresses`);
    }
  }
  const places = new Uint32Array(ADDRESSES).map((_, index) => index);
  object
    .map('bench_addresses')
    .updateBatch(new Uint8Array(places.buffer), shuffled(known ? addresses : addressesOf(11)));
  return object;
}

/** Those that are asked for are anywhere in the table. */
function shuffled(keys: Buffer): Buffer {
  const out = Buffer.alloc(keys.length);
  const step = 99_991;
  for (let index = 0; index < ADDRESSES; index += 1) {
    const from = (index * step) % ADDRESSES;
    keys.copy(out, index * 16, from * 16, from * 16 + 16);
  }
  return out;
}

/** Nanoseconds per run of one round, by program statistics and by the test run's own clock. */
function round(object: BpfObject): { byStats: number; byRun: number } {
  const before = object.programStats().find(({ name }) => name === PROGRAM)!;
  const statistics = enableStats();
  object.testRun(PROGRAM, { data: PACKET, repeat: RUNS });
  statistics.close();
  const after = object.programStats().find(({ name }) => name === PROGRAM)!;
  const byStats = Number(after.runTimeNs - before.runTimeNs) / Number(after.runCount - before.runCount);
  return { byStats, byRun: object.testRun(PROGRAM, { data: PACKET, repeat: RUNS }).durationNs };
}

const path = compiled();
let cached: number | undefined;
for (const { kind, asked, known } of KINDS) {
  const [off, on] = [load(path, false, asked, known), load(path, true, asked, known)];
  const stats: number[] = [];
  const runs: number[] = [];
  const floors: number[] = [];
  for (let pair = 0; pair < ROUNDS; pair += 1) {
    const [without, withIt] = [round(off), round(on)];
    stats.push(withIt.byStats - without.byStats);
    runs.push(withIt.byRun - without.byRun);
    floors.push(without.byStats);
  }
  const stamped = on.getGlobal('bench_stamped').readBigUInt64LE();
  const expected = known ? 2 * ROUNDS * RUNS : 0;
  if (stamped !== BigInt(expected)) throw new Error(`${kind}: ${stamped} runs found an endpoint, not ${expected}`);
  off.close();
  on.close();
  process.stdout.write(
    `${kind}, ${asked} addresses of ${ADDRESSES}: ${median(stats).toFixed(1)} ns by program statistics, ` +
      `${median(runs).toFixed(1)} ns by the clock of test runs; without it ${median(floors).toFixed(1)} ns\n`,
  );
  const limit =
    cached === undefined
      ? undefined
      : `${cached.toFixed(1)} (the same lookup, ${KINDS[0].asked} addresses in the cache)`;
  cached ??= median(stats);
  const name = kind === 'all' ? 'kernel-lookup' : `kernel-lookup-${kind}`;
  printResult(resultOf(name, stats, { unit: 'ns/connection', goal: GOAL_NS, better: 'lower', limit }));
}
