/**
 * The data path, top to bottom. One look at the rings at a time: what the look tells about who is who is learned first,
 * then the records of the look before become rows. That one look of waiting is what lets both ends of a connection be
 * known by the time the first of them is written.
 */
import { ENUMS, FLOW_RECORD, REQUEST_RECORD } from '../../bpf/wire/events.gen.ts';
import type { Table } from '../../store/tables.ts';
import type { Arena } from './batch/arena.ts';
import type { WallClock } from './batch/clock.ts';
import { walkRecords } from './batch/records.ts';
import type { Ends } from './correlate/ends.ts';
import type { LocalEnd } from './correlate/local_end.ts';
import type { RequestText } from './correlate/requests/request_text.ts';
import type { Counters, KindCounts } from './counters.ts';
import type { EdgeMetrics } from './deliver/prometheus/edge_metrics.ts';
import type { SegmentWriter } from './deliver/segment_writer.ts';
import type { FlowsOnTheirWay } from './flows_on_their_way.ts';
import { type CgroupLoads, weightOfEvent, weightOfRequest } from './govern/cgroup_loads.ts';
import type { Shedding } from './govern/shedding.ts';
import type { RowKind } from './rows.ts';

/** Takes rows beside the tables: live feed and spans. Must be quick, and bounded by itself. */
export interface RowSink {
  /**
   * Whether this row is wanted.
   * @param record where its record is in the arena; ends, texts and clock speak of it during the call
   */
  wants(table: Table, record: number): boolean;
  /** One whole row in RowBinary; the bytes are the sink's only during the call. */
  row(table: Table, bytes: Uint8Array): void;
}

export interface PipelineParts {
  readonly arena: Arena;
  readonly clock: WallClock;
  readonly counters: Counters;
  readonly localEnd: LocalEnd;
  readonly ends: Ends;
  readonly requestText: RequestText;
  /** Counts every record before it becomes a row, whether or not the row finds room. */
  readonly metrics: EdgeMetrics;
  /** Counts what each cgroup brings. */
  readonly loads: CgroupLoads;
  /** Decides which records get no row, after they were counted. */
  readonly shedding: Shedding;
  readonly rows: { readonly flow: RowKind; readonly tcp_event: RowKind; readonly request: RowKind };
  readonly writer: (table: Table) => SegmentWriter;
  /** Told that wall time was set, by how many nanoseconds: before the look's records are dated. */
  readonly clockStepped?: (stepNs: bigint) => void;
  /** Told of each row of flows. */
  readonly flowsOnTheirWay?: FlowsOnTheirWay;
  readonly sinks: readonly RowSink[];
  /** Called at the end of each look. */
  readonly flush: (nowMs: number) => void;
}

/** One kind of record on its way to a row. */
interface Lane extends RowKind {
  readonly counts: KindCounts;
  readonly writer: SegmentWriter;
  readonly isFlow: boolean;
  readonly isRequest: boolean;
}

const CGROUP = ENUMS.record_kind.cgroup;
const CGROUP_BYTES = 32;

/** The path of records to rows. Everything in it runs on one call stack. */
export class Pipeline {
  readonly #parts: PipelineParts;
  /** By record kind. */
  readonly #lanes: (Lane | undefined)[] = [];
  #heldBegin = 0;
  #heldEnd = 0;
  #lookedNs: bigint;
  /** All that happened until then has become rows; nanoseconds since the epoch. */
  writtenUntilNs: bigint;
  /** What a report has promised: rows of before are late. Milliseconds since the epoch. */
  promisedMs = 0;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    for (const name of ['flow', 'tcp_event', 'request'] as const) {
      const row = parts.rows[name];
      this.#lanes[ENUMS.record_kind[name]] = {
        ...row,
        counts: parts.counters.kinds[name],
        writer: parts.writer(row.table),
        isFlow: name === 'flow',
        isRequest: name === 'request',
      };
    }
    this.#lookedNs = parts.clock.nowNs();
    this.writtenUntilNs = this.#lookedNs;
  }

  /** Takes one look's records; they must stay where they are until the look after the next. */
  read(begin: number, end: number): void {
    const { arena, clock, counters, ends, flush, metrics } = this.#parts;
    const stepNs = clock.noticeStep();
    if (stepNs !== 0n) this.#parts.clockStepped?.(stepNs);
    const nowNs = clock.nowNs();
    const nowMs = Number(nowNs / 1_000_000n);
    ends.begin(nowMs, nowNs);
    metrics.begin(performance.now());
    const lost = walkRecords(arena, begin, end, this.#learn);
    if (lost > 0) counters.discard('record_bytes_malformed', lost);
    walkRecords(arena, this.#heldBegin, this.#heldEnd, this.#write);
    this.#heldBegin = begin;
    this.#heldEnd = end - lost;
    this.#parts.flowsOnTheirWay?.looked();
    flush(nowMs);
    this.writtenUntilNs = this.#lookedNs;
    this.#lookedNs = nowNs;
  }

  /** Wall time was set: what is said in it goes on in the new one. */
  moveTimes(stepNs: bigint): void {
    this.#lookedNs += stepNs;
    this.writtenUntilNs += stepNs;
    this.promisedMs += Number(stepNs / 1_000_000n);
  }

  /** Makes rows of what is still held. */
  finish(): void {
    this.read(this.#heldEnd, this.#heldEnd);
  }

  readonly #learn = (record: number, kind: number, length: number): void => {
    const { clock, counters, ends, localEnd } = this.#parts;
    const lane = this.#lanes[kind];
    if (lane !== undefined) {
      lane.counts.read += 1;
      lane.counts.held += 1;
      if (length >= lane.recordBytes) ends.learn(record, lane.isFlow);
      return;
    }
    if (kind !== CGROUP) {
      counters.discard('record_kind_unknown');
      return;
    }
    counters.kinds.cgroup.read += 1;
    if (length < CGROUP_BYTES) {
      counters.discard('record_short');
      counters.kinds.cgroup.discarded += 1;
      return;
    }
    this.#convertTime(record);
    const learned = localEnd.change(record, (BigInt(clock.high) << 32n) | BigInt(clock.low));
    counters.kinds.cgroup[learned ? 'aggregated' : 'discarded'] += 1;
  };

  readonly #write = (record: number, kind: number, length: number): void => {
    const lane = this.#lanes[kind];
    if (lane === undefined) return;
    lane.counts.held -= 1;
    const { arena, clock, counters, ends, loads, metrics, requestText, shedding, sinks } = this.#parts;
    if (length < lane.recordBytes || (lane.isRequest && !requestFits(arena, record, length))) {
      counters.discard('record_short');
      lane.counts.discarded += 1;
      return;
    }
    this.#convertTime(record);
    ends.resolve(record, lane.isFlow);
    let kept: boolean;
    if (lane.isRequest) {
      const weight = weightOfRequest(arena, record);
      requestText.prepare(record, ends.destinationKey(record));
      metrics.request(record, weight);
      loads.count('request', record, weight);
      kept = shedding.keepsRequest(record);
    } else if (lane.isFlow) {
      metrics.flow(record);
      kept = shedding.keepsFlow();
    } else {
      const weight = weightOfEvent(arena, record);
      metrics.event(record, weight);
      loads.count('tcp_event', record, weight);
      kept = shedding.keepsEvent(record);
    }
    if (!kept) {
      lane.counts.aggregated += 1;
      return;
    }
    const row = lane.writer.begin();
    if (row === -1) return;
    const end = lane.write(record, row);
    lane.writer.end(end);
    lane.counts.rows += 1;
    if (lane.isFlow) this.#parts.flowsOnTheirWay?.row(record);
    if (clock.milliseconds < this.promisedMs) lane.counts.late += 1;
    for (const sink of sinks) if (sink.wants(lane.table, record)) sink.row(lane.table, arena.bytes.subarray(row, end));
  };

  #convertTime(record: number): void {
    const { arena, clock } = this.#parts;
    const at = record + FLOW_RECORD.time_boot_ns;
    clock.convert(arena.view.getUint32(at, true), arena.view.getUint32(at + 4, true));
  }
}

/** Whether the texts that a request announces are within its record. */
function requestFits({ bytes, view }: Arena, record: number, length: number): boolean {
  const texts =
    (bytes[record + REQUEST_RECORD.method_length] as number) +
    view.getUint16(record + REQUEST_RECORD.target_length, true) +
    view.getUint16(record + REQUEST_RECORD.host_length, true) +
    view.getUint16(record + REQUEST_RECORD.traceparent_length, true);
  return REQUEST_RECORD.text + texts <= length;
}
