/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The judge without sockets: a packet is an Ethernet header, a struct told and bytes of a stream. */
#include "http_frames.bpf.h"

#define ETHERNET_BYTES 14

struct told {
	u32 unit;
	u32 begins;	/* a new stream, which this is the first part of */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_unit);
} http_units SEC(".maps");

/* By unit. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_frames);
} streams SEC(".maps");

SEC("tc")
int judge_stream(struct __sk_buff *skb)
{
	const struct http_frames begin = {};
	struct http_frames *frames;
	struct http_unit *unit;
	struct told told;
	u32 offset = ETHERNET_BYTES + sizeof(told);

	if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, &told, sizeof(told)))
		return -1;
	unit = bpf_map_lookup_elem(&http_units, &told.unit);
	frames = bpf_map_lookup_elem(&streams, &told.unit);
	if (!unit || !frames)
		return -1;
	if (told.begins)
		*frames = begin;
	return http_frames_read(skb, offset, skb->len - offset, unit, frames);
}

/* What a run costs that judges nothing. */
SEC("tc")
int judge_nothing(struct __sk_buff *skb)
{
	struct told told;

	return bpf_skb_load_bytes(skb, ETHERNET_BYTES, &told, sizeof(told));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
