/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Who opted in, and the sockets that did. */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_MAPS_BPF_H
#define FLOWSPAN_DATAPLANE_REDIRECT_MAPS_BPF_H

#include "dataplane/redirect_sockets.bpf.h"

/*
 * Cgroups, by id, whose sockets and those of the cgroups below opted in, and how far: enum redirect_mode. Written by the
 * collector; emptied, it ends all.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u32);
} redirect_cgroups SEC(".maps");

/*
 * Addresses of the pods of this machine that opted in, 16 bytes, IPv4 as v4-mapped, and how far: enum redirect_mode. Written
 * by the collector.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, unsigned char[16]);
	__type(value, u8);
} redirect_addresses SEC(".maps");

/*
 * Sockets that opted in. Frozen by who loads it, so that no process deletes from it: the kernel would throw away what their
 * readers have not taken. They leave when they are closed; a socket keeps the program, and the program the map.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct redirect_end);
	__type(value, u64);
} redirect_ends SEC(".maps");

/* Clients whose servers have not taken the connection up, and their enum redirect_mode; those of servers elsewhere go with time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct redirect_end);
	__type(value, u8);
} redirect_clients SEC(".maps");

/* By enum redirect_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REDIRECT_COUNTER_MAX);
	__type(key, u32);
	__type(value, u64);
} redirect_counters SEC(".maps");

#endif
