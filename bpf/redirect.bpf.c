/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What one process of this machine writes to another goes to its reader past TCP, where both opted in. The connection stays
 * TCP's: it opened it, and ends it.
 *
 * Bytes keep their order by one rule: an end's bytes go past TCP until the first that goes through it, and all through TCP
 * from there on. What goes past TCP is in its reader's queue when the call that wrote it returns; what goes through it comes
 * later. The way back would overtake what TCP still carries.
 *
 * What differs for programs: a read with MSG_WAITALL may return less; splice() out of the socket, MSG_ZEROCOPY and urgent data
 * are not for sockets that opted in; a reader that goes with bytes unread does not reset its writer, who is told with its next
 * byte, or if its window is closed when the reader's half is given up (net.ipv4.tcp_fin_timeout, 60 s); and where TCP has held
 * a writer back, its next blocking read may return EAGAIN (the kernel takes the wake-up for room to write for one to read).
 *
 * Connections whose requests policies judge stay in TCP: they are judged where packets come in.
 */
#include "dataplane/redirect_maps.bpf.h"
#include "dataplane/policy_accepted.bpf.h"
#include "psock.bpf.h"

/* Bytes that a reader may be behind before its writer is held back by TCP. */
const volatile u32 redirect_unread_max = 256 * 1024;

/* Levels of cgroups that are looked at from the root. */
#define REDIRECT_CGROUP_LEVELS 32

static __always_inline void count_redirect(u32 what, u64 by)
{
	u64 *count = bpf_map_lookup_elem(&redirect_counters, &what);

	if (count)
		*count += by;
}

static __always_inline u32 mode_of_cgroup(u64 id)
{
	u32 *mode = bpf_map_lookup_elem(&redirect_cgroups, &id);

	return mode ? *mode : REDIRECT_MODE_OBSERVE;
}

/* The innermost cgroup by which the socket opted in; 0 if by none. */
static __always_inline u64 opted_in_by(const struct sock *sk)
{
	struct cgroup *cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup), *ancestor;
	int level = BPF_CORE_READ(cgroup, level);
	u64 id = BPF_CORE_READ(cgroup, kn, id), found = 0;

	if (!bpf_core_field_exists(cgroup->ancestors))
		return mode_of_cgroup(id) ? id : 0;
	for (int i = 0; i <= level && i < REDIRECT_CGROUP_LEVELS; i++) {
		if (bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[i]))
			break;
		id = BPF_CORE_READ(ancestor, kn, id);
		if (mode_of_cgroup(id))
			found = id;
	}
	return found;
}

static __always_inline void map_address(unsigned char *address, __be32 v4)
{
	__builtin_memset(address, 0, 10);
	address[10] = 0xff;
	address[11] = 0xff;
	__builtin_memcpy(address + 12, &v4, 4);
}

/* At the moment a connection is established: nothing was sent but what Fast Open put into the SYN, and then no end matches. */
static __always_inline void read_end(const struct tcp_sock *tp, struct redirect_end *end)
{
	const struct sock_common *common = &tp->inet_conn.icsk_inet.sk.__sk_common;

	if (common->skc_family == AF_INET) {
		map_address(end->local_address, common->skc_rcv_saddr);
		map_address(end->remote_address, common->skc_daddr);
	} else {
		bpf_core_read(end->local_address, sizeof(end->local_address), &common->skc_v6_rcv_saddr);
		bpf_core_read(end->remote_address, sizeof(end->remote_address), &common->skc_v6_daddr);
	}
	end->local_port = common->skc_num;
	end->remote_port = bpf_ntohs(common->skc_dport);
	end->sent_begin = tp->write_seq;
	end->received_begin = tp->rcv_nxt;
}

static __always_inline void turn_round(const struct redirect_end *end, struct redirect_end *peer)
{
	__builtin_memcpy(peer->local_address, end->remote_address, 16);
	__builtin_memcpy(peer->remote_address, end->local_address, 16);
	peer->local_port = end->remote_port;
	peer->remote_port = end->local_port;
	peer->sent_begin = end->received_begin;
	peer->received_begin = end->sent_begin;
}

static __always_inline bool is_loopback_address(const unsigned char *address)
{
	u64 begin, middle_end;

	if (address[10] == 0xff)
		return address[12] == 127;
	__builtin_memcpy(&begin, address, sizeof(begin));
	__builtin_memcpy(&middle_end, address + 8, sizeof(middle_end));
	return begin == 0 && middle_end == bpf_cpu_to_be64(1);
}

/*
 * How far the other end goes, if it is of this machine and opted in, as far as that can be told: a client is established
 * before its server is. A socket that has nobody here is spared what the kernel does differently to those in the map.
 */
static __always_inline u32 mode_of_peer(u32 op, u8 own, const struct redirect_end *end, const struct redirect_end *peer)
{
	u8 *found, mode = own;

	if (op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
		found = bpf_map_lookup_elem(&redirect_clients, peer);
		mode = found ? *found : REDIRECT_MODE_OBSERVE;
		bpf_map_delete_elem(&redirect_clients, peer);
		return mode;
	}
	if (!is_loopback_address(end->remote_address)) {
		found = bpf_map_lookup_elem(&redirect_addresses, end->remote_address);
		if (!found)
			return REDIRECT_MODE_OBSERVE;
		mode = *found;
	}
	bpf_map_update_elem(&redirect_clients, end, &own, BPF_ANY);
	return mode;
}

/* Kernels without it lose count of what a reader has, and tell it wrong: see redirect_take. */
static __always_inline bool is_safe(void)
{
	return counts_unread();
}

/* Asked of who accepts, whose policies it is about; whichever of the two programs runs first. */
static __always_inline bool is_judged(u32 op, struct bpf_sock *sk)
{
	struct policy_flow *flow;

	if (op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return false;
	keep_answer(sk);
	flow = bpf_sk_storage_get(&policy_connections, sk, NULL, 0);
	return flow && flow->answer.http_unit;
}

/* Whether both ends go all the way, and nobody has to look into what they say. Each connection is counted where it is accepted. */
static __always_inline bool is_short_cut(u32 op, struct bpf_sock *sk, u32 own, const struct redirect_end *end,
					 const struct redirect_end *peer)
{
	u32 other = mode_of_peer(op, own, end, peer), counted = REDIRECT_COUNTER_JOINED;

	if (!other)
		return false;
	if (is_judged(op, sk))
		counted = REDIRECT_COUNTER_JUDGED;
	else if (own != REDIRECT_MODE_ENFORCE || other != REDIRECT_MODE_ENFORCE)
		counted = REDIRECT_COUNTER_AUDITED;
	if (op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		count_redirect(counted, 1);
	return counted == REDIRECT_COUNTER_JOINED;
}

static __always_inline void join(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct redirect_socket *state;
	struct redirect_end end = {}, peer = {};
	struct tcp_sock *tp;
	u64 cgroup_id;

	if (!sk || !is_safe())
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || (bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp))
		return;
	cgroup_id = opted_in_by(&tp->inet_conn.icsk_inet.sk);
	if (!cgroup_id)
		return;
	read_end(tp, &end);
	turn_round(&end, &peer);
	if (!is_short_cut(ctx->op, sk, mode_of_cgroup(cgroup_id), &end, &peer))
		return;
	state = bpf_sk_storage_get(&redirect_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state)
		return;
	/* Of the connection that this socket had before, nothing holds. */
	__builtin_memset(state, 0, sizeof(*state));
	state->peer = peer;
	state->own_begin = end.sent_begin;
	state->cgroup_id = cgroup_id;
	bpf_sock_hash_update(ctx, &redirect_ends, &end, BPF_NOEXIST);
}

SEC("sockops")
int redirect_join(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB || ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		join(ctx);
	return 1;
}

/* Run by the collector: 1 if anybody can join on this kernel, else 0. */
SEC("syscall")
int redirect_is_safe(void *context)
{
	return is_safe();
}

/* Whether the other end's reader has taken too little of what came past TCP. Asked after the message found its way there. */
static __always_inline bool is_behind(struct sk_msg_md *msg)
{
	struct sock *peer = BPF_CORE_READ((struct sk_msg *)msg, sk_redir);

	return !counts_unread() || psock_unread(peer) > redirect_unread_max;
}

static __always_inline u8 try_redirect(struct sk_msg_md *msg, struct redirect_socket *state)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(msg->sk);

	if (!tp || tp->write_seq != state->own_begin)
		return REDIRECT_STOP_IN_TCP;
	if (mode_of_cgroup(state->cgroup_id) != REDIRECT_MODE_ENFORCE)
		return REDIRECT_STOP_OPTED_OUT;
	if (bpf_msg_redirect_hash(msg, &redirect_ends, &state->peer, BPF_F_INGRESS) != SK_PASS)
		return REDIRECT_STOP_NO_PEER;
	return REDIRECT_STOP_NONE;
}

SEC("sk_msg")
int redirect_message(struct sk_msg_md *msg)
{
	struct redirect_socket *state;
	u32 bytes = msg->size;

	if (!msg->sk)
		return SK_PASS;
	state = bpf_sk_storage_get(&redirect_sockets, msg->sk, NULL, 0);
	if (!state || state->stop)
		return SK_PASS;
	state->stop = try_redirect(msg, state);
	count_redirect(state->stop, 1);
	if (state->stop)
		return SK_PASS;
	state->messages++;
	state->bytes += bytes;
	count_redirect(REDIRECT_COUNTER_BYTES, bytes);
	if (is_behind(msg)) {
		state->stop = REDIRECT_STOP_UNREAD;
		count_redirect(REDIRECT_COUNTER_UNREAD, 1);
	}
	bpf_tail_call(msg, &redirect_readers, 0);
	return SK_PASS;
}

/*
 * What arrives through TCP joins the same queue. Otherwise a reader would have two, and those who ask how much there is
 * (FIONREAD) or take a short read for the end of it (nginx, tokio, with edge-triggered epoll) are told of one: they wait for
 * bytes that are there.
 */
SEC("sk_skb")
int redirect_take(struct __sk_buff *skb)
{
	return SK_PASS;
}
