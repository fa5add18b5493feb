/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Windows and queues that are full: what a packet on its way in tells about them. */
#ifndef FLOWSPAN_TCP_WINDOW_BPF_H
#define FLOWSPAN_TCP_WINDOW_BPF_H

#include "tcp_event_record.bpf.h"

/*
 * Follows the peer's receive window. To be called for each packet that arrives without SYN or RST; `window` is the
 * header's field: 0 means 0 at any scale. A stall is told when it is over.
 */
static __always_inline void peer_window_seen(struct socket_state *state, struct tcp_sock *tp, u16 window, u64 now)
{
	struct tcp_event_record *record;
	u64 stalled;

	if (window == 0) {
		if (!state->zero_window_since_ns) {
			state->zero_window_since_ns = now;
			state->zero_windows++;
		}
		return;
	}
	if (!state->zero_window_since_ns)
		return;
	stalled = now - state->zero_window_since_ns;
	state->zero_window_since_ns = 0;
	state->zero_window_ns += stalled;
	if (stalled < zero_window_event_ns)
		return;
	record = event_reserve(EVENT_KIND_ZERO_WINDOW, state, now);
	if (!record)
		return;
	event_connection(record, state, &tp->inet_conn.icsk_inet.sk);
	event_gauges(record, tp);
	record->latency_ns = stalled;
	record->sent_by = sent_by_side(&state->connection, false);
	event_submit(record);
}

/* sk_acceptq_is_full() */
static __always_inline bool accept_queue_is_full(const struct sock *listener)
{
	return listener->sk_ack_backlog > listener->sk_max_ack_backlog;
}

/*
 * A SYN, or the last ACK of a handshake, that met a full accept queue: the kernel drops it without a trace of its own.
 * `tp` is the listener's.
 */
static __always_inline void write_accept_overflow(struct tcp_sock *tp, const struct connection *ends, u64 cookie, u64 now)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	struct tcp_event_record *record;

	record = event_reserve(EVENT_KIND_ACCEPT_OVERFLOW, NULL, now);
	if (!record)
		return;
	__builtin_memcpy(&record->connection, ends, sizeof(record->connection));
	stamp_socket(&record->connection, sk, cookie);
	record->connection.observation_point = OBSERVATION_POINT_SERVER;
	record->connection.traffic_direction = TRAFFIC_DIRECTION_INGRESS;
	record->connection.tcp_state = TCP_STATE_LISTEN;
	record->connection.verdict = VERDICT_DROPPED;
	record->sent_by = SENT_BY_CLIENT;
	record->segments = 1;
	event_submit(record);
}

#endif
