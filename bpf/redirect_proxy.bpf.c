/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections to chosen ports go to a proxy of this machine instead. The proxy asks for the original destination as it would
 * of netfilter, with getsockopt(SO_ORIGINAL_DST): Envoy's original_dst listener filter, and so Istio's and Kmesh's proxies,
 * do so without being told. What it is told is what the client dialled, also where load balancing chose a backend before.
 *
 * What the proxy itself opens is left alone: connections of the cgroup, or of those below, of the socket that listens where
 * they would be handed to.
 */
#include "include/kernel.h"
#include "dataplane/redirect_proxy.h"
#include "dataplane/service_peer.bpf.h"

#define SOL_IP 0
#define SOL_IPV6 41
/* include/uapi/linux/netfilter_ipv4.h; the same for IPv6. */
#define SO_ORIGINAL_DST 80
#define LOOPBACK_V4 127
#define PROXY_CGROUP_LEVELS 32
#define ALLOW 1

/* Proxies by the id of the cgroup whose connections, and those of the cgroups below, go there. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct proxy_listener);
} proxy_listeners SEC(".maps");

/* Ports of which connections are handed over. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct proxy_port);
	__type(value, u8);
} proxy_ports SEC(".maps");

/* Of clients' sockets. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct original_destination);
} original_destinations SEC(".maps");

/* Of the proxies' ends. Written when the client's end is established, which is before the proxy's is. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct proxied_connection);
	__type(value, struct original_destination);
} proxied_connections SEC(".maps");

/* struct sockaddr_in and struct sockaddr_in6, as getsockopt returns them. */
struct address_in {
	u16 family;
	__be16 port;
	u8 address[4];
	u8 zero[8];
};

struct address_in6 {
	u16 family;
	__be16 port;
	__be32 flow;
	u8 address[16];
	u32 scope;
};

/* By enum proxy_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROXY_COUNTER_MAX);
	__type(key, u32);
	__type(value, u64);
} proxy_counters SEC(".maps");

static __always_inline void count_proxy(u32 what)
{
	u64 *count = bpf_map_lookup_elem(&proxy_counters, &what);

	if (count)
		*count += 1;
}

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

static __always_inline bool is_given(const u8 *address, u32 bytes)
{
	for (u32 i = 0; i < bytes; i++)
		if (address[i])
			return true;
	return false;
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

static __always_inline bool is_loopback(const u8 *address)
{
	return address[10] == 0xff ? address[12] == LOOPBACK_V4 : !is_given(address, 15) && address[15] == 1;
}

static __always_inline void read_proxied(const struct bpf_sock *sk, bool at_proxy, u64 netns,
					 struct proxied_connection *connection)
{
	if (sk->family == AF_INET) {
		__be32 client = at_proxy ? sk->dst_ip4 : sk->src_ip4;

		connection->client_address[10] = 0xff;
		connection->client_address[11] = 0xff;
		__builtin_memcpy(connection->client_address + 12, &client, 4);
	} else {
		__be32 client[4];

		for (int i = 0; i < 4; i++)
			client[i] = at_proxy ? sk->dst_ip6[i] : sk->src_ip6[i];
		__builtin_memcpy(connection->client_address, client, 16);
	}
	connection->client_port = at_proxy ? bpf_ntohs(sk->dst_port) : sk->src_port;
	connection->proxy_port = at_proxy ? sk->src_port : bpf_ntohs(sk->dst_port);
	connection->netns = is_loopback(connection->client_address) ? netns : 0;
}

SEC("sockops")
int proxy_established(struct bpf_sock_ops *ctx)
{
	struct proxied_connection connection = {};
	struct original_destination *original;
	struct bpf_sock *sk = ctx->sk;

	if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB || !sk)
		return 1;
	original = bpf_sk_storage_get(&original_destinations, sk, NULL, 0);
	if (!original)
		return 1;
	read_proxied(sk, false, bpf_get_netns_cookie(ctx), &connection);
	bpf_map_update_elem(&proxied_connections, &connection, original, BPF_ANY);
	return 1;
}

static __always_inline bool write_original(struct bpf_sockopt *ctx, const struct original_destination *original)
{
	struct address_in6 *v6 = ctx->optval;
	struct address_in *v4 = ctx->optval;
	void *end = ctx->optval_end;

	if (ctx->level == SOL_IP) {
		if ((void *)(v4 + 1) > end)
			return false;
		__builtin_memset(v4, 0, sizeof(*v4));
		v4->family = AF_INET;
		v4->port = original->port;
		__builtin_memcpy(v4->address, original->address + 12, 4);
		ctx->optlen = sizeof(*v4);
		return true;
	}
	if ((void *)(v6 + 1) > end)
		return false;
	__builtin_memset(v6, 0, sizeof(*v6));
	v6->family = AF_INET6;
	v6->port = original->port;
	__builtin_memcpy(v6->address, original->address, 16);
	ctx->optlen = sizeof(*v6);
	return true;
}

SEC("cgroup/getsockopt")
int proxy_original_destination(struct bpf_sockopt *ctx)
{
	struct proxied_connection connection = {};
	struct original_destination *original;

	if (ctx->optname != SO_ORIGINAL_DST || (ctx->level != SOL_IP && ctx->level != SOL_IPV6) || !ctx->sk)
		return ALLOW;
	read_proxied(ctx->sk, true, bpf_get_netns_cookie(ctx), &connection);
	original = bpf_map_lookup_elem(&proxied_connections, &connection);
	if (original && write_original(ctx, original)) {
		count_proxy(PROXY_COUNTER_ASKED);
		ctx->retval = 0;
	}
	return ALLOW;
}
