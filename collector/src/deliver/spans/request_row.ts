/** A row of `requests` as `decodeRows` gives it, as far as spans are made of it. */
export interface RequestRow {
  readonly time: string;
  readonly cluster: string;
  readonly node: string;
  readonly source_endpoint_id: string | null;
  readonly destination_endpoint_id: string | null;
  readonly peer_observed: boolean;
  readonly container_id: string | null;
  readonly service_namespace: string | null;
  readonly service_name: string | null;
  readonly backend_address: string | null;
  readonly backend_port: number | null;
  readonly socket_cookie: string;
  readonly generation: number;
  readonly source_address: string;
  readonly destination_address: string;
  readonly source_port: number;
  readonly destination_port: number;
  readonly pid: number | null;
  readonly observation_point: string;
  readonly verdict: string;
  readonly ip_version: number;
  readonly duration_ns: string;
  readonly request_sent_ns: string;
  readonly application_read_ns: string | null;
  readonly response_start_ns: string | null;
  readonly request_bytes: string;
  readonly response_bytes: string;
  readonly request_body_bytes: string;
  readonly response_body_bytes: string;
  readonly rwnd_limited_us: string;
  readonly sndbuf_limited_us: string;
  readonly zero_window_ns: string;
  readonly request_sequence: number;
  readonly response_sequence: number;
  readonly request_index: number;
  readonly retransmitted_segments: number;
  readonly fast_retransmits: number;
  readonly timeouts: number;
  readonly tail_loss_probes: number;
  readonly srtt_us: number | null;
  readonly max_rtt_us: number | null;
  readonly bytes_out_of_order: number;
  readonly http_status_code: number | null;
  readonly http_version: number;
  readonly request_end: string;
  readonly close_cause: string;
  readonly closed_by: string;
  readonly outcome: string;
  readonly has_trace: boolean;
  readonly trace_flags: number;
  readonly trace_id: string | null;
  readonly parent_span_id: string | null;
  readonly operation: string | null;
  readonly resource: string | null;
  readonly error_type: string | null;
  readonly http_host: string | null;
  readonly http_path: string | null;
  readonly http_query: string | null;
  readonly span_decision: string;
}

/** A row of `tcp_events` as `decodeRows` gives it, as far as spans tell of it. */
export interface EventRow {
  readonly time: string;
  readonly socket_cookie: string;
  readonly generation: number;
  readonly observation_point: string;
  readonly event_kind: string;
  readonly retransmit_cause: string;
  readonly sent_by: string;
  readonly segments: number;
  readonly sequence_begin: number;
  readonly sequence_end: number;
  readonly error_number: number | null;
  readonly reset_reason: string | null;
}
