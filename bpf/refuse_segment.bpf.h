/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A TCP segment made into another one in its place. */
#ifndef FLOWSPAN_REFUSE_SEGMENT_BPF_H
#define FLOWSPAN_REFUSE_SEGMENT_BPF_H

#include "segment.bpf.h"

#define IPV4_DO_NOT_FRAGMENT 0x4000
#define TTL 64
#define TCP_FLAG_PSH 0x08

/* What RFC 8200 8.1 and RFC 9293 3.1 sum up beside the segment itself. */
struct pseudo_v4 {
	__be32 source, destination;
	u8 zero, protocol;
	__be16 bytes;
};

struct pseudo_v6 {
	u8 source[16], destination[16];
	__be32 bytes, protocol;
};

/* The segment that is to stand in the place of the one that came. */
struct replacement {
	u32 sequence;
	u32 acknowledged;
	u8 flags;
	bool turned;	/* goes back to the sender */
	bool forbidden;	/* carries the answer below */
};

/* A multiple of four bytes, as bpf_csum_diff() needs it. */
static const char forbidden[64] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static __always_inline u16 fold(u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The sum over addresses, protocol and length: all that the sender's kernel sums when the device does the rest. */
static __always_inline u32 pseudo_sum(const struct segment *segment, u32 bytes)
{
	if (is_ipv4(segment)) {
		struct pseudo_v4 pseudo = {
			.source = segment->ip.v4.source,
			.destination = segment->ip.v4.destination,
			.protocol = IPPROTO_TCP,
			.bytes = bpf_htons(bytes),
		};

		return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	}
	struct pseudo_v6 pseudo = {.bytes = bpf_htonl(bytes), .protocol = bpf_htonl(IPPROTO_TCP)};

	__builtin_memcpy(pseudo.source, segment->ip.v6.source, 16);
	__builtin_memcpy(pseudo.destination, segment->ip.v6.destination, 16);
	return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

static __always_inline void set_check(struct __sk_buff *skb, struct segment *segment, const struct replacement *with,
				      u32 bytes)
{
	u32 sum = pseudo_sum(segment, bytes);

	segment->tcp.check = 0;
	if (BPF_CORE_READ_BITFIELD_PROBED((struct sk_buff *)skb, ip_summed) == CHECKSUM_PARTIAL) {
		segment->tcp.check = fold(sum);
		return;
	}
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&segment->tcp, sizeof(segment->tcp), sum);
	if (with->forbidden)
		sum = bpf_csum_diff(NULL, 0, (__be32 *)forbidden, sizeof(forbidden), sum);
	segment->tcp.check = ~fold(sum);
}

static __always_inline void turn_headers(struct segment *segment)
{
	__be16 port = segment->tcp.source;

	segment->tcp.source = segment->tcp.destination;
	segment->tcp.destination = port;
	if (is_ipv4(segment)) {
		__be32 address = segment->ip.v4.source;

		segment->ip.v4.source = segment->ip.v4.destination;
		segment->ip.v4.destination = address;
	} else {
		u8 address[16];

		__builtin_memcpy(address, segment->ip.v6.source, 16);
		__builtin_memcpy(segment->ip.v6.source, segment->ip.v6.destination, 16);
		__builtin_memcpy(segment->ip.v6.destination, address, 16);
	}
}

static __always_inline void set_ip(struct segment *segment, u32 bytes)
{
	struct ipv4_header *v4 = &segment->ip.v4;

	if (segment->ip_bytes != sizeof(*v4)) {
		segment->ip.v6.payload_bytes = bpf_htons(bytes);
		segment->ip.v6.hops = TTL;
		return;
	}
	v4->total_bytes = bpf_htons(sizeof(*v4) + bytes);
	v4->id = 0;
	v4->fragment = bpf_htons(IPV4_DO_NOT_FRAGMENT);
	v4->ttl = TTL;
	v4->check = 0;
	v4->check = ~fold(bpf_csum_diff(NULL, 0, (__be32 *)v4, sizeof(*v4), 0));
}

static __always_inline long turn_ethernet(struct __sk_buff *skb)
{
	u8 from_to[12], to_from[12];

	if (bpf_skb_load_bytes(skb, 0, from_to, sizeof(from_to)))
		return -1;
	__builtin_memcpy(to_from, from_to + 6, 6);
	__builtin_memcpy(to_from + 6, from_to, 6);
	return bpf_skb_store_bytes(skb, 0, to_from, sizeof(to_from), BPF_F_RECOMPUTE_CSUM);
}

/* Puts another segment into the packet's place, of whatever size it is. 0 if that was done. */
static __always_inline long replace_segment(struct __sk_buff *skb, const struct segment *came,
					    const struct replacement *with)
{
	struct segment segment = *came;
	u32 ip_bytes = segment.ip_bytes, bytes = sizeof(segment.tcp) + (with->forbidden ? sizeof(forbidden) : 0);
	u32 tcp_at = ETHERNET_BYTES + ip_bytes;

	if (bpf_skb_change_tail(skb, tcp_at + bytes, 0))
		return -1;
	if (with->turned) {
		turn_headers(&segment);
		if (turn_ethernet(skb))
			return -1;
	}
	segment.tcp.sequence = bpf_htonl(with->sequence);
	segment.tcp.acknowledged = bpf_htonl(with->acknowledged);
	segment.tcp.offset = sizeof(segment.tcp) / 4 << 4;
	segment.tcp.flags = with->flags;
	segment.tcp.urgent = 0;
	set_ip(&segment, bytes);
	set_check(skb, &segment, with, bytes);
	if (ip_bytes == sizeof(segment.ip.v4) ?
		    bpf_skb_store_bytes(skb, ETHERNET_BYTES, &segment.ip, sizeof(segment.ip.v4), BPF_F_RECOMPUTE_CSUM) :
		    bpf_skb_store_bytes(skb, ETHERNET_BYTES, &segment.ip, sizeof(segment.ip.v6), BPF_F_RECOMPUTE_CSUM))
		return -1;
	if (with->forbidden && bpf_skb_store_bytes(skb, tcp_at + sizeof(segment.tcp), forbidden, sizeof(forbidden),
						   BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_skb_store_bytes(skb, tcp_at, &segment.tcp, sizeof(segment.tcp), BPF_F_RECOMPUTE_CSUM);
}

#endif
