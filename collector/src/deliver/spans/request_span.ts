/** A request row as OpenTelemetry's span: of kind server or client, under the Resource of the end that was observed. */
import type { SpanContext, TraceState } from '@opentelemetry/api';
import { parentSpanId, spanId, traceId } from '../../../../store/ids.ts';
import { decodeRows } from '../../../../store/rowbinary.ts';
import { REQUESTS, TCP_EVENTS } from '../../../../store/tables.ts';
import type { Identity } from '../../control/identity.ts';
import { attributesOf, isFailure, isServer, spanName } from './attributes.ts';
import type { ReadableSpan } from './otlp.ts';
import { Randomness } from './probability.ts';
import type { EventRow, RequestRow } from './request_row.ts';
import { endpointName, type ResourceScope, Resources, serviceName } from './resources.ts';
import { hrTime, momentsOf, tcpEventsOf, timesOf } from './span_events.ts';

/** Values of OpenTelemetry's enums; its module need not be loaded for them. */
const KIND = { server: 1, client: 2 } as const;
const STATUS = { unset: 0, error: 2 } as const;
const SAMPLED = 1;
/** W3C Trace Context level 2: the low seven bytes of the trace id are random. */
const RANDOM = 2;

export interface SpanMakerOptions extends ResourceScope {
  /** Who an endpoint is, by its id. */
  readonly identityOf: (endpointId: bigint) => Identity | undefined;
  /** Rows of TCP events that may be of a connection, the latest first; see `connectionHash`. */
  readonly eventsOf: (connection: number) => readonly Uint8Array[];
}

/** What a span is made of. */
export interface SampledRequest {
  /** Its row in RowBinary. */
  readonly row: Uint8Array;
  /** `connectionHash` of its connection. */
  readonly connection: number;
  /** Threshold it was kept by, as in the tracestate. */
  readonly threshold: string;
}

/** Makes spans. */
export class SpanMaker {
  readonly #options: SpanMakerOptions;
  readonly #resources: Resources;
  readonly #scope: ReadableSpan['instrumentationScope'];
  readonly #randomness = new Randomness();

  constructor(options: SpanMakerOptions) {
    this.#options = options;
    this.#resources = new Resources(options);
    this.#scope = { name: 'flowspan', version: options.version };
  }

  /** @throws ColumnError if the bytes are no row */
  make({ row: bytes, connection, threshold }: SampledRequest): ReadableSpan {
    const row = decodeRows(REQUESTS, bytes)[0] as unknown as RequestRow;
    const times = timesOf(row);
    const source = this.#identity(row.source_endpoint_id);
    const destination = this.#identity(row.destination_endpoint_id);
    const server = isServer(row);
    const context = this.#context(row, threshold);
    const parent = parentSpanId(row);
    const moments = momentsOf(row, times.startNs);
    const tcp = tcpEventsOf(row, times.startNs, this.#events(connection));
    return {
      name: spanName(row),
      kind: server ? KIND.server : KIND.client,
      spanContext: () => context,
      ...(parent === '' ? {} : { parentSpanContext: { ...context, spanId: parent, isRemote: true } }),
      startTime: hrTime(times.startNs),
      endTime: hrTime(times.endNs),
      duration: hrTime(times.endNs - times.startNs),
      ended: true,
      status: { code: isFailure(row) ? STATUS.error : STATUS.unset },
      attributes: attributesOf(row, {
        source: endpointName(source),
        destination: endpointName(destination),
        peer_service: serviceName(server ? source : destination, this.#options.serviceLabels),
      }),
      links: [],
      events: [...moments, ...tcp.events].sort((a, b) => a.time[0] - b.time[0] || a.time[1] - b.time[1]),
      resource: server
        ? this.#resources.of({ endpointId: row.destination_endpoint_id, address: row.destination_address }, destination)
        : this.#resources.of({ endpointId: row.source_endpoint_id, address: row.source_address }, source),
      instrumentationScope: this.#scope,
      droppedAttributesCount: 0,
      droppedEventsCount: tcp.dropped,
      droppedLinksCount: 0,
    };
  }

  #identity(endpointId: string | null): Identity | undefined {
    return endpointId === null ? undefined : this.#options.identityOf(BigInt(endpointId));
  }

  #events(connection: number): EventRow[] {
    return this.#options.eventsOf(connection).map((bytes) => decodeRows(TCP_EVENTS, bytes)[0] as unknown as EventRow);
  }

  #context(row: RequestRow, threshold: string): SpanContext {
    return {
      traceId: traceId(row),
      spanId: spanId(row),
      traceFlags: row.has_trace ? row.trace_flags | SAMPLED : SAMPLED | RANDOM,
      traceState: traceState(this.#traceState(row, threshold)),
    };
  }

  /** Who samples further by OpenTelemetry's rules decides by the same randomness as we did. */
  #traceState(row: RequestRow, threshold: string): string {
    if (row.has_trace) return `ot=th:${threshold}`;
    this.#randomness.ofSequences(row.request_sequence, row.response_sequence);
    return `ot=th:${threshold};rv:${this.#randomness.text}`;
  }
}

function traceState(text: string): TraceState {
  const state: TraceState = { serialize: () => text, get: () => undefined, set: () => state, unset: () => state };
  return state;
}
