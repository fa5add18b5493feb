/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where connections that go to a proxy were to go. The proxy asks as it would ask netfilter, with getsockopt(SO_ORIGINAL_DST):
 * Envoy's original_dst listener filter, and so Istio's and Kmesh's proxies, do so without being told. It is told what the
 * client dialled, also where load balancing chose a backend before.
 */
#include "dataplane/redirect_proxy_maps.bpf.h"

#define SOL_IP 0
#define SOL_IPV6 41
/* include/uapi/linux/netfilter_ipv4.h; the same for IPv6. */
#define SO_ORIGINAL_DST 80
#define LOOPBACK_V4 127

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
