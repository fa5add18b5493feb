/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A TCP segment, or the beginning of it, checked and cut in place. */
#ifndef FLOWSPAN_SEGMENT_CUT_BPF_H
#define FLOWSPAN_SEGMENT_CUT_BPF_H

#include "packet_accept.bpf.h"
#include "refuse_segment.bpf.h"

#define TCP_CHECK_OFFSET 16

static __always_inline u32 ip_summed(struct __sk_buff *skb)
{
	return BPF_CORE_READ_BITFIELD_PROBED((struct sk_buff *)skb, ip_summed);
}

/* One's complement sum over pseudo header and the `bytes` of the segment that begins at `offset`, folded: 0xffff if right. */
__noinline u32 segment_sum(struct __sk_buff *skb, u32 offset, u32 bytes, u32 pseudo)
{
	struct checksum_walk walk = {.skb = skb, .offset = offset, .left = bytes, .sum = pseudo};

	bpf_loop(CHECKSUM_STEPS, add_block, &walk, 0);
	walk.sum = (walk.sum & 0xffffffff) + (walk.sum >> 32);
	walk.sum = (walk.sum & 0xffffffff) + (walk.sum >> 32);
	walk.sum = (walk.sum & 0xffff) + (walk.sum >> 16);
	walk.sum = (walk.sum & 0xffff) + (walk.sum >> 16);
	walk.sum = (walk.sum & 0xffff) + (walk.sum >> 16);
	return walk.left ? 0 : walk.sum;
}

/* As TCP will say: where device or sender's kernel vouched for the sum, nobody computes it again. */
static __always_inline bool segment_is_intact(struct __sk_buff *skb, const struct segment *segment)
{
	u32 at = ETHERNET_BYTES + segment->ip_bytes;
	u32 bytes = (segment->tcp.offset >> 4) * 4 + segment->payload_bytes;
	u32 summed = ip_summed(skb);

	return summed == CHECKSUM_PARTIAL || summed == CHECKSUM_UNNECESSARY ||
	       segment_sum(skb, at, bytes, pseudo_sum(segment, bytes)) == 0xffff;
}

/* Leaves the first `payload_bytes` of what it carries, and no FIN. 0 if that was done; else it is spoilt. */
static __noinline long cut_segment(struct __sk_buff *skb, const struct segment *came, u32 payload_bytes)
{
	u32 ip_bytes = came->ip_bytes, at = ETHERNET_BYTES + ip_bytes;
	u32 bytes = (came->tcp.offset >> 4) * 4 + payload_bytes, sum;
	struct segment segment = *came;
	u16 check = 0;

	if (bpf_skb_change_tail(skb, at + bytes, 0))
		return -1;
	if (ip_bytes == sizeof(segment.ip.v4)) {
		segment.ip.v4.total_bytes = bpf_htons(ip_bytes + bytes);
		segment.ip.v4.check = 0;
		segment.ip.v4.check = ~fold(bpf_csum_diff(NULL, 0, (__be32 *)&segment.ip.v4, sizeof(segment.ip.v4), 0));
		if (bpf_skb_store_bytes(skb, ETHERNET_BYTES, &segment.ip, sizeof(segment.ip.v4), BPF_F_RECOMPUTE_CSUM))
			return -1;
	} else {
		segment.ip.v6.payload_bytes = bpf_htons(bytes);
		if (bpf_skb_store_bytes(skb, ETHERNET_BYTES, &segment.ip, sizeof(segment.ip.v6), BPF_F_RECOMPUTE_CSUM))
			return -1;
	}
	segment.tcp.flags &= ~TCP_FLAG_FIN;
	segment.tcp.check = 0;
	if (bpf_skb_store_bytes(skb, at, &segment.tcp, sizeof(segment.tcp), BPF_F_RECOMPUTE_CSUM))
		return -1;
	sum = pseudo_sum(came, bytes);
	check = ip_summed(skb) == CHECKSUM_PARTIAL ? fold(sum) : ~segment_sum(skb, at, bytes, sum);
	return bpf_skb_store_bytes(skb, at + TCP_CHECK_OFFSET, &check, sizeof(check), BPF_F_RECOMPUTE_CSUM);
}

#endif
