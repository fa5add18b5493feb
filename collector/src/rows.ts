/** The row writers of the hot tables: every column that the wire does not bring, in one place. */
import { FLOW_RECORD, REQUEST_RECORD, TCP_EVENT_RECORD } from '../../bpf/wire/events.gen.ts';
import { FLOWS, REQUESTS, SPAN_DECISIONS, type Table, TCP_EVENTS } from '../../store/tables.ts';
import type { Arena } from './batch/arena.ts';
import type { WallClock } from './batch/clock.ts';
import { type Decisions, decidedBy } from './correlate/decisions.ts';
import type { Endpoints } from './correlate/endpoints.ts';
import type { Ends } from './correlate/ends.ts';
import type { KernelWords } from './correlate/kernel_words.ts';
import type { RequestText } from './correlate/requests/request_text.ts';
import { type ColumnValue, compileRow, type RowWriter, uuidBytes } from './deliver/row_encoder.ts';
import { rowText } from './deliver/text.ts';

/** Who observes: columns that are the same in every row of this process. */
export interface Scope {
  readonly cluster: string;
  readonly node: string;
  /** Text of a UUID. */
  readonly boot_id: string;
}

/** Decides which requests are sent as spans. */
export interface SpanDecision {
  /**
   * Value of the column `span_decision`; asked once per request, while its row is written.
   * @param record where the request's record is in the arena; ends, texts and clock speak of it during the call
   */
  of(record: number): number;
}

/** No request is sent as a span. */
export const NO_SPANS: SpanDecision = { of: () => SPAN_DECISIONS.not_sent };

export interface RowParts {
  readonly arena: Arena;
  readonly scope: Scope;
  /** Holds the time of the record that is written. */
  readonly clock: WallClock;
  /** Holds the ends of the record that is written. */
  readonly ends: Ends;
  readonly endpoints: Endpoints;
  /** Holds the texts of the request that is written. */
  readonly requestText: RequestText;
  readonly dropReasons: KernelWords;
  readonly resetReasons: KernelWords;
  /** Names the policies that decided. */
  readonly decisions: Decisions;
  readonly spanDecision: SpanDecision;
  /** Holds how many the record that is written stands for. */
  readonly shedding: { readonly weight: number };
}

/** A table of the data path with its row writer and the bytes a record of it has at least. */
export interface RowKind {
  readonly table: Table;
  readonly write: RowWriter;
  readonly recordBytes: number;
}

/** Compiles the row writers. */
export function compileRows(parts: RowParts): { flow: RowKind; tcp_event: RowKind; request: RowKind } {
  const { arena, clock, ends, endpoints, scope, dropReasons, resetReasons, requestText, shedding } = parts;
  const { decisions, spanDecision } = parts;
  const { view } = arena;
  const { dialled } = ends;
  const endpoint = (number: () => number): ColumnValue => ({
    write(_record, row) {
      const at = number();
      view.setUint32(row, endpoints.idLow[at] as number, true);
      view.setUint32(row + 4, endpoints.idHigh[at] as number, true);
      return row + 8;
    },
  });
  const kernelWord = (names: KernelWords, field: number) => ({
    text: (record: number) => names.of(view.getUint32(record + field, true)),
  });
  const values: Record<string, ColumnValue> = {
    time: {
      write(_record, row) {
        view.setUint32(row, clock.low, true);
        view.setUint32(row + 4, clock.high, true);
        return row + 8;
      },
    },
    cluster: { constant: rowText(scope.cluster) },
    node: { constant: rowText(scope.node) },
    boot_id: { constant: uuidBytes(scope.boot_id) },
    source_endpoint_id: endpoint(() => ends.source),
    destination_endpoint_id: endpoint(() => ends.destination),
    peer_observed: { number: () => ends.peerObserved },
    container_id: { text: () => ends.container },
    source_basis: { number: () => ends.sourceBasis },
    destination_basis: { number: () => ends.destinationBasis },
    service_namespace: { text: () => dialled.names.namespace(dialled.service) },
    service_name: { text: () => dialled.names.name(dialled.service) },
    service_port: { number: () => dialled.names.port(dialled.service) },
    policy_kind: { text: (record) => decidedBy(decisions, view, record).kind },
    policy_namespace: { text: (record) => decidedBy(decisions, view, record).namespace },
    policy_name: { text: (record) => decidedBy(decisions, view, record).name },
    rule_index: { number: (record) => decidedBy(decisions, view, record).ruleIndex },
    backend_address: { from: () => dialled.backendAddress },
    client_address: { from: () => dialled.clientAddress },
    backend_port: { number: () => dialled.backendPort },
    span_decision: { number: (record) => spanDecision.of(record) },
    drop_reason: kernelWord(dropReasons, TCP_EVENT_RECORD.drop_reason),
    reset_reason: kernelWord(resetReasons, TCP_EVENT_RECORD.reset_reason),
    request_protocol: { constant: rowText('http') },
    sample_weight: { number: () => shedding.weight },
    ...requestText.writers(),
  };
  const compile = (table: Table, recordBytes: number): RowKind => ({
    table,
    recordBytes,
    write: compileRow(arena, table, values),
  });
  return {
    flow: compile(FLOWS, FLOW_RECORD.size),
    tcp_event: compile(TCP_EVENTS, TCP_EVENT_RECORD.size),
    request: compile(REQUESTS, REQUEST_RECORD.text),
  };
}
