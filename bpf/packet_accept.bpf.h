/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Will TCP take this segment? cgroup_skb sees packets before TCP has judged them: what it will drop must not be read,
 * or the good copy that follows would pass for a duplicate. The rules are tcp_validate_incoming()'s and tcp_ack()'s.
 */
#ifndef FLOWSPAN_PACKET_ACCEPT_BPF_H
#define FLOWSPAN_PACKET_ACCEPT_BPF_H

#include "packet_header.bpf.h"
#include "verifier.bpf.h"

/* Bytes added up per step; the packet's last step is padded with zeros. */
#define CHECKSUM_BLOCK 64
#define CHECKSUM_STEPS (65536 / CHECKSUM_BLOCK + 1)

struct checksum_walk {
	struct __sk_buff *skb;
	u64 sum;
	u32 offset;
	u32 left;
};

static __always_inline bool sequence_before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

static long add_block(u32 index, struct checksum_walk *walk)
{
	u64 words[CHECKSUM_BLOCK / 8] = {};
	u32 bytes = walk->left < CHECKSUM_BLOCK ? walk->left : CHECKSUM_BLOCK;

	if (!is_from_one_to(&bytes, CHECKSUM_BLOCK) || bpf_skb_load_bytes(walk->skb, walk->offset, words, bytes))
		return 1;
#pragma unroll
	for (int i = 0; i < CHECKSUM_BLOCK / 8; i++)
		walk->sum += (words[i] & 0xffffffff) + (words[i] >> 32);
	walk->offset += bytes;
	walk->left -= bytes;
	return 0;
}

/*
 * 1 if the one's complement sum over pseudo header and segment is right (RFC 9293 3.1). A global function: the verifier
 * judges it once, apart from its callers.
 */
__noinline int tcp_checksum_is_right(struct __sk_buff *skb, u32 transport_offset, u32 ip_version)
{
	u32 segment_bytes = skb->len - transport_offset;
	struct checksum_walk walk = {
		.skb = skb,
		.offset = ip_version == 4 ? 12 : 8,
		.left = ip_version == 4 ? 8 : 32,
		.sum = (u64)bpf_htonl(segment_bytes) + bpf_htonl(IPPROTO_TCP),
	};

	add_block(0, &walk);
	walk.offset = transport_offset;
	walk.left = segment_bytes;
	bpf_loop(CHECKSUM_STEPS, add_block, &walk, 0);
	walk.sum = (walk.sum & 0xffffffff) + (walk.sum >> 32);
	walk.sum = (walk.sum & 0xffffffff) + (walk.sum >> 32);
	walk.sum = (walk.sum & 0xffff) + (walk.sum >> 16);
	walk.sum = (walk.sum & 0xffff) + (walk.sum >> 16);
	walk.sum = (walk.sum & 0xffff) + (walk.sum >> 16);
	return walk.left == 0 && walk.sum == 0xffff;
}

/*
 * sk_buff.csum_valid is set where device, checksum offload or the stack itself vouched for the sum before this hook;
 * else TCP checks it after us. The context of a cgroup_skb program is the sk_buff: read it as one (bpf_cast_to_kern_ctx
 * is missing from Debian's 6.1).
 */
static __always_inline bool is_intact(struct __sk_buff *skb, const struct packet_header *header)
{
	const struct sk_buff *kernel_skb = (const struct sk_buff *)(const void *)skb;

	return BPF_CORE_READ_BITFIELD_PROBED(kernel_skb, csum_valid) ||
	       tcp_checksum_is_right(skb, header->transport_offset, header->ip_version);
}

/*
 * An acknowledgement of what was never sent, or of what is long gone, spoils the whole segment. An answer may overtake
 * the sender's own update of snd_nxt: write_seq is what may have been sent.
 */
static __always_inline bool acknowledgement_is_acceptable(const struct tcp_sock *tp, u32 acknowledged)
{
	return !sequence_before(tp->write_seq, acknowledged) &&
	       !sequence_before(acknowledged, tp->snd_una - tp->max_window);
}

/*
 * Not wholly before what we have, and not behind what we told the peer it may send. Generous by what is not yet
 * acknowledged: rcv_wup and rcv_wnd do not change together.
 */
static __always_inline bool is_in_window(const struct tcp_sock *tp, u32 sequence, u32 end)
{
	return !sequence_before(tp->rcv_nxt + tp->rcv_wnd, sequence) && !sequence_before(end, tp->rcv_wup);
}

/* Checked by TCP only where both sides use timestamps; an older one marks a wandering duplicate (RFC 7323 5). */
static __always_inline bool timestamp_is_acceptable(const struct tcp_sock *tp, const struct packet_header *header)
{
	/* TCP_PAWS_WINDOW is 1. */
	return !header->has_timestamp || !tp->rx_opt.ts_recent ||
	       (s32)(tp->rx_opt.ts_recent - header->timestamp) <= 1;
}

/* All but the checksum. */
static __always_inline bool header_is_acceptable(const struct tcp_sock *tp, const struct packet_header *header)
{
	u32 end = header->sequence + header->payload_bytes;

	return (header->flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_ACK &&
	       is_in_window(tp, header->sequence, end) &&
	       acknowledgement_is_acceptable(tp, header->acknowledged) && timestamp_is_acceptable(tp, header);
}

static __always_inline bool tcp_will_take(struct __sk_buff *skb, const struct tcp_sock *tp,
					  const struct packet_header *header)
{
	return header_is_acceptable(tp, header) && is_intact(skb, header);
}

#endif
