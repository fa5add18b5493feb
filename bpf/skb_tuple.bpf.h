/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The ends of a packet that belongs to no socket, read from its headers. */
#ifndef FLOWSPAN_SKB_TUPLE_BPF_H
#define FLOWSPAN_SKB_TUPLE_BPF_H

#include "socket.bpf.h"

struct skb_tuple {
	wire_u8 sender[16];
	wire_u8 receiver[16];
	u32 sequence;
	u32 payload_bytes;
	u32 netns; /* of the device it came in by or goes out by; 0 if it has none */
	u16 sender_port;
	u16 receiver_port;
	u8 protocol;
	u8 ip_version;
	u8 tcp_flags;
};

struct tcp_header_bytes {
	__be16 source, dest;
	__be32 seq, ack_seq;
	u8 offset_reserved; /* data offset in the upper four bits */
	u8 flags;
};

/* False if the buffer holds no whole IPv4 or IPv6 header with TCP or UDP directly behind it. */
static __always_inline bool read_skb_tuple(const struct sk_buff *skb, struct skb_tuple *tuple)
{
	unsigned char *head = skb->head;
	u16 network = skb->network_header;
	struct tcp_header_bytes tcp = {};
	u8 first = 0;
	u32 transport, total;

	__builtin_memset(tuple, 0, sizeof(*tuple));
	tuple->netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
	if (!network || network == 0xffff || bpf_probe_read_kernel(&first, 1, head + network))
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP) && first >> 4 == 4) {
		struct {
			u8 version_ihl, tos;
			__be16 total;
			u8 skip[5];
			u8 protocol;
			__be16 check;
			__be32 source, dest;
		} ip = {};

		bpf_probe_read_kernel(&ip, sizeof(ip), head + network);
		tuple->protocol = ip.protocol;
		tuple->ip_version = 4;
		map_v4(tuple->sender, ip.source);
		map_v4(tuple->receiver, ip.dest);
		transport = (ip.version_ihl & 15) * 4;
		total = bpf_ntohs(ip.total);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6) && first >> 4 == 6) {
		struct {
			__be32 version_class_flow;
			__be16 payload;
			u8 next, hops;
			u8 source[16], dest[16];
		} ip = {};

		bpf_probe_read_kernel(&ip, sizeof(ip), head + network);
		tuple->protocol = ip.next;
		tuple->ip_version = 6;
		__builtin_memcpy(tuple->sender, ip.source, 16);
		__builtin_memcpy(tuple->receiver, ip.dest, 16);
		transport = 40;
		total = 40 + bpf_ntohs(ip.payload);
	} else {
		return false;
	}
	if (tuple->protocol != IPPROTO_TCP && tuple->protocol != IPPROTO_UDP)
		return false;
	bpf_probe_read_kernel(&tcp, tuple->protocol == IPPROTO_TCP ? sizeof(tcp) : 8, head + network + transport);
	tuple->sender_port = bpf_ntohs(tcp.source);
	tuple->receiver_port = bpf_ntohs(tcp.dest);
	if (tuple->protocol == IPPROTO_TCP) {
		u32 headers = transport + (tcp.offset_reserved >> 4) * 4;

		tuple->tcp_flags = tcp.flags;
		tuple->sequence = bpf_ntohl(tcp.seq);
		tuple->payload_bytes = total > headers ? total - headers : 0;
	}
	return true;
}

/*
 * Ends of a packet without a socket. Who initiated is read from its flags where they say so (SYN, SYN-ACK); else the
 * sender stands as the source and initiator_known stays 0.
 */
static __always_inline void stamp_tuple(struct connection *connection, const struct skb_tuple *tuple)
{
	bool from_server = (tuple->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == (TCP_FLAG_SYN | TCP_FLAG_ACK);

	connection->netns = tuple->netns;
	connection->protocol = tuple->protocol;
	connection->ip_version = tuple->ip_version;
	connection->initiator_known = (tuple->tcp_flags & TCP_FLAG_SYN) != 0;
	if (from_server) {
		__builtin_memcpy(connection->source_address, tuple->receiver, 16);
		__builtin_memcpy(connection->destination_address, tuple->sender, 16);
		connection->source_port = tuple->receiver_port;
		connection->destination_port = tuple->sender_port;
	} else {
		__builtin_memcpy(connection->source_address, tuple->sender, 16);
		__builtin_memcpy(connection->destination_address, tuple->receiver, 16);
		connection->source_port = tuple->sender_port;
		connection->destination_port = tuple->receiver_port;
	}
}

#endif
