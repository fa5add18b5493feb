/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Loses chosen packets on their way in: what makes TCP send again on a machine that has no packet filter. IPv4 only. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Port whose first packets with payload are lost, one after the other: a probe, then a timeout. */
const volatile __u16 silent_port = 0;
/* Port of which one packet with payload is lost, others following it: a fast retransmit. */
const volatile __u16 holed_port = 0;
/* Port whose first SYN-ACK is lost: both ends say again what they said. */
const volatile __u16 late_port = 0;

#define SILENT_PACKETS 3
#define HOLE_AT 4

__u32 silent_seen;
__u32 holed_seen;
__u32 late_seen;

SEC("cgroup_skb/ingress")
int lose(struct __sk_buff *skb)
{
	struct iphdr ip;
	struct tcphdr tcp;
	__u16 port;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)) || ip.version != 4 || ip.protocol != IPPROTO_TCP ||
	    bpf_skb_load_bytes(skb, ip.ihl * 4, &tcp, sizeof(tcp)))
		return 1;
	if (tcp.syn && tcp.ack && bpf_ntohs(tcp.source) == late_port)
		return __sync_fetch_and_add(&late_seen, 1) != 0;
	if (skb->len <= ip.ihl * 4u + tcp.doff * 4u)
		return 1;
	port = bpf_ntohs(tcp.dest);
	if (port == silent_port)
		return __sync_fetch_and_add(&silent_seen, 1) >= SILENT_PACKETS;
	if (port == holed_port)
		return __sync_fetch_and_add(&holed_seen, 1) != HOLE_AT;
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
