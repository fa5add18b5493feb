/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The life of a TCP connection: opened, every interval while open, closed and why. */
#include "tcp_life.bpf.h"

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
	struct tcp_sock *tp;
	u64 now;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (newstate == TCP_STATE_LISTEN || oldstate == TCP_STATE_LISTEN)
		if (newstate != TCP_STATE_SYN_RECV) {
			note_listener(sk, newstate == TCP_STATE_LISTEN);
			return 0;
		}
	if (newstate == TCP_STATE_SYN_SENT || newstate == TCP_STATE_SYN_RECV) {
		state = socket_state_create(sk);
		if (!state)
			return 0;
		now = bpf_ktime_get_boot_ns();
		begin_connection(state, sk, bpf_get_socket_cookie(sk), now);
		if (newstate == TCP_STATE_SYN_SENT) {
			begin_client(state, sk, now);
			stamp_owner(state);
		} else {
			http_accept_listener_data(sk, state, now);
		}
		return 0;
	}
	if (!is_told(newstate))
		return 0;
	state = socket_state_of(sk);
	if (!state)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp)
		life_goes_on(state, tp, oldstate, newstate);
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
	if (!state->stamped_pid && !state->connection.netns)
		stamp_socket(&state->connection, sk, 0);
	stamp_owner(state);
	if (read && state->payload_seen == PAYLOAD_HTTP)
		http_application_read(sk, state, bytes);
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
	if (!state->role)
		stamp_adopted(state, sk, tp);
	if (!state->role || !state->opened)
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
