/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Changes of state, told by TCP to the socket's cgroup. A tracepoint does not always call its program: what a softirq
 * opens or ends on a CPU where the program runs already is kept from it. Programs of a cgroup are always called.
 */
#include "tcp_life.bpf.h"

static __always_inline void ask_for_states(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* Its SYN_SENT or SYN_RECV was kept from the tracepoint. */
static __always_inline struct socket_state *begin_late(struct bpf_sock_ops *ctx, struct tcp_sock *tp, u64 now)
{
	struct socket_state *state = socket_state_create((struct sock *)tp);

	if (state)
		begin_connection(state, &tp->inet_conn.icsk_inet.sk, bpf_get_socket_cookie(ctx), now);
	return state;
}

static __always_inline void connects(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct socket_state *state;
	struct tcp_sock *tp;
	u64 now;

	ask_for_states(ctx);
	if (!sk || bpf_sk_storage_get(&sockets, sk, NULL, 0))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	now = bpf_ktime_get_boot_ns();
	state = begin_late(ctx, tp, now);
	if (state)
		begin_client(state, &tp->inet_conn.icsk_inet.sk, now);
}

static __always_inline void state_changes(struct bpf_sock_ops *ctx, int oldstate, int newstate)
{
	struct bpf_sock *sk = ctx->sk;
	struct socket_state *state;
	struct tcp_sock *tp;

	if (!sk || !is_told(newstate))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!state && oldstate == TCP_STATE_SYN_RECV && newstate == TCP_STATE_ESTABLISHED)
		state = begin_late(ctx, tp, bpf_ktime_get_boot_ns());
	if (state)
		life_goes_on(state, tp, oldstate, newstate);
}

SEC("sockops")
int tcp_callback(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connects(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		ask_for_states(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		state_changes(ctx, ctx->args[0], ctx->args[1]);
		break;
	}
	return 1;
}
