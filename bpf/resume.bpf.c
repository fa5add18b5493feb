/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Takes up the connections that an earlier run of the collector left. Both programs are run once, when maps were kept
 * and before anything else is attached: nobody else writes to them.
 */
#include "tcp_adopt.bpf.h"
#include "tcp_retransmit.bpf.h"
#include "http_state.bpf.h"
#include "udp_flow.bpf.h"

/* The socket has connected anew, or was cut loose, while nobody watched: its counters have begun again. */
static __always_inline bool is_another_connection(const struct socket_state *state, const struct sock *sk,
						  const struct tcp_sock *tp)
{
	const struct connection *connection = &state->connection;
	bool server = connection->observation_point == OBSERVATION_POINT_SERVER;
	u16 remote = bpf_ntohs(sk->__sk_common.skc_dport);

	if (tp->bytes_received < state->reported.bytes_received || tp->bytes_sent < state->reported.bytes_sent ||
	    tp->segs_in < state->reported.segments_received)
		return true;
	/* Its beginning was not seen. */
	if (!state->opened && sk->__sk_common.skc_state != TCP_STATE_SYN_SENT &&
	    sk->__sk_common.skc_state != TCP_STATE_SYN_RECV)
		return true;
	/* Closed sockets have forgotten their peer. */
	return state->role && remote && remote != (server ? connection->source_port : connection->destination_port);
}

/* What the parser knew went with the run that ended: the next request that starts for certain is read again. */
static __always_inline void forget_parser(struct socket_state *state)
{
	if (state->payload_seen == PAYLOAD_HTTP)
		state->payload_seen = PAYLOAD_JOINED;
	state->payload_direction = 0;
	state->http_attention = 0;
}

/* It ended while nobody watched: the next walk writes its last row. Who ended it is known only if that was seen before. */
static __always_inline void note_unseen_end(struct socket_state *state, const struct sock *sk)
{
	state->closing = 1;
	state->error_number = sk->sk_err;
	if (state->close_cause == CLOSE_CAUSE_NONE)
		state->close_cause = CLOSE_CAUSE_OTHER;
}

SEC("iter/bpf_sk_storage_map")
int resume_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct socket_state *state = ctx->value;
	struct sock *sk = ctx->sk;
	struct tcp_sock *tp;
	u32 generation;
	u64 now;

	if (!state || !sk || sk->sk_protocol != IPPROTO_TCP || !state->opened_ns)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (!is_watched(sk) || is_another_connection(state, sk, tp)) {
		/* As if it were met for the first time, but for what tells its connections apart. */
		generation = state->connection.generation + 1;
		__builtin_memset(state, 0, sizeof(*state));
		state->connection.generation = generation;
		return 0;
	}
	now = bpf_ktime_get_boot_ns();
	state->busy = 0;
	state->zero_window_since_ns = 0;
	forget_parser(state);
	note_unseen_payload(state, tp);
	if (state->reported_ns > in_files_until()) {
		state->reported = state->in_files;
		state->reported_ns = state->in_files_ns;
		state->final_written = 0;
	}
	if (!state->closing && state->opened && sk->__sk_common.skc_state == TCP_STATE_CLOSE)
		note_unseen_end(state, sk);
	if (state->role)
		write_missed_retransmits(state, tp, RETRANSMIT_CAUSE_NONE, now);
	return 0;
}

static long resume_udp_flow(void *map, const void *key, struct udp_flow *flow, const u64 *in_files)
{
	if (flow->reported_ns > *in_files) {
		flow->reported = flow->in_files;
		flow->reported_ns = flow->in_files_ns;
	}
	return 0;
}

SEC("syscall")
int resume_udp_flows(void *ctx)
{
	u64 in_files = in_files_until();

	bpf_for_each_map_elem(&udp_flows, resume_udp_flow, &in_files, 0);
	return 0;
}
