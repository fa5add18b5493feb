/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Load balancing's maps. A frontend names a service, a service its table, the table's slots their backends. Each of these
 * is written before what names it and freed after, and what was freed rests before it is given out again
 * (collector/src/control/services/rest.ts): whoever reads follows names that hold as long as a program runs.
 */
#ifndef FLOWSPAN_DATAPLANE_SERVICE_MAPS_BPF_H
#define FLOWSPAN_DATAPLANE_SERVICE_MAPS_BPF_H

#include "include/kernel.h"
#include "dataplane/service_choices.bpf.h"

/* Cookie of the network namespace whose loopback and ports are the node's; 0: the initial one. */
const volatile u64 node_netns_cookie = 0;

/* Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct frontend_key);
	__type(value, struct frontend);
} service_frontends SEC(".maps");

struct node_address {
	u64 high;
	u64 low;
};

/* Addresses of the cluster's nodes; 1: of this one. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct node_address);
	__type(value, u32);
} node_addresses SEC(".maps");

/* Written by apply_service_writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct service);
} services SEC(".maps");

/* Each entry is a table_head or a table_slot. Written by apply_service_writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 524288);
	__type(key, u32);
	__type(value, u64);
} service_slots SEC(".maps");

/* Written by the collector while no slot names the entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 262144);
	__type(key, u32);
	__type(value, struct service_backend);
} service_backends SEC(".maps");

/* Which backend a client has, of services with affinity. Written at connect. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} service_affinities SEC(".maps");

#define LB_REASONS (LB_REASON_NODE_PORT_BOUND + 1)

/* How many choices, by enum lb_reason; those of services in audit come behind. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * LB_REASONS);
	__type(key, u32);
	__type(value, u64);
} service_choice_counters SEC(".maps");

#endif
