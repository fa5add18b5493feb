/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Every segment that is sent again, and why. */
#include "tcp_adopt.bpf.h"
#include "tcp_retransmit.bpf.h"

static __always_inline u8 retransmit_cause(const struct tcp_sock *tp, u8 tcp_state)
{
	u8 congestion = BPF_CORE_READ_BITFIELD(&tp->inet_conn, icsk_ca_state);

	if (tcp_state == TCP_STATE_SYN_SENT)
		return RETRANSMIT_CAUSE_SYN;
	if (tcp_state == TCP_STATE_SYN_RECV)
		return RETRANSMIT_CAUSE_SYN_ACK;
	if (congestion == CONGESTION_STATE_LOSS)
		return RETRANSMIT_CAUSE_TIMEOUT;
	/* tcp_send_loss_probe() keeps its timer marked pending until it has sent. */
	if (congestion != CONGESTION_STATE_RECOVERY && tp->inet_conn.icsk_pending == ICSK_TIME_LOSS_PROBE)
		return RETRANSMIT_CAUSE_TAIL_LOSS_PROBE;
	return RETRANSMIT_CAUSE_FAST;
}

static __always_inline void count_evidence(struct socket_state *state, const struct tcp_sock *tp, u8 cause,
					   u32 sequence, u32 segments)
{
	if (cause == RETRANSMIT_CAUSE_FAST)
		state->fast_retransmits += segments;
	else if (cause == RETRANSMIT_CAUSE_TAIL_LOSS_PROBE)
		state->tail_loss_probes++;
	/* A timeout resends the head of the queue; what follows it in the same recovery does not. */
	else if (cause == RETRANSMIT_CAUSE_TIMEOUT && sequence == tp->snd_una)
		state->timeouts++;
}

static __always_inline void retransmitted(struct sock *sk, const struct sk_buff *skb, int error)
{
	const struct tcp_skb_cb *cb = (const struct tcp_skb_cb *)&skb->cb[0];
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	u8 tcp_state = sk->__sk_common.skc_state;
	u32 segments = error ? 0 : BPF_CORE_READ(cb, tcp_gso_segs);
	struct tcp_event_record *record;
	struct socket_state *state;
	u8 cause;

	if (!tp)
		return;
	cause = retransmit_cause(tp, tcp_state);
	state = socket_state_of(sk);
	if (state) {
		if (opening_was_missed(state, sk))
			open_late(state, sk, tp, segments);
		segments = counted_segments(state, tp);
		count_evidence(state, tp, cause, BPF_CORE_READ(cb, seq), segments);
	} else if (!is_watched(sk)) {
		return;
	}
	record = event_reserve(EVENT_KIND_RETRANSMIT, state, bpf_ktime_get_boot_ns());
	if (!record)
		return;
	if (state)
		event_connection(record, state, sk);
	if (!state || !state->role) {
		u8 point = state && state->connect_started_ns ? OBSERVATION_POINT_CLIENT : OBSERVATION_POINT_UNKNOWN;

		stamp_socket(&record->connection, sk, bpf_get_socket_cookie(sk));
		stamp_ends(&record->connection, sk, point, state != NULL);
		record->connection.tcp_state = tcp_state;
	}
	event_gauges(record, tp);
	record->retransmit_cause = cause;
	record->sequence_begin = BPF_CORE_READ(cb, seq);
	record->sequence_end = BPF_CORE_READ(cb, end_seq);
	record->segments = segments;
	record->error_number = error < 0 ? -error : 0;
	record->sent_by = sent_by_side(&record->connection, true);
	record->tcp_flags = BPF_CORE_READ(cb, tcp_flags);
	event_submit(record);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcp_retransmit_skb, struct sock *sk, struct sk_buff *skb)
{
	int error = 0;

	/* Third argument from 6.17 ("tcp: trace retransmit failures in tcp_retransmit_skb"). */
	if (bpf_core_type_matches(btf_trace_tcp_retransmit_skb___with_err))
		error = (int)ctx[2];
	retransmitted(sk, skb, error);
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(tcp_retransmit_synack, struct sock *sk, struct request_sock *request)
{
	const struct tcp_request_sock *treq = (const struct tcp_request_sock *)request;
	struct sock_common *common = &request->__req_common;
	struct tcp_event_record *record;
	struct connection *connection;

	if (!is_watched(sk))
		return 0;
	record = event_reserve(EVENT_KIND_RETRANSMIT, NULL, bpf_ktime_get_boot_ns());
	if (!record)
		return 0;
	/* The connection has no socket yet: cookie and cgroup are the listener's. */
	connection = &record->connection;
	stamp_socket(connection, sk, bpf_get_socket_cookie(sk));
	connection->ip_version =
		socket_addresses(common, connection->destination_address, connection->source_address);
	connection->source_port = bpf_ntohs(common->skc_dport);
	connection->destination_port = common->skc_num;
	connection->observation_point = OBSERVATION_POINT_SERVER;
	connection->traffic_direction = TRAFFIC_DIRECTION_INGRESS;
	connection->initiator_known = 1;
	connection->tcp_state = TCP_STATE_NEW_SYN_RECV;
	record->retransmit_cause = RETRANSMIT_CAUSE_SYN_ACK;
	record->sent_by = SENT_BY_SERVER;
	record->segments = 1;
	record->sequence_begin = BPF_CORE_READ(treq, snt_isn);
	record->sequence_end = record->sequence_begin + 1;
	record->tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
	event_submit(record);
	return 0;
}
