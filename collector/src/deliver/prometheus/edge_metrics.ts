/**
 * What Prometheus is told of edges: every record of a flow, a request or a TCP event is counted here before it becomes a
 * row. Ends, texts and clock speak of the record during the call; numbers are read where they lie. Once a series is
 * there, nothing is made for a record.
 */
import { constants } from 'node:os';
import {
  TCP_EVENT_RECORD as E,
  ENUMS,
  FLOW_RECORD as F,
  REQUEST_RECORD as R,
} from '../../../../bpf/wire/events.gen.ts';
import { FAILED_OUTCOMES, OUTCOMES } from '../../../../store/tables.ts';
import type { Arena } from '../../batch/arena.ts';
import type { WallClock } from '../../batch/clock.ts';
import type { Endpoints } from '../../correlate/endpoints.ts';
import type { Ends } from '../../correlate/ends.ts';
import type { KernelWords } from '../../correlate/kernel_words.ts';
import type { RequestText } from '../../correlate/requests/request_text.ts';
import type { Family, MetricsFormat } from '../../telemetry/metrics_text.ts';
import { CAUSES, DURATION_BUCKETS, type EdgeFamilies, edgeFamilies, PHASE, STATUSES } from './edge_families.ts';
import { cellOf, type FamilyInfo, pointOf } from './edge_family.ts';
import { Edges } from './edges.ts';
import { Exemplars } from './exemplars.ts';
import { ServiceGraph } from './service_graph.ts';

export interface EdgeMetricsOptions {
  readonly arena: Arena;
  readonly clock: WallClock;
  readonly ends: Ends;
  readonly endpoints: Endpoints;
  readonly requestText: RequestText;
  readonly dropReasons: KernelWords;
  readonly cluster: string;
  /** `collector.metrics` of the configuration. */
  readonly settings: { readonly max_edges: number; readonly edge_idle_s: number; readonly exemplars: boolean };
}

const HIGH = 2 ** 32;
const TCP = 6;
const UDP = 17;
const CLIENT = ENUMS.observation_point.client;
const SERVER = ENUMS.observation_point.server;
const CAUSE = ENUMS.retransmit_cause;
const { tls, http2, other } = ENUMS.application_protocol;
const KIND = ENUMS.event_kind;
/** Server errors whose series begin with 0. */
const USUAL_ERRORS = [500, 502, 503, 504];
/** And those of failed connects. */
const USUAL_CONNECT_ERRORS = [constants.errno.ECONNREFUSED, constants.errno.ETIMEDOUT];

/** Whether an outcome counts as an error; by number. */
const FAILED: readonly boolean[] = FAILED_OUTCOMES.reduce(
  (failed, outcome) => failed.with(OUTCOMES[outcome], true),
  Object.values(OUTCOMES).map(() => false),
);

/** Counts of edges. */
export class EdgeMetrics {
  readonly #options: EdgeMetricsOptions;
  readonly #families: EdgeFamilies;
  readonly #graph: ServiceGraph;
  readonly #exemplars: Exemplars | undefined;
  /** How many edges there are, were given up, and had no room. */
  readonly edges: Edges;

  constructor(options: EdgeMetricsOptions) {
    const { cluster, dropReasons, endpoints, settings } = options;
    this.#options = options;
    this.edges = new Edges({
      cluster,
      endpoints,
      maxEdges: settings.max_edges,
      idleMs: settings.edge_idle_s * 1000,
      dropped: (edge) => this.#drop(edge),
    });
    const exemplars = settings.exemplars ? new Exemplars(DURATION_BUCKETS.length + 1) : undefined;
    this.#exemplars = exemplars;
    this.#families = edgeFamilies(this.edges, {
      dropReasons,
      duration: {
        made: (row, edge, cell) => {
          exemplars?.clear(row);
          this.#beginRequests(edge, pointOf(cell));
        },
        exemplar: (row, bucket, point) => exemplars?.of(row, bucket, point),
      },
      segments: { made: (_row, edge, cell) => this.#beginFlows(edge, pointOf(cell)) },
    });
    this.#graph = new ServiceGraph(this.edges, this.#families.duration, FAILED);
  }

  /** Before each look. @param nowMs of a clock that nobody sets, milliseconds */
  begin(nowMs: number): void {
    this.edges.begin(nowMs);
  }

  /** What is published of each family. */
  get infos(): FamilyInfo[] {
    return [...Object.values(this.#families).map(({ info }) => info), ...this.#graph.infos];
  }

  /** All families, to be written into an answer. */
  *families(format: MetricsFormat): Generator<Family> {
    for (const family of Object.values(this.#families)) yield family.family(format);
    yield* this.#graph.families();
  }

  /** Counts a flow record. */
  flow(record: number): void {
    const { arena, ends } = this.#options;
    const { bytes, view } = arena;
    const edge = this.edges.of(ends.source, ends.destination);
    const point = bytes[record + F.observation_point] as number;
    // The ends of a record are numbered alike by who observed and who sent.
    const peer = point === CLIENT ? SERVER : point === SERVER ? CLIENT : 0;
    const families = this.#families;
    const protocol = bytes[record + F.protocol];
    const sent = this.#u64(record + F.bytes_sent);
    const received = this.#u64(record + F.bytes_received);
    if (protocol === UDP) {
      families.udpBytes.add(edge, point, point, sent);
      families.udpBytes.add(edge, point, peer, received);
      families.udpDatagrams.add(edge, point, point, view.getUint32(record + F.segments_sent, true));
      families.udpDatagrams.add(edge, point, peer, view.getUint32(record + F.segments_received, true));
      return;
    }
    if (protocol !== TCP) return;
    const once = Math.max(0, sent - this.#u64(record + F.bytes_retransmitted));
    families.segments.add(edge, point, point, view.getUint32(record + F.segments_sent, true));
    families.bytes.add(edge, point, point, once);
    families.bytes.add(edge, point, peer, received);
    if (sent + received > 0) {
      const carried = bytes[record + F.application_protocol] as number;
      families.intervals.add(edge, point, 0, 1);
      if (carried === tls || carried === http2 || carried === other) families.opaque.add(edge, point, carried, 1);
    }
    const state = bytes[record + F.flow_state];
    if (state === ENUMS.flow_state.opened) families.opened.add(edge, point, 0, 1);
    if (state === ENUMS.flow_state.closed) families.closed.add(edge, point, bytes[record + F.close_cause] as number, 1);
    const srtt = view.getUint32(record + F.srtt_us, true);
    if (srtt > 0) families.rtt.observe(families.rtt.series.row(edge, cellOf(point, 0)), srtt);
  }

  /** Counts a request record whose texts are prepared. @param weight how many it stands for */
  request(record: number, weight: number): void {
    const { arena, ends, requestText } = this.#options;
    const { bytes, view } = arena;
    const edge = this.edges.of(ends.source, ends.destination);
    const point = bytes[record + R.observation_point] as number;
    const { outcome } = requestText;
    const families = this.#families;
    const status = Math.min(view.getUint16(record + R.http_status_code, true), STATUSES - 1);
    const duration = this.#u64(record + R.duration_ns);
    families.requests.add(edge, point, outcome * STATUSES + status, weight);
    const row = families.duration.series.row(edge, cellOf(point, outcome));
    const bucket = families.duration.observe(row, duration, weight);
    if (this.#exemplars !== undefined) this.#keepExemplar(this.#exemplars, row, bucket, record);
    if (point === CLIENT && ends.peerObserved === 0) this.#graph.alone(edge, outcome, weight);
    this.#phases(edge, point, record, duration, weight);
  }

  /** Counts a record of a TCP event. @param weight how many it stands for */
  event(record: number, weight: number): void {
    const { arena, ends } = this.#options;
    const { bytes, view } = arena;
    const edge = this.edges.of(ends.source, ends.destination);
    const point = bytes[record + E.observation_point] as number;
    const sentBy = bytes[record + E.sent_by] as number;
    const families = this.#families;
    switch (bytes[record + E.event_kind]) {
      case KIND.retransmit: {
        const cause = bytes[record + E.retransmit_cause] as number;
        const segments = view.getUint32(record + E.segments, true) * weight;
        families.retransmits.add(edge, point, sentBy * CAUSES + (cause < CAUSES ? cause : 0), segments);
        return;
      }
      case KIND.reset_sent:
      case KIND.reset_received:
        families.resets.add(edge, point, sentBy, weight);
        return;
      case KIND.drop:
        families.drops.add(edge, point, view.getUint32(record + E.drop_reason, true), weight);
        return;
      case KIND.connect_failed:
        families.connectsFailed.add(edge, point, view.getUint16(record + E.error_number, true), weight);
        return;
      case KIND.zero_window:
        families.zeroWindows.add(edge, point, sentBy, weight);
        return;
      case KIND.accept_overflow:
        families.acceptOverflows.add(edge, point, 0, weight);
        return;
    }
  }

  /** What a rate is taken of begins with 0: a rate does not see the first value of a series. */
  #beginRequests(edge: number, point: number): void {
    const { requests } = this.#families;
    for (const status of USUAL_ERRORS) requests.add(edge, point, OUTCOMES.server_error * STATUSES + status, 0);
    requests.add(edge, point, OUTCOMES.no_response * STATUSES, 0);
  }

  /** The same, for what a connection may meet. */
  #beginFlows(edge: number, point: number): void {
    const { acceptOverflows, closed, connectsFailed, resets, retransmits, zeroWindows } = this.#families;
    if (point === SERVER) acceptOverflows.add(edge, point, 0, 0);
    else for (const error of USUAL_CONNECT_ERRORS) connectsFailed.add(edge, point, error, 0);
    for (const cause of [
      CAUSE.timeout,
      CAUSE.fast,
      CAUSE.tail_loss_probe,
      point === SERVER ? CAUSE.syn_ack : CAUSE.syn,
    ]) {
      retransmits.add(edge, point, point * CAUSES + cause, 0);
    }
    for (const side of [CLIENT, SERVER]) resets.add(edge, point, side, 0);
    closed.add(edge, point, ENUMS.close_cause.reset, 0);
    // An end hears of the windows that its peer closed, and of no others.
    zeroWindows.add(edge, point, point === SERVER ? CLIENT : SERVER, 0);
  }

  /** As query-api/src/request_phases.ts has them; what they leave of the duration is `wait`. */
  #phases(edge: number, point: number, record: number, duration: number, weight: number): void {
    const { phases } = this.#families;
    const sent = this.#u64(record + R.request_sent_ns);
    const read = this.#u64(record + R.application_read_ns);
    const answered = this.#u64(record + R.response_start_ns);
    const receive = read !== 0 && read <= sent ? sent - read : sent;
    const queue = read > sent ? read - sent : read;
    const begun = Math.max(read, sent);
    const application = read !== 0 && answered > begun ? answered - begun : 0;
    const send = answered !== 0 && duration > answered ? duration - answered : 0;
    phases.add(edge, point, PHASE.receive, receive * weight);
    phases.add(edge, point, PHASE.queue, queue * weight);
    phases.add(edge, point, PHASE.application, application * weight);
    phases.add(edge, point, PHASE.send, send * weight);
    phases.add(edge, point, PHASE.wait, Math.max(0, duration - receive - queue - application - send) * weight);
  }

  #keepExemplar(exemplars: Exemplars, row: number, bucket: number, record: number): void {
    const { arena, clock, requestText } = this.#options;
    const { high, low } = clock;
    const second = Math.floor((high * HIGH + low) / 1e9) >>> 0;
    if (!exemplars.wants(row, bucket, second)) return;
    const { trace } = requestText;
    exemplars.keep(row, bucket, { second, low, high }, arena.view, record, trace.valid ? trace.ids : -1);
  }

  #drop(edge: number): void {
    for (const { series } of Object.values(this.#families)) series.drop(edge);
    this.#graph.drop(edge);
  }

  /** A number of eight bytes; exact up to 2^53. */
  #u64(at: number): number {
    const { view } = this.#options.arena;
    return view.getUint32(at + 4, true) * HIGH + view.getUint32(at, true);
  }
}
