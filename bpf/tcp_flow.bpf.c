/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The life of a TCP connection: opened, every interval while open, closed and why. */
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

static __always_inline void established(struct socket_state *state, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp)
		return;
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
	state->stamped = 1;
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

static __always_inline void closed(struct socket_state *state, struct sock *sk, int oldstate, u64 now)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp || !state->opened_ns || state->closing)
		return;
	if (!state->stamped) {
		u8 point = state->connect_started_ns ? OBSERVATION_POINT_CLIENT : OBSERVATION_POINT_SERVER;

		stamp_ends(&state->connection, sk, point, 1);
		state->stamped = 1;
		/* Only SYN-ACKs were sent again: anything else would have stamped it. */
		if (point == OBSERVATION_POINT_SERVER)
			state->counted_retransmits = tp->total_retrans;
	}
	note_close_cause(state, oldstate, sk->sk_err);
	write_missed_retransmits(state, tp, oldstate == TCP_STATE_SYN_SENT ? RETRANSMIT_CAUSE_SYN : RETRANSMIT_CAUSE_NONE,
				 now);
	if (oldstate == TCP_STATE_SYN_SENT)
		write_connect_failed(state, tp, now);
	http_connection_closed(tp, state, now);
	state->closing = 1;
	write_final_flow(state, tp, now);
}

static __always_inline void note_listener(const struct sock *sk, bool listening)
{
	struct listener_key key = {.netns = socket_netns(sk), .port = local_port(sk)};
	u8 one = 1;

	if (listening)
		bpf_map_update_elem(&listeners, &key, &one, BPF_ANY);
	else
		bpf_map_delete_elem(&listeners, &key);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int oldstate, int newstate)
{
	struct socket_state *state;
	u64 now;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (newstate == TCP_STATE_LISTEN || oldstate == TCP_STATE_LISTEN)
		if (newstate != TCP_STATE_SYN_RECV) {
			note_listener(sk, newstate == TCP_STATE_LISTEN);
			return 0;
		}
	now = bpf_ktime_get_boot_ns();
	if (newstate == TCP_STATE_SYN_SENT || newstate == TCP_STATE_SYN_RECV) {
		state = socket_state_create(sk);
		if (!state)
			return 0;
		begin_connection(state, sk, bpf_get_socket_cookie(sk), now);
		if (newstate == TCP_STATE_SYN_SENT) {
			state->connect_started_ns = now;
			stamp_ends(&state->connection, sk, OBSERVATION_POINT_CLIENT, 1);
			stamp_peer(&state->connection);
			stamp_owner(state);
		} else {
			http_accept_listener_data(sk, state, now);
		}
		return 0;
	}
	state = socket_state_of(sk);
	if (!state)
		return 0;
	if (newstate == TCP_STATE_ESTABLISHED) {
		established(state, sk, now);
	} else if (newstate == TCP_STATE_FIN_WAIT1 || newstate == TCP_STATE_CLOSE_WAIT) {
		if (state->closed_by == CLOSED_BY_NONE)
			state->closed_by = side_of(&state->connection, newstate == TCP_STATE_FIN_WAIT1);
	} else if (newstate == TCP_STATE_CLOSE) {
		closed(state, sk, oldstate, now);
	}
	return 0;
}

#define MSG_PEEK 2

static __always_inline void application_moved_bytes(struct sock *sk, int bytes, bool read)
{
	struct socket_state *state;

	if (bytes <= 0)
		return;
	if (sk->sk_protocol == IPPROTO_TCP)
		state = socket_state_of(sk);
	else if (sk->sk_protocol == IPPROTO_UDP)
		state = socket_state_create(sk);
	else
		return;
	if (!state)
		return;
	if (!state->connection.netns)
		stamp_socket(&state->connection, sk, 0);
	stamp_owner(state);
	if (read && state->connection.application_protocol == APPLICATION_PROTOCOL_HTTP1)
		http_application_read(sk, state);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sock_recv_length, struct sock *sk, int bytes, int flags)
{
	if (!(flags & MSG_PEEK))
		application_moved_bytes(sk, bytes, true);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(sock_send_length, struct sock *sk, int bytes, int flags)
{
	application_moved_bytes(sk, bytes, false);
	return 0;
}

/* Run by the collector every interval: walks our own sockets, in all network namespaces, without their locks. */
SEC("iter/bpf_sk_storage_map")
int snapshot_flows(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct socket_state *state = ctx->value;
	struct sock *sk = ctx->sk;
	struct tcp_sock *tp;
	u64 now;

	if (!state || !sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	now = bpf_ktime_get_boot_ns();
	http_snapshot(tp, state, now);
	if (!state->stamped)
		stamp_adopted(state, sk, tp);
	if (!state->stamped || !state->opened)
		return 0;
	if (state->closing) {
		/* It ended while nobody watched, or its last row was lost with the run that wrote it. */
		write_final_flow(state, tp, now);
		return 0;
	}
	if (!try_own_rows(state))
		return 0;
	write_flow(state, tp, sk->__sk_common.skc_state, now, FLOW_STATE_ACTIVE);
	disown_rows(state);
	if (state->closing)
		write_final_flow(state, tp, now);
	bpf_seq_write(ctx->meta->seq, "", 1); /* a byte per row: who reads the walk takes as many rows at a time as fit the ring */
	return 0;
}
