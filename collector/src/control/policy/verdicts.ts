/**
 * Makes rows of what the kernel counted, each verdict in one row, whatever becomes of this process: before a row is handed
 * on it is noted in the kernel that it will be, and when it is in a file, that it is. Who comes after a crash looks into
 * the files for what was noted last.
 */
import {
  POLICY_RECORD_KEY as K,
  POLICY_RECORD_COUNT as R,
  POLICY_TOLD as T,
} from '../../../../bpf/dataplane/policy.gen.ts';
import type { BpfMap } from '../../../native/addon.ts';
import { type VerdictRows, verdictId, verdictOfKey } from './verdict_rows.ts';

type Row = Readonly<Record<string, unknown>>;

/** Where rows go. */
export interface VerdictWays {
  /** Nanoseconds since the epoch of a time of the monotonic clock. */
  wallNs(monotonicNs: bigint): bigint;
  /** Hands a row of `verdicts` on; false if it was lost, and that was counted. Else `VerdictTeller.left` will tell. */
  add(row: Row): boolean;
  /** Verdicts that no row will tell of. */
  lost(count: number): void;
  /** Rows in files that no store has yet, by time and `verdict_id`: `${time}/${id}`. */
  readonly inFiles: ReadonlySet<string>;
}

/** Denied and audited ones are told every second, others less often: of them there are many. Nanoseconds. */
const QUIET_NS = 10_000_000_000n;
/** An entry that has not moved for so long is taken away. Nanoseconds. */
const IDLE_NS = 60_000_000_000n;
/** Rows that are made in one call; the others wait for the next. */
const MOST_ROWS = 4096;
const LOUD = new Set(['denied', 'audited']);

/** What was told of one entry. */
interface Told {
  readonly key: Buffer;
  firstNs: bigint;
  count: bigint;
  /** Of the row that is on its way; `count` if none is. */
  next: bigint;
  /** Time of the last row, nanoseconds since the epoch. */
  timeNs: bigint;
  /** Monotonic clock when it was told last. */
  toldNs: bigint;
}

interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export class VerdictTeller {
  readonly #records: BpfMap;
  readonly #toldMap: BpfMap;
  readonly #lostMap: BpfMap;
  readonly #rows: VerdictRows;
  readonly #ways: VerdictWays;
  /** By the bytes of the key. */
  readonly #told = new Map<string, Told>();
  /** Whose rows are on their way, in order. */
  readonly #onTheirWay: Told[] = [];
  #lost: bigint;
  /** Verdicts told, by word. */
  readonly counts: Record<string, number> = { no_policy: 0, allowed: 0, denied: 0, audited: 0 };

  /** @param object with the policies' maps */
  constructor(object: { map(name: string): BpfMap }, rows: VerdictRows, ways: VerdictWays) {
    this.#records = object.map('policy_records');
    this.#toldMap = object.map('policy_records_told');
    this.#lostMap = object.map('policy_records_lost');
    this.#rows = rows;
    this.#ways = ways;
    this.#lost = this.lostRecords;
    this.#takeUp();
  }

  /** Verdicts that found no room to be counted, since the maps are there. */
  get lostRecords(): bigint {
    const ofCpus = this.#lostMap.entries().values;
    return new BigUint64Array(new Uint8Array(ofCpus).buffer).reduce((sum, count) => sum + count, 0n);
  }

  /** Kinds of verdicts that are counted at present. */
  get size(): number {
    return this.#told.size;
  }

  /** Tells what is new. @param nowNs of the monotonic clock */
  tell(nowNs: bigint): void {
    this.#tellLost();
    const due: { told: Told; entry: Entry; count: bigint }[] = [];
    for (const entry of this.#entries()) {
      const firstNs = entry.value.readBigUInt64LE(R.first_ns);
      // Its first one is being written.
      if (firstNs === 0n) continue;
      const told = this.#of(entry.key, firstNs);
      const count = entry.value.readBigUInt64LE(R.count);
      if (told.next !== told.count) continue;
      if (count !== told.count) {
        if (this.#isDue(told, nowNs)) due.push({ told, entry, count });
      } else if (nowNs - entry.value.readBigUInt64LE(R.last_ns) > IDLE_NS) this.#takeAway(told, nowNs);
      if (due.length === MOST_ROWS) break;
    }
    this.#add(due, nowNs);
  }

  /** So many more rows are in a file, in the order in which they were handed on, or were lost and counted. */
  left(rows: number): void {
    const these = this.#onTheirWay.splice(0, rows);
    for (const told of these) told.count = told.next;
    const isThere = (told: Told) => this.#told.get(keyText(told.key)) === told;
    this.#note(these.filter(isThere));
    for (const told of these) if (!isThere(told)) this.#toldMap.delete(told.key);
  }

  #isDue({ key, count, toldNs }: Told, nowNs: bigint): boolean {
    const isLoud = LOUD.has(verdictOfKey(key));
    return isLoud || count === 0n || nowNs - toldNs >= QUIET_NS;
  }

  #add(due: readonly { told: Told; entry: Entry; count: bigint }[], nowNs: bigint): void {
    const made = due.map(({ told, entry: { key, value }, count }) => {
      const first = this.#ways.wallNs(told.firstNs);
      const last = this.#ways.wallNs(value.readBigUInt64LE(R.last_ns));
      const begun = told.count === 0n ? first : told.timeNs;
      // Of two rows of one kind the second is later, whatever the wall clock is set to.
      const time = last > told.timeNs ? last : told.timeNs + 1n;
      const duration_ns = time > begun ? time - begun : 0n;
      const row = { ...this.#rows.of(key, value), time, duration_ns, count: count - told.count, first_time: first };
      told.timeNs = time;
      told.next = count;
      told.toldNs = nowNs;
      return row;
    });
    this.#note(due.map(({ told }) => told));
    for (const [index, row] of made.entries()) {
      const { told } = due[index] as (typeof due)[number];
      const verdict = verdictOfKey(told.key);
      this.counts[verdict] = (this.counts[verdict] ?? 0) + Number(row.count);
      if (this.#ways.add(row)) {
        this.#onTheirWay.push(told);
        continue;
      }
      this.#ways.lost(Number(row.count));
      told.count = told.next;
      this.#note([told]);
    }
  }

  /** An entry that does not move: what was counted while it was read is told. */
  #takeAway(told: Told, nowNs: bigint): void {
    const value = this.#records.take(told.key);
    this.#told.delete(keyText(told.key));
    const count = value?.readBigUInt64LE(R.count) ?? told.count;
    if (value !== null && count !== told.count) {
      this.#add([{ told, entry: { key: told.key, value }, count }], nowNs);
      return;
    }
    this.#toldMap.delete(told.key);
  }

  #tellLost(): void {
    const lost = this.lostRecords;
    if (lost > this.#lost) this.#ways.lost(Number(lost - this.#lost));
    this.#lost = lost;
  }

  #of(key: Buffer, firstNs: bigint): Told {
    const text = keyText(key);
    const known = this.#told.get(text);
    if (known !== undefined && known.firstNs === firstNs) return known;
    const fresh = { key: Buffer.from(key), firstNs, count: 0n, next: 0n, timeNs: 0n, toldNs: 0n };
    this.#told.set(text, fresh);
    return fresh;
  }

  *#entries(): Generator<Entry> {
    const { keys, values, count } = this.#records.entries();
    for (let index = 0; index < count; index += 1)
      yield {
        key: keys.subarray(index * K.size, (index + 1) * K.size),
        value: values.subarray(index * R.size, (index + 1) * R.size),
      };
  }

  #note(these: readonly Told[]): void {
    if (these.length === 0) return;
    const values = these.map(({ firstNs, count, next, timeNs }) => {
      const value = Buffer.alloc(T.size);
      value.writeBigUInt64LE(firstNs, T.first_ns);
      value.writeBigUInt64LE(count, T.count);
      value.writeBigUInt64LE(next, T.next);
      value.writeBigUInt64LE(timeNs, T.next_time);
      return value;
    });
    this.#toldMap.updateBatch(Buffer.concat(these.map(({ key }) => key)), Buffer.concat(values));
  }

  /** Goes on where an earlier process ended. */
  #takeUp(): void {
    const firsts = new Map(
      Array.from(this.#entries(), ({ key, value }) => [keyText(key), value.readBigUInt64LE(R.first_ns)]),
    );
    const { keys, values, count } = this.#toldMap.entries();
    for (let index = 0; index < count; index += 1) {
      const key = Buffer.from(keys.subarray(index * K.size, (index + 1) * K.size));
      const value = values.subarray(index * T.size, (index + 1) * T.size);
      const [firstNs, next] = [value.readBigUInt64LE(T.first_ns), value.readBigUInt64LE(T.next)];
      const timeNs = value.readBigUInt64LE(T.next_time);
      const isInFile = this.#ways.inFiles.has(`${timeNs}/${verdictId(key)}`);
      const told = isInFile ? next : value.readBigUInt64LE(T.count);
      if (firsts.get(keyText(key)) === firstNs) {
        this.#told.set(keyText(key), { key, firstNs, count: told, next: told, timeNs, toldNs: 0n });
        continue;
      }
      // It was taken away, and its last row did not come into a file.
      if (told !== next) this.#ways.lost(Number(next - told));
      this.#toldMap.delete(key);
    }
  }
}

const keyText = (key: Buffer): string => key.toString('latin1');
