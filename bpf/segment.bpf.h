/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The TCP segment in the hands of a tc program: Ethernet, IP and TCP headers, read once. */
#ifndef FLOWSPAN_SEGMENT_BPF_H
#define FLOWSPAN_SEGMENT_BPF_H

#include "include/kernel.h"

/*
 * What tc programs return. A packet that may pass goes on to whoever else is at the device (TC_ACT_UNSPEC): with TC_ACT_OK the
 * programs behind ours, those of a network plugin for one, would never see it.
 */
#define DEVICE_PASS (-1)
#define TC_ACT_SHOT 2

#define ETHERNET_BYTES 14
#define IPV4_WITHOUT_OPTIONS 0x45
#define IPV4_PART 0x3fff /* more fragments follow, or this is not the first */

struct ipv4_header {
	u8 version_length, tos;
	__be16 total_bytes, id, fragment;
	u8 ttl, protocol;
	__be16 check;
	__be32 source, destination;
};

struct ipv6_header {
	__be32 version_flow;
	__be16 payload_bytes;
	u8 next, hops;
	u8 source[16], destination[16];
};

struct tcp_header {
	__be16 source, destination;
	__be32 sequence, acknowledged;
	u8 offset; /* in words, upper four bits */
	u8 flags;
	__be16 window, check, urgent;
};

struct segment {
	union {
		struct ipv4_header v4;
		struct ipv6_header v6;
	} ip;
	struct tcp_header tcp;
	u32 ip_bytes;
	u32 sequence;
	u32 acknowledged;
	u32 payload_bytes;
};

/* False for what is not TCP directly behind an IP header without options. */
static __always_inline bool read_segment(struct __sk_buff *skb, struct segment *segment)
{
	u32 tcp_at, ip_payload;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, &segment->ip.v4, sizeof(segment->ip.v4)) ||
		    segment->ip.v4.version_length != IPV4_WITHOUT_OPTIONS || segment->ip.v4.protocol != IPPROTO_TCP ||
		    (segment->ip.v4.fragment & bpf_htons(IPV4_PART)))
			return false;
		segment->ip_bytes = sizeof(segment->ip.v4);
		ip_payload = bpf_ntohs(segment->ip.v4.total_bytes) - segment->ip_bytes;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, &segment->ip.v6, sizeof(segment->ip.v6)) ||
		    segment->ip.v6.next != IPPROTO_TCP)
			return false;
		segment->ip_bytes = sizeof(segment->ip.v6);
		ip_payload = bpf_ntohs(segment->ip.v6.payload_bytes);
	} else {
		return false;
	}
	tcp_at = ETHERNET_BYTES + segment->ip_bytes;
	if (bpf_skb_load_bytes(skb, tcp_at, &segment->tcp, sizeof(segment->tcp)))
		return false;
	segment->sequence = bpf_ntohl(segment->tcp.sequence);
	segment->acknowledged = bpf_ntohl(segment->tcp.acknowledged);
	segment->payload_bytes = ip_payload - (segment->tcp.offset >> 4) * 4;
	return segment->payload_bytes <= skb->len;
}

#define IPV4_PIECE_OFFSET 0x1fff /* in words of eight bytes */
#define IPV6_EXTENSIONS_READ 4
#define IPV6_PIECE 44
#define IPV6_PIECE_OFFSET 0xfff8

/* Where TCP's ports are behind IPv6 headers of other kinds; 0: not here. */
static __always_inline u32 ports_behind_extensions(struct __sk_buff *skb, u8 next)
{
	u32 offset = ETHERNET_BYTES + sizeof(struct ipv6_header);

#pragma unroll
	for (u32 i = 0; i < IPV6_EXTENSIONS_READ; i++) {
		struct {
			u8 next, length;
			__be16 piece;
		} extension;

		/* Hop-by-hop, routing, pieces, destination options. */
		if (next != 0 && next != 43 && next != IPV6_PIECE && next != 60)
			break;
		if (bpf_skb_load_bytes(skb, offset, &extension, sizeof(extension)) ||
		    (next == IPV6_PIECE && extension.piece & bpf_htons(IPV6_PIECE_OFFSET)))
			return 0;
		offset += next == IPV6_PIECE ? 8 : (extension.length + 1) * 8;
		next = extension.next;
	}
	return next == IPPROTO_TCP ? offset : 0;
}

/* Addresses and ports of what read_segment() does not read. False if it is not TCP's, or a piece without its begin. */
static __always_inline bool read_ends(struct __sk_buff *skb, struct segment *segment)
{
	u32 offset = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4_header *v4 = &segment->ip.v4;

		if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, v4, sizeof(*v4)) || v4->protocol != IPPROTO_TCP ||
		    v4->fragment & bpf_htons(IPV4_PIECE_OFFSET))
			return false;
		segment->ip_bytes = sizeof(*v4);
		offset = ETHERNET_BYTES + (v4->version_length & 15) * 4;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, &segment->ip.v6, sizeof(segment->ip.v6)))
			return false;
		segment->ip_bytes = sizeof(segment->ip.v6);
		offset = ports_behind_extensions(skb, segment->ip.v6.next);
	}
	/* Source and destination begin the header. */
	return offset && !bpf_skb_load_bytes(skb, offset, &segment->tcp, 4);
}

static __always_inline bool is_ipv4(const struct segment *segment)
{
	return segment->ip_bytes == sizeof(struct ipv4_header);
}

static __always_inline void map_v4_address(unsigned char *address, __be32 v4)
{
	__builtin_memset(address, 0, 10);
	address[10] = 0xff;
	address[11] = 0xff;
	__builtin_memcpy(address + 12, &v4, 4);
}

/* Both addresses, IPv4 as v4-mapped. */
static __always_inline void segment_addresses(const struct segment *segment, unsigned char *source,
					      unsigned char *destination)
{
	if (is_ipv4(segment)) {
		map_v4_address(source, segment->ip.v4.source);
		map_v4_address(destination, segment->ip.v4.destination);
	} else {
		__builtin_memcpy(source, segment->ip.v6.source, 16);
		__builtin_memcpy(destination, segment->ip.v6.destination, 16);
	}
}

#endif
