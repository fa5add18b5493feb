// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The stamp of a connection's other end and nothing else, run by kernel-lookup.ts with a table of addresses and without. */
#include "socket.bpf.h"
#include "address_table.bpf.c"

/* How many of bench_addresses are asked for, all equally often. */
const volatile u32 bench_asked = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct address_key);
} bench_addresses SEC(".maps");

struct connection bench_connection;
u32 bench_random;
u64 bench_stamped;

SEC("cgroup_skb/egress")
int bench_lookup(struct __sk_buff *skb)
{
	struct address_key *address;
	u32 index;

	bench_random = bench_random * 1664525 + 1013904223;
	index = ((u64)bench_random * bench_asked) >> 32;
	address = bpf_map_lookup_elem(&bench_addresses, &index);
	if (!address)
		return 0;
	__builtin_memcpy(bench_connection.destination_address, address, sizeof(*address));
	bench_connection.peer_endpoint_id = 0;
	stamp_peer(&bench_connection);
	bench_stamped += bench_connection.peer_endpoint_id != 0;
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
