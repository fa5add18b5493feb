/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections to chosen ports go to a proxy of this machine instead, which asks where they were to go: redirect_original.bpf.c.
 * What the proxy itself opens is left alone: connections of the cgroup, or of those below, of the socket that listens where
 * they would be handed to.
 */
#include "dataplane/redirect_proxy_maps.bpf.h"
#include "dataplane/service_peer.bpf.h"

#define PROXY_CGROUP_LEVELS 32

/* Of the innermost cgroup that has one, if it is to have connections to this port. */
static __always_inline struct proxy_listener *listener_of_current(u16 port)
{
	struct proxy_listener *found = NULL, *listener;
	struct proxy_port key = {.port = port};

	for (int level = 0; level < PROXY_CGROUP_LEVELS; level++) {
		u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (!id)
			break;
		listener = bpf_map_lookup_elem(&proxy_listeners, &id);
		if (listener) {
			found = listener;
			key.cgroup_id = id;
		}
	}
	return found && bpf_map_lookup_elem(&proxy_ports, &key) ? found : NULL;
}

/* Whether who listens at an address of this network namespace is who is about to dial it. */
static __always_inline bool is_proxy(struct bpf_sock_addr *ctx, struct bpf_sock_tuple *listener, u32 bytes)
{
	struct bpf_sock *sk = bpf_sk_lookup_tcp(ctx, listener, bytes, BPF_F_CURRENT_NETNS, 0);
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct cgroup *cgroup;
	bool is_own = false;

	if (tp) {
		cgroup = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup);
		is_own = bpf_get_current_ancestor_cgroup_id(BPF_CORE_READ(cgroup, level)) == BPF_CORE_READ(cgroup, kn, id);
	}
	if (sk)
		bpf_sk_release(sk);
	return is_own;
}

/* Load balancing may have been here before. */
static __always_inline void read_dialled(struct bpf_sock_addr *ctx, const struct frontend_key *peer,
					 struct original_destination *dialled)
{
	const struct service_choice *choice = ctx->sk ? choice_of_connected(ctx, peer) : NULL;
	u64 high = choice ? choice->frontend_high : peer->address_high;
	u64 low = choice ? choice->frontend_low : peer->address_low;

	__builtin_memcpy(dialled->address, &high, sizeof(high));
	__builtin_memcpy(dialled->address + 8, &low, sizeof(low));
	dialled->port = bpf_htons(choice ? choice->frontend_port : peer->port);
}

/* Whether the connection that is about to be opened to a listener is. If not, nothing is left of one before. */
static __always_inline bool hand_over(struct bpf_sock_addr *ctx, const struct proxy_listener *listener,
				      const struct original_destination *dialled)
{
	struct original_destination *original;

	if (listener->redirect_mode != REDIRECT_MODE_ENFORCE) {
		count_proxy(PROXY_COUNTER_AUDITED);
		return false;
	}
	original = ctx->sk ? bpf_sk_storage_get(&original_destinations, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE) : NULL;
	if (!original)
		return false;
	*original = *dialled;
	count_proxy(PROXY_COUNTER_HANDED_OVER);
	return true;
}

static __always_inline bool is_proxy4(struct bpf_sock_addr *ctx, const struct proxy_listener *listener)
{
	struct bpf_sock_tuple tuple = {};

	__builtin_memcpy(&tuple.ipv4.daddr, listener->ipv4, 4);
	tuple.ipv4.saddr = tuple.ipv4.daddr;
	tuple.ipv4.dport = listener->port;
	return is_proxy(ctx, &tuple, sizeof(tuple.ipv4));
}

static __always_inline bool is_proxy6(struct bpf_sock_addr *ctx, const struct proxy_listener *listener)
{
	struct bpf_sock_tuple tuple = {};

	__builtin_memcpy(tuple.ipv6.daddr, listener->ipv6, 16);
	__builtin_memcpy(tuple.ipv6.saddr, listener->ipv6, 16);
	tuple.ipv6.dport = listener->port;
	return is_proxy(ctx, &tuple, sizeof(tuple.ipv6));
}

/* Whether a connection of one family goes to its listener. */
static __always_inline bool goes_to(struct bpf_sock_addr *ctx, const struct proxy_listener *listener, bool is_v4,
				    const struct original_destination *dialled)
{
	if (is_v4 ? !is_given(listener->ipv4, 4) : !is_given(listener->ipv6, 16))
		return false;
	if (is_v4 ? is_proxy4(ctx, listener) : is_proxy6(ctx, listener)) {
		count_proxy(PROXY_COUNTER_OWN);
		return false;
	}
	return hand_over(ctx, listener, dialled);
}

/* The listener to which a connection goes; NULL if it goes where it was to go. */
static __always_inline struct proxy_listener *proxy_of(struct bpf_sock_addr *ctx, const struct frontend_key *peer, bool is_v4)
{
	struct original_destination dialled = {};
	struct proxy_listener *listener;

	if (peer->protocol != IPPROTO_TCP)
		return NULL;
	read_dialled(ctx, peer, &dialled);
	listener = listener_of_current(bpf_ntohs(dialled.port));
	if (listener && goes_to(ctx, listener, is_v4, &dialled))
		return listener;
	/* The socket may have dialled before. */
	if (ctx->sk)
		bpf_sk_storage_delete(&original_destinations, ctx->sk);
	return NULL;
}

SEC("cgroup/connect4")
int proxy_connect4(struct bpf_sock_addr *ctx)
{
	struct proxy_listener *listener;
	struct frontend_key peer = {};
	__be32 v4;

	read_peer4(ctx, &peer);
	listener = proxy_of(ctx, &peer, true);
	if (!listener)
		return ALLOW;
	__builtin_memcpy(&v4, listener->ipv4, 4);
	ctx->user_ip4 = v4;
	ctx->user_port = listener->port;
	return ALLOW;
}

SEC("cgroup/connect6")
int proxy_connect6(struct bpf_sock_addr *ctx)
{
	struct proxy_listener *listener;
	struct frontend_key peer = {};
	__be32 address[4] = {0, 0, bpf_htonl(0xffff)};
	bool is_v4;

	read_peer6(ctx, &peer);
	is_v4 = peer.address_high == 0 && (u32)peer.address_low == bpf_htonl(0xffff);
	listener = proxy_of(ctx, &peer, is_v4);
	if (!listener)
		return ALLOW;
	if (is_v4)
		__builtin_memcpy(&address[3], listener->ipv4, 4);
	else
		__builtin_memcpy(address, listener->ipv6, 16);
	ctx->user_ip6[0] = address[0];
	ctx->user_ip6[1] = address[1];
	ctx->user_ip6[2] = address[2];
	ctx->user_ip6[3] = address[3];
	ctx->user_port = listener->port;
	return ALLOW;
}
