/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every record that crosses from the kernel to user space, and nothing else.
 *
 * Rules (checked by `make check`): fixed-width little-endian fields, natural alignment, explicit padding named
 * `reserved*`, a multiple of eight bytes per struct. A `u8` field named like an enum below holds that enum.
 * DOC() travels through BTF into events.gen.ts, and from there into the ClickHouse columns and the API docs.
 */
#ifndef FLOWSPAN_WIRE_EVENTS_H
#define FLOWSPAN_WIRE_EVENTS_H

#if defined(__clang__)
#define DOC(text) __attribute__((btf_decl_tag(text)))
#else
#define DOC(text)
#endif

typedef unsigned char wire_u8;
typedef unsigned short wire_u16;
typedef unsigned int wire_u32;
typedef unsigned long long wire_u64;

enum record_kind {
	RECORD_KIND_NONE = 0,
	RECORD_KIND_FLOW = 1,
	RECORD_KIND_TCP_EVENT = 2,
	RECORD_KIND_REQUEST = 3,
	RECORD_KIND_CGROUP = 4,
	RECORD_KIND_MAX = 5,
};

enum observation_point {
	OBSERVATION_POINT_UNKNOWN = 0,
	OBSERVATION_POINT_CLIENT = 1,
	OBSERVATION_POINT_SERVER = 2,
};

enum traffic_direction {
	TRAFFIC_DIRECTION_UNKNOWN = 0,
	TRAFFIC_DIRECTION_INGRESS = 1,
	TRAFFIC_DIRECTION_EGRESS = 2,
};

enum application_protocol {
	APPLICATION_PROTOCOL_EMPTY = 0,
	APPLICATION_PROTOCOL_HTTP1 = 1,
	APPLICATION_PROTOCOL_HTTP2 = 2,
	APPLICATION_PROTOCOL_TLS = 3,
	APPLICATION_PROTOCOL_OTHER = 4,
};

enum verdict {
	VERDICT_UNKNOWN = 0,
	VERDICT_FORWARDED = 1,
	VERDICT_DROPPED = 2,
	VERDICT_ERROR = 3,
	VERDICT_AUDIT = 4,
	VERDICT_REDIRECTED = 5,
	VERDICT_TRACED = 6,
	VERDICT_TRANSLATED = 7,
};

/* The kernel's numbers (include/net/tcp_states.h), which are part of its user-space interface. */
enum tcp_state {
	TCP_STATE_NONE = 0,
	TCP_STATE_ESTABLISHED = 1,
	TCP_STATE_SYN_SENT = 2,
	TCP_STATE_SYN_RECV = 3,
	TCP_STATE_FIN_WAIT1 = 4,
	TCP_STATE_FIN_WAIT2 = 5,
	TCP_STATE_TIME_WAIT = 6,
	TCP_STATE_CLOSE = 7,
	TCP_STATE_CLOSE_WAIT = 8,
	TCP_STATE_LAST_ACK = 9,
	TCP_STATE_LISTEN = 10,
	TCP_STATE_CLOSING = 11,
	TCP_STATE_NEW_SYN_RECV = 12,
};

enum flow_state {
	FLOW_STATE_NONE = 0,
	FLOW_STATE_OPENED = 1,
	FLOW_STATE_ACTIVE = 2,
	FLOW_STATE_CLOSED = 3,
};

enum close_cause {
	CLOSE_CAUSE_NONE = 0,
	CLOSE_CAUSE_FIN = 1,
	CLOSE_CAUSE_RESET = 2,
	CLOSE_CAUSE_TIMEOUT = 3,
	CLOSE_CAUSE_REFUSED = 4,
	CLOSE_CAUSE_UNREACHABLE = 5,
	CLOSE_CAUSE_ABORTED = 6,
	CLOSE_CAUSE_IDLE = 7,
	CLOSE_CAUSE_OTHER = 8,
};

/* Which side did it: the client is the initiator. */
enum closed_by {
	CLOSED_BY_NONE = 0,
	CLOSED_BY_CLIENT = 1,
	CLOSED_BY_SERVER = 2,
};

enum sent_by {
	SENT_BY_NONE = 0,
	SENT_BY_CLIENT = 1,
	SENT_BY_SERVER = 2,
};

enum event_kind {
	EVENT_KIND_NONE = 0,
	EVENT_KIND_RETRANSMIT = 1,
	EVENT_KIND_RESET_SENT = 2,
	EVENT_KIND_RESET_RECEIVED = 3,
	EVENT_KIND_DROP = 4,
	EVENT_KIND_CONNECT_FAILED = 5,
	EVENT_KIND_ZERO_WINDOW = 6,
	EVENT_KIND_ACCEPT_OVERFLOW = 7,
};

enum retransmit_cause {
	RETRANSMIT_CAUSE_NONE = 0,
	RETRANSMIT_CAUSE_TIMEOUT = 1,
	RETRANSMIT_CAUSE_FAST = 2,
	RETRANSMIT_CAUSE_TAIL_LOSS_PROBE = 3,
	RETRANSMIT_CAUSE_SYN = 4,
	RETRANSMIT_CAUSE_SYN_ACK = 5,
};

/* include/uapi/linux/tcp.h, enum tcp_ca_state. */
enum congestion_state {
	CONGESTION_STATE_OPEN = 0,
	CONGESTION_STATE_DISORDER = 1,
	CONGESTION_STATE_CWR = 2,
	CONGESTION_STATE_RECOVERY = 3,
	CONGESTION_STATE_LOSS = 4,
};

/* How the exchange ended, as seen on the connection. */
enum request_end {
	REQUEST_END_NONE = 0,
	REQUEST_END_COMPLETE = 1,
	REQUEST_END_UPGRADED = 2,
	REQUEST_END_CONNECTION_CLOSED = 3,
	REQUEST_END_CONNECTION_RESET = 4,
	REQUEST_END_TIMEOUT = 5,
	REQUEST_END_LOST_SIGHT = 6,
};

enum cgroup_change {
	CGROUP_CHANGE_NONE = 0,
	CGROUP_CHANGE_CREATED = 1,
	CGROUP_CHANGE_REMOVED = 2,
};

/* What is done with the choices of a service. Those that only observe choose nothing. */
enum lb_mode {
	LB_MODE_OBSERVE = 0,
	LB_MODE_AUDIT = 1,
	LB_MODE_ENFORCE = 2,
};

/* Why this backend of a service, or why none. */
enum lb_reason {
	LB_REASON_NONE = 0,
	LB_REASON_HASH = 1,
	LB_REASON_AFFINITY = 2,
	LB_REASON_LOCAL = 3,
	LB_REASON_ONLY_ONE = 4,
	LB_REASON_NO_BACKEND = 5,
	LB_REASON_NO_LOCAL_BACKEND = 6,
	LB_REASON_NODE_PORT_BOUND = 7,
};

/* In place of a slot of a service's table: none was asked. */
#define LB_NO_SLOT 0xffffffffu

/* First 16 bytes of every record. */
struct record_header {
	wire_u32 length DOC("Bytes of the whole record, this header included, before padding to eight.");
	wire_u8 record_kind DOC("What the record is.");
	wire_u8 reserved[3];
	wire_u64 time_boot_ns DOC("When the described thing ended, CLOCK_BOOTTIME nanoseconds.");
};

/*
 * Whose connection it is. The source is always the initiator (client), the destination the responder (server), whichever
 * end was observed. Stamped once, when the role is known, and copied into each record. The two sequence numbers are what
 * both ends call the connection alike, also where addresses are translated between them.
 */
struct connection {
	wire_u64 socket_cookie DOC("Kernel socket cookie of the observed end.");
	wire_u64 socket_cgroup_id DOC("cgroup v2 id the socket was created in (its listener's, for accepted sockets).");
	wire_u64 owner_cgroup_id DOC("cgroup v2 id of the process that reads and writes the socket; 0 until it did.");
	wire_u64 peer_endpoint_id DOC("Endpoint of the other end by its address when the connection began; 0: not known. A hint.");
	wire_u64 service_id DOC("Service that brought the initiator to this destination (service_choice.service_id); 0: none here.");
	wire_u8 source_address[16] DOC("Initiator's address, IPv4 as v4-mapped IPv6.");
	wire_u8 destination_address[16] DOC("Responder's address, IPv4 as v4-mapped IPv6.");
	wire_u32 generation DOC("How often this socket had connected before: a socket can connect more than once.");
	wire_u32 netns DOC("Network namespace of the observed end, its nsfs inode number.");
	wire_u32 pid DOC("Process (thread group) that reads and writes the socket; 0 until it did.");
	wire_u32 source_sequence_begin DOC("TCP sequence number of the initiator's first byte, as on the wire; 0 until established.");
	wire_u32 destination_sequence_begin DOC("TCP sequence number of the responder's first byte, as on the wire; 0 until established.");
	wire_u32 policy_generation DOC("Set of policy tables that judged it; 0: none did.");
	wire_u32 policy_decision DOC("Number of the decision in that set; 4294967295: none.");
	wire_u16 source_port DOC("Initiator's port.");
	wire_u16 destination_port DOC("Responder's port.");
	wire_u8 protocol DOC("IP protocol number: 6 TCP, 17 UDP.");
	wire_u8 observation_point DOC("Which end was observed: client (initiator) or server (responder).");
	wire_u8 initiator_known DOC("1 if the handshake or a listening socket told who initiated, 0 if ports decided.");
	wire_u8 application_protocol DOC("What the connection has carried so far, as far as it can be told.");
	wire_u8 verdict DOC("What became of it, in Hubble's words.");
	wire_u8 tcp_state DOC("TCP state of the observed end; none for UDP.");
	wire_u8 ip_version DOC("4 or 6: what travelled on the wire.");
	wire_u8 traffic_direction DOC("Of the connection, as the observed end sees it: egress for the client, ingress for the server.");
};

/* Which backend of a service was chosen here, and why. Zero, but for the slot, where no such service was dialled. */
struct flow_choice {
	wire_u32 lb_table_version DOC("Version of the service's table that was asked for a backend; 0 if none was.");
	wire_u32 lb_slot DOC("Slot of that table that was chosen; -1 if no slot was asked.");
	wire_u8 frontend_address[16] DOC("Address of a service that the initiator dialled, where its backend was chosen here; zero if none was.");
	wire_u16 frontend_port DOC("Port of that address; 0 if none was dialled.");
	wire_u16 lb_candidates DOC("Backends there were to choose from.");
	wire_u8 lb_reason DOC("Why this backend, or why none; none where no service balanced here was dialled.");
	wire_u8 lb_mode DOC("Whether the choice was applied (enforce), recorded only (audit), or not made (observe).");
	wire_u8 reserved[2];
};

/* One per connection and interval. Counters are what happened in the interval, gauges are as at its end. */
struct flow_record {
	struct record_header header;
	struct connection connection;
	wire_u64 duration_ns DOC("Length of the interval this row covers.");
	wire_u64 connection_age_ns DOC("Time since the connection was established (until then: since its first SYN), or first seen if that was before the start.");
	wire_u64 connect_ns DOC("SYN sent (client) or received (server) until established; 0 if not seen.");
	wire_u64 bytes_sent DOC("Payload bytes the observed end sent, retransmissions included (tcp_sock.bytes_sent), and what it sent past TCP.");
	wire_u64 bytes_acked DOC("Bytes the peer acknowledged (tcp_sock.bytes_acked); REDIRECTED: of those that went through TCP.");
	wire_u64 bytes_received DOC("In-order bytes received from the peer (tcp_sock.bytes_received); REDIRECTED: of those that went through TCP.");
	wire_u64 bytes_retransmitted DOC("Payload bytes sent again (tcp_sock.bytes_retrans).");
	wire_u64 busy_us DOC("Time with data outstanding (tcp_sock.chrono_stat).");
	wire_u64 rwnd_limited_us DOC("Time limited by the peer's receive window (tcp_sock.chrono_stat).");
	wire_u64 sndbuf_limited_us DOC("Time limited by the send buffer (tcp_sock.chrono_stat).");
	wire_u32 interval_index DOC("Number of this row within the connection, from 0; a hole means a lost row.");
	wire_u32 segments_sent DOC("Segments sent (tcp_sock.segs_out); datagrams for UDP.");
	wire_u32 segments_received DOC("Segments received (tcp_sock.segs_in); datagrams for UDP.");
	wire_u32 data_segments_sent DOC("Segments with payload sent (tcp_sock.data_segs_out).");
	wire_u32 data_segments_received DOC("Segments with payload received (tcp_sock.data_segs_in).");
	wire_u32 retransmitted_segments DOC("Segments sent again (tcp_sock.total_retrans).");
	wire_u32 lost_segments DOC("Segments marked lost (tcp_sock.lost).");
	wire_u32 delivered_segments DOC("Segments the peer received (tcp_sock.delivered).");
	wire_u32 reorder_events DOC("Times reordering was seen (tcp_sock.reord_seen).");
	wire_u32 timeouts DOC("Retransmission timeouts that fired.");
	wire_u32 tail_loss_probes DOC("Tail loss probes that were sent.");
	wire_u32 zero_windows DOC("Times the peer closed its receive window.");
	wire_u32 srtt_us DOC("Smoothed round trip time (tcp_sock.srtt_us >> 3); 0 before the first sample.");
	wire_u32 min_rtt_us DOC("Smallest round trip time in the kernel's window (tcp_sock.rtt_min); 0 if none.");
	wire_u32 rttvar_us DOC("Mean deviation of the round trip time (tcp_sock.mdev_us >> 2); 0 if none.");
	wire_u32 cwnd_segments DOC("Congestion window (tcp_sock.snd_cwnd).");
	wire_u32 reordering_segments DOC("Reordering degree the kernel allows for (tcp_sock.reordering).");
	wire_u32 mss_bytes DOC("Sender's maximum segment size (tcp_sock.mss_cache).");
	struct flow_choice choice;
	wire_u16 error_number DOC("errno that ended the connection; 0 if none.");
	wire_u8 flow_state DOC("opened, active or closed: whether this is the first, a middle or the final row.");
	wire_u8 close_cause DOC("Why the connection ended; none while it is open.");
	wire_u8 closed_by DOC("Which side ended it first; none while open or unknown.");
	wire_u8 command_length DOC("Bytes of command that count.");
	char command[16] DOC("Name of the process that reads and writes the socket (task comm).");
	wire_u8 reserved[2];
};

struct tcp_event_record {
	struct record_header header;
	struct connection connection;
	wire_u64 latency_ns DOC("connect_failed: time since the first SYN. zero_window: length of the stall.");
	wire_u64 connection_age_ns DOC("Time since the connection was established (until then: since its first SYN), or first seen if that was before the start.");
	wire_u32 sequence_begin DOC("First sequence number concerned, as on the wire.");
	wire_u32 sequence_end DOC("Sequence number after the last one concerned.");
	wire_u32 segments DOC("Segments this event stands for.");
	wire_u32 segments_in_flight DOC("Segments sent and not yet acknowledged at that moment.");
	wire_u32 srtt_us DOC("Smoothed round trip time at that moment; 0 before the first sample.");
	wire_u32 rto_us DOC("Retransmission timeout at that moment.");
	wire_u32 cwnd_segments DOC("Congestion window at that moment.");
	wire_u16 error_number DOC("errno of a failed connect or of a retransmission that could not be sent; else 0.");
	wire_u8 event_kind DOC("What happened.");
	wire_u8 retransmit_cause DOC("Why it was sent again; none for other events, and where the moment itself was missed.");
	wire_u8 sent_by DOC("Which side sent the segment concerned.");
	wire_u8 congestion_state DOC("Congestion control state at that moment.");
	wire_u8 tcp_flags DOC("TCP flags of the segment concerned, as on the wire; 0 if not known.");
	wire_u8 reserved;
	wire_u32 drop_reason DOC("Drops: the running kernel's number in enum skb_drop_reason; else 0.");
	wire_u32 reset_reason DOC("Resets sent: the running kernel's number in enum sk_rst_reason; 0 where the kernel gives none.");
	wire_u16 sample_weight DOC("Events this record stands for: others of its cgroup were shed in the kernel. 0 and 1: itself alone.");
	wire_u8 reserved_end[2];
};

/* Strings of a request travel behind the fixed part, one after the other without a gap: method, target, host, traceparent. */
#define REQUEST_TEXT_MAX 1024

struct request_record {
	struct record_header header;
	struct connection connection;
	wire_u64 duration_ns DOC("First byte of the request until last byte of the response, at the observed end.");
	wire_u64 request_sent_ns DOC("First byte of the request until its last byte.");
	wire_u64 application_read_ns DOC("First byte of the request until the application read it; 0 if not seen.");
	wire_u64 response_start_ns DOC("First byte of the request until the first byte of the response; 0 if none.");
	wire_u64 request_bytes DOC("Bytes of the request: head, body and framing.");
	wire_u64 response_bytes DOC("Bytes of the response: head, body and framing; 1xx responses included.");
	wire_u64 request_body_bytes DOC("Bytes of the request body, chunk framing excluded.");
	wire_u64 response_body_bytes DOC("Bytes of the response body, chunk framing excluded.");
	wire_u64 rwnd_limited_us DOC("Time limited by the peer's receive window during this request.");
	wire_u64 sndbuf_limited_us DOC("Time limited by the send buffer during this request.");
	wire_u64 zero_window_ns DOC("Time the peer's receive window was closed during this request.");
	wire_u32 request_sequence DOC("TCP sequence number of the request's first byte, as on the wire.");
	wire_u32 response_sequence DOC("TCP sequence number of the response's first byte, as on the wire; without a response, of where it would have begun; 0 if that cannot be told.");
	wire_u32 request_index DOC("Number of this request on its connection as observed, from 0.");
	wire_u32 retransmitted_segments DOC("Segments the observed end sent again during this request.");
	wire_u32 fast_retransmits DOC("Of these, segments sent again by fast retransmit or recovery.");
	wire_u32 timeouts DOC("Retransmission timeouts that fired during this request.");
	wire_u32 tail_loss_probes DOC("Tail loss probes sent during this request.");
	wire_u32 srtt_us DOC("Smoothed round trip time at the end of the request; 0 before the first sample.");
	wire_u32 max_rtt_us DOC("Highest round trip time sample seen during this request; 0 if none.");
	wire_u32 bytes_out_of_order DOC("Payload bytes that arrived out of order during this request.");
	wire_u16 http_status_code DOC("Status code of the final response; 0 if none was seen.");
	wire_u8 http_version DOC("10 for HTTP/1.0, 11 for HTTP/1.1: the request's.");
	wire_u8 request_end DOC("How the exchange ended.");
	wire_u8 close_cause DOC("Why the connection ended, if that ended this request.");
	wire_u8 closed_by DOC("Which side ended the connection, if that ended this request.");
	wire_u8 text_truncated DOC("1 if method, target or host were longer than what is kept.");
	wire_u8 method_length DOC("Bytes of the method in text.");
	wire_u16 target_length DOC("Bytes of the request target in text, behind the method.");
	wire_u16 host_length DOC("Bytes of the Host header in text, behind the target.");
	wire_u16 traceparent_length DOC("Bytes of the traceparent header in text, behind the host; 0 if none.");
	wire_u16 sample_weight DOC("Requests this record stands for: others of its cgroup were shed in the kernel. 0 and 1: itself alone.");
	char text[REQUEST_TEXT_MAX] DOC("Method, target, host and traceparent, one behind the other.");
};

/* As many bytes as the tracepoint has room for, its terminating zero included (TRACE_CGROUP_PATH_LEN). */
#define CGROUP_PATH_MAX 1024

/* Its path is as long as it is: what follows path_length bytes is not sent. */
struct cgroup_record {
	struct record_header header;
	wire_u64 cgroup_id DOC("cgroup v2 id: the inode number of its directory.");
	wire_u16 path_length DOC("Bytes of path that count.");
	wire_u8 cgroup_change DOC("created or removed.");
	wire_u8 reserved[5];
	char path[CGROUP_PATH_MAX] DOC("Path below the cgroup v2 mount, as far as the kernel tells it: one of the greatest length may be cut.");
};

/* Why a fact was discarded in the kernel. One counter each, summed over CPUs; a test moves every one of them. */
enum discard_reason {
	DISCARD_REASON_NONE = 0,
	DISCARD_REASON_SOCKET_STORAGE = 1,	/* no memory for a socket's storage */
	DISCARD_REASON_HTTP_STORAGE = 2,	/* no memory for a connection's parser */
	DISCARD_REASON_PIPELINE_DEPTH = 3,	/* more unanswered requests than are tracked */
	DISCARD_REASON_STREAM_GAP = 4,		/* bytes never seen, parser had to look for a new start */
	DISCARD_REASON_REORDER_FULL = 5,	/* out-of-order bytes beyond what is kept */
	DISCARD_REASON_MALFORMED_HTTP = 6,	/* message that no reader may interpret */
	DISCARD_REASON_UDP_FLOWS_FULL = 7,	/* no room for another UDP flow */
	DISCARD_REASON_DROP_EVENT_LIMIT = 8,	/* packet drops without a socket, beyond the rate that is told one by one */
	DISCARD_REASON_LISTENER_DATA = 9,	/* first bytes on a listener that no connection took */
	DISCARD_REASON_MAX = 16,
};

/* One per record kind, in the per-CPU array `record_counters`. */
struct record_counter {
	wire_u64 wanted DOC("Records the kernel wanted to write, counted before room was asked for.");
	wire_u64 lost_ring_full DOC("Of these, records for which the ring had no room.");
	wire_u64 shed DOC("Of these, records not written because their cgroup is throttled.");
};

/* What is written of a cgroup's records, in the hash `cgroup_throttles`: one of so many, powers of two up to 1,024. */
struct cgroup_throttle {
	wire_u64 request_weight DOC("Of ordinary requests.");
	wire_u64 trouble_weight DOC("Of requests that failed, were slow, or met trouble on the wire.");
	wire_u64 event_weight DOC("Of TCP events.");
};

#endif
