/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The ends of the packet in the hands of a cgroup_skb program. */
#ifndef FLOWSPAN_DATAPLANE_POLICY_PACKET_BPF_H
#define FLOWSPAN_DATAPLANE_POLICY_PACKET_BPF_H

#include "include/kernel.h"

#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40
/* Hop-by-hop, routing, destination options. */
#define IPV6_EXTENSIONS_MAX 3
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_DSTOPTS 60
/* More fragments follow, or others went before. */
#define IPV4_FRAGMENT_MASK 0x3fff
#define TCP_FLAGS_OFFSET 13

struct policy_packet {
	u8 source[16];
	u8 destination[16];
	u16 source_port;
	u16 destination_port;
	u8 protocol;
	u8 tcp_flags;
	u16 reserved;
};

struct ipv4_start {
	u8 version_words, service;
	__be16 bytes, id, fragment;
	u8 hops, protocol;
	__be16 check;
	u8 source[4], destination[4];
};

struct ipv6_start {
	u8 version[4];
	__be16 bytes;
	u8 next, hops;
	u8 source[16], destination[16];
};

static __always_inline void mapped(u8 *address, const u8 *ipv4)
{
	__builtin_memset(address, 0, 10);
	address[10] = 0xff;
	address[11] = 0xff;
	__builtin_memcpy(address + 12, ipv4, 4);
}

enum reading {
	READING_OTHER,		/* neither TCP nor UDP */
	READING_WHOLE,
	READING_BROKEN,		/* its ports or flags cannot be read */
};

/* Where the transport header begins; 0: not found. */
static __always_inline u32 read_ipv4(struct __sk_buff *skb, struct policy_packet *packet)
{
	struct ipv4_start ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return 0;
	mapped(packet->source, ip.source);
	mapped(packet->destination, ip.destination);
	packet->protocol = ip.protocol;
	if (ip.fragment & bpf_htons(IPV4_FRAGMENT_MASK))
		return 0;
	return (ip.version_words & 15) * 4;
}

static __always_inline bool is_ipv6_extension(u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS;
}

static __always_inline u32 read_ipv6(struct __sk_buff *skb, struct policy_packet *packet)
{
	u32 offset = IPV6_HEADER_BYTES;
	struct ipv6_start ip;
	u8 head[2];

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return 0;
	__builtin_memcpy(packet->source, ip.source, 16);
	__builtin_memcpy(packet->destination, ip.destination, 16);
	packet->protocol = ip.next;
#pragma unroll
	for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (!is_ipv6_extension(packet->protocol))
			break;
		if (bpf_skb_load_bytes(skb, offset, head, sizeof(head)))
			return 0;
		packet->protocol = head[0];
		offset += (head[1] + 1) * 8;
	}
	return is_ipv6_extension(packet->protocol) || packet->protocol == IPPROTO_FRAGMENT ? 0 : offset;
}

/*
 * `skb` starts at the network header. What a socket of TCP or UDP sends is whole here, and what it is given has been put
 * together: pieces come from who wrote the headers himself.
 */
static __always_inline enum reading read_policy_packet(struct __sk_buff *skb, struct policy_packet *packet)
{
	bool is_ipv4 = skb->protocol == bpf_htons(ETH_P_IP);
	u32 transport = is_ipv4 ? read_ipv4(skb, packet) : read_ipv6(skb, packet);
	__be16 ports[2];

	/* What a broken chain of IPv6 headers leads to is not known. */
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP && (is_ipv4 || transport))
		return READING_OTHER;
	if (!transport || bpf_skb_load_bytes(skb, transport, ports, sizeof(ports)))
		return READING_BROKEN;
	packet->source_port = bpf_ntohs(ports[0]);
	packet->destination_port = bpf_ntohs(ports[1]);
	if (packet->protocol == IPPROTO_TCP &&
	    bpf_skb_load_bytes(skb, transport + TCP_FLAGS_OFFSET, &packet->tcp_flags, 1))
		return READING_BROKEN;
	return READING_WHOLE;
}

#endif
