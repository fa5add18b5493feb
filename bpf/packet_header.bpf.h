/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The TCP packet in the hands of a cgroup_skb program, read once. */
#ifndef FLOWSPAN_PACKET_HEADER_BPF_H
#define FLOWSPAN_PACKET_HEADER_BPF_H

#include "verifier.bpf.h"

#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40
#define TCP_HEADER_BYTES 20
/* Hop-by-hop (which the kernel itself adds to packets above 64 KiB), routing, destination options. */
#define IPV6_EXTENSIONS_MAX 3
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_DSTOPTS 60

struct packet_header {
	u16 transport_offset;
	u16 payload_offset;
	u32 payload_bytes;
	u32 sequence;
	u32 acknowledged;
	u32 timestamp;		/* sender's, from the option; only if has_timestamp */
	u16 source_port;
	u16 destination_port;
	u16 window;		/* the header's field, not scaled */
	u8 flags;
	u8 has_timestamp;
	u8 ip_version;
	u8 protocol;		/* IPPROTO_TCP, IPPROTO_UDP or 0 for what we do not read */
};

struct tcp_fields {
	__be16 source, destination;
	__be32 sequence, acknowledged;
	u8 offset;		/* in words, upper four bits */
	u8 flags;
	__be16 window, check, urgent;
};

/* NOP NOP TIMESTAMP 10: how the kernel lays the option out where it is the only one. */
#define TCP_TIMESTAMP_ALIGNED 0x0101080a

static __always_inline u32 ipv6_transport(struct __sk_buff *skb, u8 *next)
{
	u32 offset = IPV6_HEADER_BYTES;

#pragma unroll
	for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		u8 head[2];

		if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING && *next != IPPROTO_DSTOPTS)
			break;
		if (bpf_skb_load_bytes(skb, offset, head, sizeof(head)))
			return 0;
		*next = head[0];
		offset += (head[1] + 1) * 8;
	}
	return offset;
}

struct tcp_start {
	struct tcp_fields tcp;
	__be32 option, timestamp;
};

static __always_inline bool take_tcp_fields(struct __sk_buff *skb, struct packet_header *header,
					    const struct tcp_start *start, bool with_option)
{
	u32 tcp_bytes = (start->tcp.offset >> 4) * 4;

	header->payload_offset = header->transport_offset + tcp_bytes;
	if (tcp_bytes < TCP_HEADER_BYTES || header->payload_offset > skb->len)
		return false;
	header->payload_bytes = skb->len - header->payload_offset;
	header->source_port = bpf_ntohs(start->tcp.source);
	header->destination_port = bpf_ntohs(start->tcp.destination);
	header->sequence = bpf_ntohl(start->tcp.sequence);
	header->acknowledged = bpf_ntohl(start->tcp.acknowledged);
	header->window = bpf_ntohs(start->tcp.window);
	header->flags = start->tcp.flags;
	header->has_timestamp = with_option && tcp_bytes >= TCP_HEADER_BYTES + 12 &&
				start->option == bpf_htonl(TCP_TIMESTAMP_ALIGNED);
	if (header->has_timestamp)
		header->timestamp = bpf_ntohl(start->timestamp);
	return true;
}

static __always_inline bool read_tcp_fields(struct __sk_buff *skb, struct packet_header *header)
{
	u8 *data = (u8 *)(long)skb->data, *data_end = (u8 *)(long)skb->data_end;
	u32 offset = header->transport_offset;
	struct tcp_start copy;

	ONE_REGISTER(offset);
	if (offset <= 0xff && data + offset + sizeof(copy) <= data_end)
		return take_tcp_fields(skb, header, (const struct tcp_start *)(data + offset), true);
	/* Not in one piece, or too short to have the option. */
	if (bpf_skb_load_bytes(skb, header->transport_offset, &copy.tcp, sizeof(copy.tcp)))
		return false;
	return take_tcp_fields(skb, header, &copy, false);
}

/* `skb` starts at the network header. False for what is neither TCP nor UDP, or not whole. */
static __always_inline bool read_packet_header(struct __sk_buff *skb, struct packet_header *header)
{
	u8 *data = (u8 *)(long)skb->data, *data_end = (u8 *)(long)skb->data_end;
	u8 next;

	if (data + IPV4_HEADER_BYTES > data_end)
		return false;
	if (data[0] >> 4 == 4) {
		header->ip_version = 4;
		header->transport_offset = (data[0] & 15) * 4;
		header->protocol = data[9];
	} else {
		next = data[6];
		header->ip_version = 6;
		header->transport_offset = ipv6_transport(skb, &next);
		header->protocol = next;
	}
	if (header->protocol == IPPROTO_UDP)
		return true;
	return header->protocol == IPPROTO_TCP && read_tcp_fields(skb, header);
}

#endif
