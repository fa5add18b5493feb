/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections to chosen ports go to a proxy of this machine instead. The proxy asks for the original destination as it would
 * of netfilter, with getsockopt(SO_ORIGINAL_DST): Envoy's original_dst listener filter, and so Istio's and Kmesh's proxies,
 * do so without being told.
 */
#include "include/kernel.h"
#include "dataplane/redirect_proxy.h"

#define SOL_IP 0
#define SOL_IPV6 41
/* include/uapi/linux/netfilter_ipv4.h; the same for IPv6. */
#define SO_ORIGINAL_DST 80
#define LOOPBACK_V4 127
#define PROXY_CGROUP_LEVELS 32
#define ALLOW 1

/* Proxies by the id of the cgroup whose connections, and those of the cgroups below, go there. Not the proxy's own. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct proxy_listener);
} proxy_listeners SEC(".maps");

/* Ports, in host byte order, connections to which are handed over. Written by the collector, as the map above. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u16);
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

/* Of the innermost cgroup that has one. */
static __always_inline struct proxy_listener *listener_of_current(u16 port)
{
	struct proxy_listener *found = NULL, *listener;

	if (!bpf_map_lookup_elem(&proxy_ports, &port))
		return NULL;
	for (int level = 0; level < PROXY_CGROUP_LEVELS; level++) {
		u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (!id)
			break;
		listener = bpf_map_lookup_elem(&proxy_listeners, &id);
		if (listener)
			found = listener;
	}
	return found;
}

static __always_inline bool is_given(const u8 *address, u32 bytes)
{
	for (u32 i = 0; i < bytes; i++)
		if (address[i])
			return true;
	return false;
}

static __always_inline bool remember(struct bpf_sock_addr *ctx, const u8 *address)
{
	struct original_destination *original;

	if (!ctx->sk)
		return false;
	original = bpf_sk_storage_get(&original_destinations, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!original)
		return false;
	__builtin_memcpy(original->address, address, 16);
	original->port = ctx->user_port;
	return true;
}

/* The socket dials again, and this time not a chosen port. */
static __always_inline int leave_alone(struct bpf_sock_addr *ctx)
{
	if (ctx->sk)
		bpf_sk_storage_delete(&original_destinations, ctx->sk);
	return ALLOW;
}

SEC("cgroup/connect4")
int proxy_connect4(struct bpf_sock_addr *ctx)
{
	u8 address[16] = {[10] = 0xff, [11] = 0xff};
	struct proxy_listener *listener;
	__be32 v4 = ctx->user_ip4;

	if (ctx->protocol != IPPROTO_TCP)
		return ALLOW;
	listener = listener_of_current(bpf_ntohs(ctx->user_port));
	__builtin_memcpy(address + 12, &v4, 4);
	if (!listener || !is_given(listener->ipv4, 4) || !remember(ctx, address))
		return leave_alone(ctx);
	__builtin_memcpy(&v4, listener->ipv4, 4);
	ctx->user_ip4 = v4;
	ctx->user_port = listener->port;
	return ALLOW;
}

SEC("cgroup/connect6")
int proxy_connect6(struct bpf_sock_addr *ctx)
{
	__be32 address[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	struct proxy_listener *listener;

	if (ctx->protocol != IPPROTO_TCP)
		return ALLOW;
	listener = listener_of_current(bpf_ntohs(ctx->user_port));
	if (!listener || !remember(ctx, (const u8 *)address))
		return leave_alone(ctx);
	if (address[0] == 0 && address[1] == 0 && address[2] == bpf_htonl(0xffff)) {
		if (!is_given(listener->ipv4, 4))
			return leave_alone(ctx);
		__builtin_memcpy(&address[3], listener->ipv4, 4);
	} else {
		if (!is_given(listener->ipv6, 16))
			return leave_alone(ctx);
		__builtin_memcpy(address, listener->ipv6, 16);
	}
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
	if (original && write_original(ctx, original))
		ctx->retval = 0;
	return ALLOW;
}
