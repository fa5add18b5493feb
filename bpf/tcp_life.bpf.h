/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What changes of state do to what we keep of a connection. Two programs tell of each, one after the other and before the
 * socket has its new state: the first does the work.
 */
#ifndef FLOWSPAN_TCP_LIFE_BPF_H
#define FLOWSPAN_TCP_LIFE_BPF_H

#include "flow_record.bpf.h"
#include "tcp_adopt.bpf.h"
#include "tcp_connect_failed.bpf.h"
#include "tcp_retransmit.bpf.h"
#include "http.bpf.h"

static __always_inline void begin_connection(struct socket_state *state, const struct sock *sk, u64 cookie, u64 now)
{
	/* Not connected, it is 0, or was moved on by resume_sockets. */
	u32 generation = state->connection.generation + (state->opened_ns ? 1 : 0);

	__builtin_memset(state, 0, sizeof(*state));
	state->opened_ns = now;
	state->reported_ns = now;
	state->in_files_ns = now;
	stamp_socket(&state->connection, sk, cookie);
	state->connection.generation = generation;
}

static __always_inline void begin_client(struct socket_state *state, const struct sock *sk, u64 now)
{
	state->connect_started_ns = now;
	stamp_ends(&state->connection, sk, OBSERVATION_POINT_CLIENT, 1);
	stamp_peer(&state->connection);
	stamp_decisions(&state->connection, (struct sock *)sk);
}

static __always_inline void established(struct socket_state *state, struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	u64 now;

	if (state->opened)
		return;
	now = bpf_ktime_get_boot_ns();
	if (state->connect_started_ns) {
		stamp_ends(&state->connection, sk, OBSERVATION_POINT_CLIENT, 1);
		state->connect_ns = now - state->connect_started_ns;
		/* Who answered counts, not who had the address when the first SYN was sent. */
		state->opened_ns = now;
		write_missed_retransmits(state, tp, RETRANSMIT_CAUSE_SYN, now);
	} else {
		stamp_ends(&state->connection, sk, OBSERVATION_POINT_SERVER, 1);
		stamp_peer(&state->connection);
		/* The first sample is SYN-ACK sent until its ACK, if neither was sent twice. */
		state->connect_ns = (u64)(tp->srtt_us >> 3) * 1000;
		/* It begins with its SYN-ACKs sent again, which were told one by one. */
		state->counted_retransmits = tp->total_retrans;
	}
	stamp_sequences(&state->connection, tp);
	state->role = state->connection.observation_point;
	if (!try_own_rows(state))
		return;
	state->opened = 1;
	write_flow(state, tp, TCP_STATE_ESTABLISHED, now, FLOW_STATE_OPENED);
	disown_rows(state);
}

static __always_inline void note_close_cause(struct socket_state *state, int oldstate, int error)
{
	const struct connection *connection = &state->connection;
	bool was_open = oldstate == TCP_STATE_ESTABLISHED || oldstate == TCP_STATE_CLOSE_WAIT;

	state->error_number = error;
	if (error == ECONNREFUSED) {
		state->close_cause = CLOSE_CAUSE_REFUSED;
		state->closed_by = CLOSED_BY_SERVER;
	} else if (state->close_cause == CLOSE_CAUSE_RESET) {
		return; /* tcp_receive_reset has told */
	} else if (error == ETIMEDOUT) {
		state->close_cause = CLOSE_CAUSE_TIMEOUT;
	} else if (error == EHOSTUNREACH || error == ENETUNREACH) {
		state->close_cause = CLOSE_CAUSE_UNREACHABLE;
	} else if (error == ECONNABORTED) {
		state->close_cause = CLOSE_CAUSE_ABORTED;
		state->closed_by = side_of(connection, true);
	} else if (error) {
		state->close_cause = CLOSE_CAUSE_OTHER;
	} else if (oldstate == TCP_STATE_SYN_SENT) {
		state->close_cause = CLOSE_CAUSE_ABORTED;
		state->closed_by = CLOSED_BY_CLIENT;
	} else if (was_open) {
		/* tcp_close() with unread data, or without lingering: the reset follows this change of state. */
		state->close_cause = CLOSE_CAUSE_RESET;
		state->closed_by = side_of(connection, true);
	} else {
		state->close_cause = CLOSE_CAUSE_FIN;
	}
}

static __always_inline void closed(struct socket_state *state, struct tcp_sock *tp, int oldstate)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	u64 now;

	if (!state->opened_ns || state->closing)
		return;
	now = bpf_ktime_get_boot_ns();
	if (!state->role) {
		u8 point = state->connect_started_ns ? OBSERVATION_POINT_CLIENT : OBSERVATION_POINT_SERVER;

		stamp_ends(&state->connection, sk, point, 1);
		state->role = state->connection.observation_point;
		/* Only SYN-ACKs were sent again: anything else would have stamped it. */
		if (point == OBSERVATION_POINT_SERVER)
			state->counted_retransmits = tp->total_retrans;
	}
	stamp_decisions(&state->connection, (struct sock *)sk);
	note_close_cause(state, oldstate, sk->sk_err);
	write_missed_retransmits(state, tp, oldstate == TCP_STATE_SYN_SENT ? RETRANSMIT_CAUSE_SYN : RETRANSMIT_CAUSE_NONE,
				 now);
	if (oldstate == TCP_STATE_SYN_SENT)
		write_connect_failed(state, tp, now);
	http_connection_closed(tp, state, now);
	state->closing = 1;
	write_final_flow(state, tp, now);
}

/* Whether a change to this state tells anything about a connection that has begun. */
static __always_inline bool is_told(int newstate)
{
	return newstate == TCP_STATE_ESTABLISHED || newstate == TCP_STATE_FIN_WAIT1 ||
	       newstate == TCP_STATE_CLOSE_WAIT || newstate == TCP_STATE_CLOSE;
}

/* A change of state, one that is told, of a connection that has begun. Asks for the time where there is work to do. */
static __always_inline void life_goes_on(struct socket_state *state, struct tcp_sock *tp, int oldstate, int newstate)
{
	if (newstate == TCP_STATE_ESTABLISHED) {
		established(state, tp);
	} else if (newstate == TCP_STATE_FIN_WAIT1 || newstate == TCP_STATE_CLOSE_WAIT) {
		if (state->closed_by == CLOSED_BY_NONE)
			state->closed_by = side_of(&state->connection, newstate == TCP_STATE_FIN_WAIT1);
	} else if (newstate == TCP_STATE_CLOSE) {
		closed(state, tp, oldstate);
	}
}

#endif
