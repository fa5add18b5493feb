/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Somebody else's program at a device, behind Flowspan's: what it sees of TCP segments with payload. IPv4 without options. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counted_packets SEC(".maps");

SEC("tc")
int count_packets(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&counted_packets, &zero);
	struct iphdr ip;
	struct tcphdr tcp;

	if (count && skb->protocol == bpf_htons(ETH_P_IP) && !bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) &&
	    ip.protocol == IPPROTO_TCP && !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip), &tcp, sizeof(tcp)) &&
	    bpf_ntohs(ip.tot_len) > sizeof(ip) + tcp.doff * 4u)
		__sync_fetch_and_add(count, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
