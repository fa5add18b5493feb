/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What one pod of the node sends to another comes out of the other's device at once, past the node's own stack. Runs where the
 * node's ends of their veth pairs take packets in (tcx, or clsact), for pods that opted in: what the node's netfilter would
 * have done to these packets is not done.
 *
 * A connection goes this way from its first SYN on, or never. One that the node translates (kube-proxy's services) has a SYN to
 * another address, so neither do its answers go this way, which the node has to translate back. How far the pods go counts for
 * connections that begin: those that went this way go on so until they end, or until a pod is no longer in peer_endpoints.
 */
#include "include/kernel.h"
#include "dataplane/redirect_peer.h"
#include "segment.bpf.h"

#define TTL_OFFSET (ETHERNET_BYTES + 8)
#define IPV4_CHECK_OFFSET (ETHERNET_BYTES + 10)
#define HOPS_OFFSET (ETHERNET_BYTES + 7)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, unsigned char[16]);
	__type(value, struct peer_endpoint);
} peer_endpoints SEC(".maps");

/* Connections whose SYN went this way, by each direction: its sequence number. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct peer_connection);
	__type(value, u32);
} peer_connections SEC(".maps");

/* By enum peer_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PEER_COUNTER_MAX);
	__type(key, u32);
	__type(value, u64);
} peer_counters SEC(".maps");

static __always_inline void count_peer(u32 what)
{
	u64 *count = bpf_map_lookup_elem(&peer_counters, &what);

	if (count)
		*count += 1;
}

static __always_inline void turn_connection(const struct peer_connection *connection, struct peer_connection *turned)
{
	__builtin_memcpy(turned->source_address, connection->destination_address, 16);
	__builtin_memcpy(turned->destination_address, connection->source_address, 16);
	turned->source_port = connection->destination_port;
	turned->destination_port = connection->source_port;
}

static __always_inline bool begin_connection_past_node(const struct peer_connection *connection, u32 sequence)
{
	struct peer_connection turned = {};

	turn_connection(connection, &turned);
	return !bpf_map_update_elem(&peer_connections, connection, &sequence, BPF_ANY) &&
	       !bpf_map_update_elem(&peer_connections, &turned, &sequence, BPF_ANY);
}

/* The first answer says whose it is: the addresses and ports may have been in use before. */
static __always_inline bool is_answered(const struct segment *segment, const struct peer_connection *connection,
					u32 sequence)
{
	struct peer_connection turned = {};

	if (segment->acknowledged == sequence + 1)
		return true;
	turn_connection(connection, &turned);
	bpf_map_delete_elem(&peer_connections, connection);
	bpf_map_delete_elem(&peer_connections, &turned);
	return false;
}

/* @is_done: whether both pods go all the way */
static __always_inline bool goes_past_node(const struct segment *segment, const struct peer_connection *connection,
					   bool is_done)
{
	u8 opening = segment->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK);
	u32 *sequence;

	if (opening == TCP_FLAG_SYN) {
		count_peer(is_done ? PEER_COUNTER_OPENED : PEER_COUNTER_AUDITED);
		return is_done && begin_connection_past_node(connection, segment->sequence);
	}
	sequence = bpf_map_lookup_elem(&peer_connections, connection);
	return sequence && (opening != (TCP_FLAG_SYN | TCP_FLAG_ACK) || is_answered(segment, connection, *sequence));
}

/* One hop, as through the node. */
static __always_inline long pass_hop(struct __sk_buff *skb, const struct segment *segment)
{
	__be16 from, to;
	u8 hops;

	if (!is_ipv4(segment)) {
		hops = segment->ip.v6.hops - 1;
		return bpf_skb_store_bytes(skb, HOPS_OFFSET, &hops, sizeof(hops), BPF_F_RECOMPUTE_CSUM);
	}
	hops = segment->ip.v4.ttl - 1;
	from = bpf_htons(segment->ip.v4.ttl << 8 | segment->ip.v4.protocol);
	to = bpf_htons(hops << 8 | segment->ip.v4.protocol);
	return bpf_l3_csum_replace(skb, IPV4_CHECK_OFFSET, from, to, sizeof(from)) ?:
	       bpf_skb_store_bytes(skb, TTL_OFFSET, &hops, sizeof(hops), BPF_F_RECOMPUTE_CSUM);
}

SEC("tc")
int peer_ingress(struct __sk_buff *skb)
{
	struct peer_connection connection = {};
	struct peer_endpoint *source, *endpoint;
	struct segment segment = {};
	u8 addresses[12];
	bool is_done;

	if (!read_segment(skb, &segment) || (is_ipv4(&segment) ? segment.ip.v4.ttl : segment.ip.v6.hops) <= 1)
		return DEVICE_PASS;
	segment_addresses(&segment, connection.source_address, connection.destination_address);
	endpoint = bpf_map_lookup_elem(&peer_endpoints, connection.destination_address);
	source = bpf_map_lookup_elem(&peer_endpoints, connection.source_address);
	/* Who gives another's address out for its own is left to the node. */
	if (!endpoint || !source || source->ifindex != skb->ifindex)
		return DEVICE_PASS;
	connection.source_port = segment.tcp.source;
	connection.destination_port = segment.tcp.destination;
	is_done = source->redirect_mode == REDIRECT_MODE_ENFORCE && endpoint->redirect_mode == REDIRECT_MODE_ENFORCE;
	if (!goes_past_node(&segment, &connection, is_done))
		return DEVICE_PASS;
	__builtin_memcpy(addresses, endpoint->address, 6);
	__builtin_memcpy(addresses + 6, endpoint->node_address, 6);
	if (pass_hop(skb, &segment) || bpf_skb_store_bytes(skb, 0, addresses, sizeof(addresses), BPF_F_RECOMPUTE_CSUM))
		return DEVICE_PASS;
	count_peer(PEER_COUNTER_PACKETS);
	return bpf_redirect_peer(endpoint->ifindex, 0);
}
