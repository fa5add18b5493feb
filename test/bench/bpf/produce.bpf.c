// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Writes records as the collector's programs write them, by the same code, as fast as asked: nothing of a packet is read,
 * and no socket is needed. What a record holds follows from its number alone, so that a reader can tell what a row must
 * say (kit/produced.ts is the reading of this file). Run by kit/produce.ts.
 */
#include "flow_record.bpf.h"
#include "http_release.bpf.h"
#include "tcp_retransmit.bpf.h"

#define CGROUPS 8
#define PODS_ELSEWHERE 250
#define TARGET_BYTES 96
#define HOST_BYTES 48
#define TRACEPARENT_BYTES 55
#define ID_DIGITS 10

/* Set before the load, as kit/produce.ts is asked to. */
const volatile u32 bench_connections = 1;
const volatile u32 bench_target_count = 1;
const volatile u32 bench_pid = 0;
const volatile u64 bench_cgroup_ids[CGROUPS];
/* Of 256 records, so many; the others are requests. */
const volatile u32 bench_flows = 0;
const volatile u32 bench_events = 0;
/* Of 256 requests, so many whose path holds an id that no other has, and so many with a traceparent. */
const volatile u32 bench_unique = 0;
const volatile u32 bench_traced = 0;

/* Which records a run writes: the number of the first, and how many. */
struct bench_run {
	u64 first;
	u32 count;
	u32 reserved;
};

struct bench_target {
	u8 method_length;
	u8 host_length;
	u16 target_length;
	u32 id_at;		/* in text: where the digits of an id begin */
	u8 text[TARGET_BYTES];	/* method and target, back to back */
	u8 host[HOST_BYTES];
};

/* What the programs keep with a socket, and what its parser counts. */
struct bench_socket {
	struct socket_state state;
	u32 requests;
};

/* As many as the bench has connections. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct bench_socket);
} bench_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct bench_target);
} bench_targets SEC(".maps");

/* Where a struct tcp_sock would be: whatever its fields' offsets in this kernel are, they are within. */
struct bench_tcp {
	u8 bytes[8192];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct bench_tcp);
} bench_tcp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_connection);
} bench_http SEC(".maps");

/* The finalizer of splitmix64: each number gets bits of its own. */
static __always_inline u64 bits_of(u64 number)
{
	number += 0x9e3779b97f4a7c15ull;
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ number >> 27) * 0x94d049bb133111ebull;
	return number ^ number >> 31;
}

static __always_inline void address_of(wire_u8 *address, u8 second, u16 host)
{
	__builtin_memset(address, 0, 16);
	address[10] = 0xff;
	address[11] = 0xff;
	address[12] = 10;
	address[13] = second;
	address[14] = host >> 8;
	address[15] = host;
}

/* The pod here, of as many as there are cgroups, and the one elsewhere that a connection is between. */
static __always_inline u32 pod_here(u32 index)
{
	return index >> 1 & (CGROUPS - 1);
}

static __always_inline u32 pod_elsewhere(u32 index)
{
	return (index >> 1) % PODS_ELSEWHERE;
}

/*
 * Each pod that is asked is of one of eight workloads, and each workload is asked for an eighth of the targets: some
 * often, most seldom, by the cube of an even number.
 */
static __always_inline u32 target_of(u32 index, u64 bits)
{
	u32 workload = (index & 1 ? pod_here(index) : pod_elsewhere(index)) & 7, targets = bench_target_count / 8;
	u64 even = bits >> 48;

	return workload * targets + ((even * even >> 16) * even * targets >> 32);
}

/* Once per connection: even ones are clients', odd ones servers'; each has one of the cgroups. */
static __always_inline void open_connection(struct socket_state *state, u32 index, u64 now)
{
	struct connection *connection = &state->connection;
	bool server = index & 1;
	u32 owner = pod_here(index);

	connection->socket_cookie = 1 + index;
	connection->socket_cgroup_id = bench_cgroup_ids[owner];
	connection->owner_cgroup_id = bench_cgroup_ids[owner];
	address_of(server ? connection->destination_address : connection->source_address, 0, 2 + owner);
	address_of(server ? connection->source_address : connection->destination_address, 1,
		   pod_elsewhere(index));
	connection->netns = 4026531840u;
	connection->pid = bench_pid;
	connection->source_sequence_begin = (index + 1) * 2654435761u;
	connection->destination_sequence_begin = (index + 1) * 2246822519u;
	connection->source_port = 1024 + index % 64000;
	connection->destination_port = server ? 8080 : 80;
	connection->protocol = IPPROTO_TCP;
	connection->observation_point = server ? OBSERVATION_POINT_SERVER : OBSERVATION_POINT_CLIENT;
	connection->traffic_direction = server ? TRAFFIC_DIRECTION_INGRESS : TRAFFIC_DIRECTION_EGRESS;
	connection->initiator_known = 1;
	connection->application_protocol = APPLICATION_PROTOCOL_HTTP1;
	connection->verdict = VERDICT_FORWARDED;
	connection->ip_version = 4;
	state->opened_ns = now;
	state->reported_ns = now;
	__builtin_memcpy(state->command, "bench", 6);
	state->role = state->connection.observation_point;
}

static __always_inline void produce_flow(struct socket_state *state, struct tcp_sock *tp, u64 number, u64 bits, u64 now)
{
	const struct flow_counters *told = &state->reported;
	bool first;

	tp->bytes_acked = told->bytes_acked + number;
	tp->bytes_sent = told->bytes_sent + (bits >> 40);
	tp->bytes_received = told->bytes_received + (bits >> 32 & 0xffffff);
	tp->segs_out = told->segments_sent + (bits >> 16 & 0xff) + 1;
	tp->segs_in = told->segments_received + (bits >> 24 & 0xff) + 1;
	tp->data_segs_out = told->data_segments_sent + (bits >> 16 & 0xff);
	tp->data_segs_in = told->data_segments_received + (bits >> 24 & 0xff);
	tp->delivered = told->delivered_segments + (bits >> 16 & 0xff);
	tp->total_retrans = told->retransmitted_segments;
	tp->srtt_us = ((bits >> 20 & 0xfff) + 50) << 3;
	tp->rtt_min.s[0].v = (bits >> 20 & 0xff) + 20;
	tp->mdev_us = (bits >> 20 & 0x3f) << 2;
	tp->snd_cwnd = 10 + (bits >> 28 & 0x7f);
	tp->reordering = 3;
	tp->mss_cache = 1448;
	if (!try_own_rows(state))
		return;
	first = state->interval_index == 0;
	write_flow(state, tp, TCP_STATE_ESTABLISHED, now, first ? FLOW_STATE_OPENED : FLOW_STATE_ACTIVE);
	disown_rows(state);
}

static __always_inline void produce_event(struct socket_state *state, struct tcp_sock *tp, u64 number, u64 bits, u64 now)
{
	tp->total_retrans = state->counted_retransmits + 1 + (bits >> 32 & 3);
	tp->snd_cwnd = number;
	tp->srtt_us = ((bits >> 20 & 0xfff) + 50) << 3;
	tp->inet_conn.icsk_rto = 100;
	write_missed_retransmits(state, tp, bits >> 34 & 1 ? RETRANSMIT_CAUSE_TIMEOUT : RETRANSMIT_CAUSE_FAST, now);
}

static __always_inline u8 hex_digit(u64 value)
{
	u8 digit = value & 15;

	return digit < 10 ? '0' + digit : 'a' + digit - 10;
}

static __always_inline void write_traceparent(u8 *to, u64 number, u64 bits)
{
	u64 low = bits_of(bits);

	to[0] = '0';
	to[1] = '0';
	to[2] = '-';
#pragma unroll
	for (u32 i = 0; i < 16; i++) {
		to[3 + i] = hex_digit(bits >> (60 - 4 * i));
		to[19 + i] = hex_digit(low >> (60 - 4 * i));
		to[36 + i] = hex_digit((number + 1) >> (60 - 4 * i));
	}
	to[35] = '-';
	to[52] = '-';
	to[53] = '0';
	to[54] = '1';
}

static __always_inline void write_texts(struct http_request *request, const struct bench_target *target, bool unique,
					bool traced, u64 number, u64 bits)
{
	u32 id_at = target->id_at;

	__builtin_memcpy(request->text, target->text, TARGET_BYTES);
	__builtin_memcpy(request->text + HTTP_START_TEXT_MAX, target->host, HOST_BYTES);
	request->method_length = target->method_length;
	request->target_length = target->target_length;
	request->host_at = HTTP_START_TEXT_MAX;
	request->host_length = target->host_length;
	ONE_REGISTER(id_at);
	if (unique && id_at <= TARGET_BYTES - ID_DIGITS) {
		u64 rest = number;
#pragma unroll
		for (int i = ID_DIGITS - 1; i >= 0; i--) {
			request->text[id_at + i] = '0' + rest % 10;
			rest /= 10;
		}
	}
	if (!traced)
		return;
	request->traceparent_at = HTTP_TRACEPARENT_AT_MAX;
	request->traceparent_length = TRACEPARENT_BYTES;
	write_traceparent((u8 *)request->text + HTTP_TRACEPARENT_AT_MAX, number, bits);
}

static __always_inline void produce_request(struct bench_socket *socket, struct tcp_sock *tp, u32 at, u64 number,
					    u64 bits, u64 now)
{
	u32 zero = 0;
	struct bench_target *target = bpf_map_lookup_elem(&bench_targets, &at);
	struct http_connection *connection = bpf_map_lookup_elem(&bench_http, &zero);
	struct socket_state *state = &socket->state;
	struct http_stream *response;
	struct http_request *request;
	u64 duration = 50000 + ((bits >> 16 & 0xffff) << (bits >> 32 & 7));
	u32 index;

	if (!target || !connection)
		return;
	/* One scratch connection stands for all: the number of the request is the connection's own. */
	index = socket->requests++;
	connection->begun = index;
	connection->answered = index;
	connection->released = index;
	connection->slot_owner = 0;
	connection->max_rtt_us = 0;
	connection->out_of_order_bytes = 0;
	request = allocate_request(connection, index);
	if (!request)
		return;
	connection->begun = index + 1;
	tp->total_retrans = 0;
	tp->srtt_us = ((bits >> 20 & 0xfff) + 50) << 3;
	tp->inet_conn.icsk_inet.sk.__sk_common.skc_state = TCP_STATE_ESTABLISHED;
	read_evidence(tp, state, &request->begin, now);
	request->first_ns = now - duration;
	request->request_last_ns = now - duration + 2000;
	request->read_ns = now - duration + 9000;
	request->response_first_ns = now - (duration >> 2);
	request->request_sequence = number;
	request->response_sequence = number * 3;
	request->request_bytes = 200 + (bits & 0x3ff);
	request->status_code = (bits >> 40 & 0x3f) == 0 ? 503 : 200;
	request->http_version = 11;
	request->request_end = REQUEST_END_COMPLETE;
	write_texts(request, target, (bits >> 8 & 0xff) < bench_unique,
		    (bits >> 24 & 0xff) < bench_traced, number, bits);
	request->start_line_read = 1;
	request->request_over = 1;
	response = &connection->streams[HTTP_RESPONSE];
	response->message_bytes = 150 + (bits >> 44);
	response->body_bytes = bits >> 44;
	answer_request(connection, request, response, now, number * 3 + 150, REQUEST_END_COMPLETE);
	release_all(connection, state, tp, number * 3 + 150, REQUEST_END_COMPLETE, now);
}

static long produce_one(u32 index, const u64 *first)
{
	u64 number = *first + index, bits = bits_of(number), now = bpf_ktime_get_boot_ns();
	u32 zero = 0, kind = bits & 0xff, place = (bits >> 32) * bench_connections >> 32;
	struct bench_socket *socket = bpf_map_lookup_elem(&bench_sockets, &place);
	struct bench_tcp *tcp = bpf_map_lookup_elem(&bench_tcp, &zero);
	struct tcp_sock *tp = (struct tcp_sock *)tcp;

	if (!socket || !tcp)
		return 1;
	if (!socket->state.role)
		open_connection(&socket->state, place, now);
	if (kind < bench_flows)
		produce_flow(&socket->state, tp, number, bits, now);
	else if (kind < bench_flows + bench_events)
		produce_event(&socket->state, tp, number, bits, now);
	else
		produce_request(socket, tp, target_of(place, bits), number, bits, now);
	return 0;
}

SEC("syscall")
int bench_produce(struct bench_run *run)
{
	u64 first = run->first;

	bpf_loop(run->count, produce_one, &first, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
