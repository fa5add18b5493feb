/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Who has a proxy, and what is known of the connections that go there. */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_PROXY_MAPS_BPF_H
#define FLOWSPAN_DATAPLANE_REDIRECT_PROXY_MAPS_BPF_H

#include "include/kernel.h"
#include "dataplane/redirect_proxy.h"

/* What programs of cgroups return, so that nothing is refused. */
#define ALLOW 1

/* Proxies by the id of the cgroup whose connections, and those of the cgroups below, go there. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct proxy_listener);
} proxy_listeners SEC(".maps");

/* Ports of which connections are handed over. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct proxy_port);
	__type(value, u8);
} proxy_ports SEC(".maps");

/* Of clients' sockets. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct original_destination);
} original_destinations SEC(".maps");

/* Of the proxies' ends. Written when the client's end is established, which is before the proxy's is. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct proxied_connection);
	__type(value, struct original_destination);
} proxied_connections SEC(".maps");

/* By enum proxy_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROXY_COUNTER_MAX);
	__type(key, u32);
	__type(value, u64);
} proxy_counters SEC(".maps");

static __always_inline void count_proxy(u32 what)
{
	u64 *count = bpf_map_lookup_elem(&proxy_counters, &what);

	if (count)
		*count += 1;
}

static __always_inline bool is_given(const u8 *address, u32 bytes)
{
	for (u32 i = 0; i < bytes; i++)
		if (address[i])
			return true;
	return false;
}

#endif
