/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Resets, sent and received. */
#include "skb_tuple.bpf.h"
#include "tcp_event_record.bpf.h"

/* `skb` is the packet that is answered with a reset; NULL where the reset ends a connection of ours. */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(tcp_send_reset, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_event_record *record;
	struct socket_state *state = NULL;
	u8 tcp_state = sk ? sk->__sk_common.skc_state : TCP_STATE_NONE;
	/* Others are as small as their place in the kernel's tables, and have no cgroup. */
	bool is_full = sk && tcp_state != TCP_STATE_TIME_WAIT && tcp_state != TCP_STATE_NEW_SYN_RECV;

	if (is_full && !is_watched(sk))
		return 0;
	/* A listener answers for a connection that is not its own. */
	if (is_full && tcp_state != TCP_STATE_LISTEN)
		state = socket_state_of(sk);
	record = event_reserve(EVENT_KIND_RESET_SENT, state, bpf_ktime_get_boot_ns());
	if (!record)
		return 0;
	if (state && state->role) {
		event_connection(record, state, sk);
		record->sent_by = sent_by_side(&state->connection, true);
	} else if (skb) {
		struct skb_tuple tuple;

		if (read_skb_tuple(skb, &tuple)) {
			stamp_tuple(&record->connection, &tuple);
			/* We answer the sender of that packet, so the other end sends the reset. */
			record->sent_by = tuple.tcp_flags & TCP_FLAG_SYN && tuple.tcp_flags & TCP_FLAG_ACK ?
						  SENT_BY_CLIENT :
						  SENT_BY_SERVER;
		}
	} else if (sk) {
		stamp_socket(&record->connection, sk, bpf_get_socket_cookie(sk));
		stamp_ends(&record->connection, sk, OBSERVATION_POINT_UNKNOWN, 0);
	}
	if (state)
		event_age(record, state);
	record->connection.verdict = VERDICT_FORWARDED;
	record->connection.tcp_state = tcp_state;
	record->segments = 1;
	record->tcp_flags = TCP_FLAG_RST;
	/* Third argument, and the enum, from 6.10 ("tcp: introduce MPTCP/TCP reset reasons in trace_tcp_send_reset"). */
	if (bpf_core_type_exists(enum sk_rst_reason))
		record->reset_reason = (u32)ctx[2];
	event_submit(record);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_receive_reset, struct sock *sk)
{
	struct socket_state *state = socket_state_of(sk);
	struct tcp_event_record *record;
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (state && sk->__sk_common.skc_state != TCP_STATE_SYN_SENT) {
		state->close_cause = CLOSE_CAUSE_RESET;
		if (state->closed_by == CLOSED_BY_NONE)
			state->closed_by = side_of(&state->connection, false);
	}
	if (!state && !is_watched(sk))
		return 0;
	record = event_reserve(EVENT_KIND_RESET_RECEIVED, state, bpf_ktime_get_boot_ns());
	if (!record)
		return 0;
	if (state) {
		event_connection(record, state, sk);
		if (!state->role || !record->connection.source_port)
			stamp_ends(&record->connection, sk, state->connection.observation_point ?: OBSERVATION_POINT_UNKNOWN,
				   state->connection.initiator_known);
	} else {
		stamp_socket(&record->connection, sk, bpf_get_socket_cookie(sk));
		stamp_ends(&record->connection, sk, OBSERVATION_POINT_UNKNOWN, 0);
	}
	if (tp)
		event_gauges(record, tp);
	record->sent_by = sent_by_side(&record->connection, false);
	record->segments = 1;
	record->tcp_flags = TCP_FLAG_RST;
	event_submit(record);
	return 0;
}
