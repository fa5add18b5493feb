/** A data path without kernel and database: records in, decoded rows out. */
import { Arena } from '../../../collector/src/batch/arena.ts';
import { type Clocks, WallClock } from '../../../collector/src/batch/clock.ts';
import { Drain, type RecordRing } from '../../../collector/src/batch/drain.ts';
import type { IdentitySource } from '../../../collector/src/control/identity.ts';
import { LocalIdentity } from '../../../collector/src/control/local.ts';
import { Cgroups } from '../../../collector/src/correlate/cgroups.ts';
import { type Decisions, NO_DECISIONS } from '../../../collector/src/correlate/decisions.ts';
import type { DialledOptions } from '../../../collector/src/correlate/dialled.ts';
import { Endpoints } from '../../../collector/src/correlate/endpoints.ts';
import { Ends } from '../../../collector/src/correlate/ends.ts';
import { KernelWords } from '../../../collector/src/correlate/kernel_words.ts';
import { LocalEnd } from '../../../collector/src/correlate/local_end.ts';
import type { Process } from '../../../collector/src/correlate/processes.ts';
import { RequestText } from '../../../collector/src/correlate/requests/request_text.ts';
import { Routes } from '../../../collector/src/correlate/requests/routes.ts';
import { Counters } from '../../../collector/src/counters.ts';
import { EdgeMetrics, type EdgeMetricsOptions } from '../../../collector/src/deliver/prometheus/edge_metrics.ts';
import type { SegmentWriter } from '../../../collector/src/deliver/segment_writer.ts';
import { CgroupLoads } from '../../../collector/src/govern/cgroup_loads.ts';
import { Shedding } from '../../../collector/src/govern/shedding.ts';
import { Pipeline, type RowSink } from '../../../collector/src/pipeline.ts';
import { compileRows, NO_SPANS, type SpanDecision } from '../../../collector/src/rows.ts';
import { decodeRows } from '../../../store/rowbinary.ts';
import type { Table } from '../../../store/tables.ts';

export type Row = Record<string, unknown>;

/** A ring whose records are put in by hand. */
export class FakeRing implements RecordRing {
  readonly records: Buffer[] = [];
  callback: (() => void) | null = null;
  closed = false;

  drain(buffer: Uint8Array): number {
    let at = 0;
    while (this.records.length > 0 && at + this.records[0]!.length <= buffer.length) {
      const record = this.records.shift()!;
      buffer.set(record, at);
      at += record.length;
    }
    return at;
  }

  onReadable(callback: (() => void) | null): void {
    this.callback = callback;
  }

  close(): void {
    this.closed = true;
  }
}

export interface PathOptions {
  readonly processes?: Readonly<Record<number, Process>>;
  readonly cgroups?: Readonly<Record<number, string>>;
  readonly outside?: readonly { name: string; cidrs: string[] }[];
  readonly extraSources?: readonly IdentitySource[];
  readonly sinks?: readonly RowSink[];
  readonly bufferBytes?: number;
  readonly clocks?: Clocks;
  readonly nodeAddresses?: readonly Uint8Array[];
  readonly mostEndpoints?: number;
  readonly conntrack?: DialledOptions['conntrack'];
  readonly mostServices?: number;
  readonly balanced?: DialledOptions['balanced'];
  /** Keys of `collector.metrics` that are not as by default. */
  readonly metrics?: Partial<EdgeMetricsOptions['settings']>;
  /** Default: no policy decides. */
  readonly decisions?: Decisions;
  /** Default: no request is sent as a span. */
  readonly spanDecision?: SpanDecision;
  /** Whether rows are decoded and kept; default true. */
  readonly keepRows?: boolean;
  /** Where rows go instead; then none are kept. */
  readonly writer?: (arena: Arena, table: Table) => Pick<SegmentWriter, 'begin' | 'end'>;
  /** Rings that are drained instead of two that are filled by hand. */
  readonly kernelRings?: readonly RecordRing[];
  /** Bytes of the arena. Default: 8 MiB. */
  readonly arenaBytes?: number;
}

/** Boot time 0 is this wall time in tests. */
export const EPOCH_NS = 1_700_000_000_000_000_000n;

/** Everything between rings and row bytes, with rows kept in memory. */
export function openPath(options: PathOptions = {}) {
  const arena = new Arena(options.arenaBytes ?? 8 * 1024 * 1024);
  const counters = new Counters();
  const wall = { nowNs: EPOCH_NS + 10_000_000_000n };
  const clock = new WallClock(options.clocks ?? { wallMinusBootNs: () => EPOCH_NS, wallNs: () => wall.nowNs });
  const endpoints = new Endpoints(options.mostEndpoints ?? 1000);
  const cgroups = new Cgroups('/nonexistent');
  cgroups.walk(Number.MAX_SAFE_INTEGER);
  for (const [id, path] of Object.entries({ 1: '/', ...options.cgroups })) cgroups.add(Number(id), path, 0n);
  const identity = new LocalIdentity({
    machineId: 'm',
    node: 'n1',
    outside: options.outside ?? [],
    root: '/nonexistent',
  });
  const sources = [...(options.extraSources ?? []), identity];
  const processes: Record<number, Process> = { ...options.processes };
  const localEnd = new LocalEnd({ arena, counters, cgroups, endpoints, sources, readProcess: (pid) => processes[pid] });
  const ends = new Ends({
    arena,
    counters,
    conntrack: options.conntrack,
    mostServices: options.mostServices,
    balanced: options.balanced,
    localEnd,
    endpoints,
    sources,
    node: () => identity.node,
    recordMs: () => clock.milliseconds,
    nodeAddresses: () => options.nodeAddresses ?? [],
  });
  const requestText = new RequestText(arena, new Routes(200), { queryNames: new Set(), pathSegments: new Set() });
  const scope = { cluster: 'c', node: 'n1', boot_id: '11111111-2222-3333-4444-555555555555' };
  const words = (names: Record<number, string>, prefix: string) => new KernelWords(names, prefix);
  const dropReasons = words({ 2: 'SKB_DROP_REASON_NOT_SPECIFIED', 3: 'SKB_DROP_REASON_NO_SOCKET' }, 'SKB_DROP_REASON_');
  const metrics = new EdgeMetrics({
    arena,
    clock,
    ends,
    endpoints,
    requestText,
    dropReasons,
    cluster: scope.cluster,
    settings: { max_edges: 2000, edge_idle_s: 900, exemplars: true, ...options.metrics },
  });
  const loads = new CgroupLoads(arena);
  const shedding = new Shedding({ arena, request: requestText, slowMs: 1000 });
  const rows = compileRows({
    arena,
    scope,
    clock,
    ends,
    endpoints,
    requestText,
    dropReasons,
    resetReasons: words({ 5: 'SK_RST_REASON_TCP_STATE' }, 'SK_RST_REASON_'),
    shedding,
    decisions: options.decisions ?? NO_DECISIONS,
    spanDecision: options.spanDecision ?? NO_SPANS,
  });
  const out = new Map<string, Row[]>();
  const memory = { at: arena.take(64 * 1024), full: false };
  const writer = (table: Table) =>
    ({
      begin: () => (memory.full ? -1 : memory.at),
      end(row: number) {
        if (options.keepRows === false) return;
        const list = out.get(table.name) ?? [];
        out.set(table.name, list);
        list.push(...decodeRows(table, arena.bytes.subarray(memory.at, row)));
      },
    }) as unknown as SegmentWriter;
  const pipeline = new Pipeline({
    arena,
    clock,
    counters,
    localEnd,
    ends,
    requestText,
    loads,
    metrics,
    shedding,
    rows,
    writer: (table) => (options.writer?.(arena, table) ?? writer(table)) as SegmentWriter,
    sinks: options.sinks ?? [],
    flush: () => undefined,
  });
  const rings = [new FakeRing(), new FakeRing()] as const;
  const drain = new Drain({
    arena,
    rings: options.kernelRings ?? rings,
    bufferBytes: options.bufferBytes ?? 1024 * 1024,
    intervalMs: 10,
    largestRecord: 1256,
    read: (begin, end) => pipeline.read(begin, end),
  });
  /** Feeds records through and gives the rows of a table. */
  const feed = (table: string, ...records: Buffer[]): Row[] => {
    rings[0].records.push(...records);
    drain.look();
    pipeline.finish();
    const made = out.get(table) ?? [];
    out.delete(table);
    return made;
  };
  return {
    arena,
    clock,
    counters,
    drain,
    endpoints,
    ends,
    feed,
    identity,
    loads,
    localEnd,
    memory,
    metrics,
    out,
    pipeline,
    processes,
    requestText,
    rings,
    shedding,
    wall,
  };
}
