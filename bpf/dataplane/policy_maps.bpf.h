/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The policies' tables. All entries of a generation are written before policy_sets names it, and freed when no
 * program that began before can still run (collector/src/control/policy/kernel.ts): nobody meets half a set.
 */
#ifndef FLOWSPAN_DATAPLANE_POLICY_MAPS_BPF_H
#define FLOWSPAN_DATAPLANE_POLICY_MAPS_BPF_H

#include "include/kernel.h"
#include "dataplane/http_units.bpf.h"
#include "dataplane/policy_connections.bpf.h"

/* The set of tables that counts. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct policy_set);
} policy_sets SEC(".maps");

/* Room for two generations of everything. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, struct policy_subject_key);
	__type(value, struct policy_subject);
} policy_subjects SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct policy_address_key);
	__type(value, struct policy_address);
} policy_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct policy_pair_key);
	__type(value, u32);
} policy_pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct policy_port_key);
	__type(value, struct policy_decision);
} policy_ports SEC(".maps");

/* UDP flows that were let through: what follows and what is answered belongs to them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct policy_flow_key);
	__type(value, struct policy_flow);
} policy_flows SEC(".maps");

/* What was decided, alike counted together. An entry stays while it moves: the collector takes it away when it has not for a minute. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct policy_record_key);
	__type(value, struct policy_record_count);
} policy_records SEC(".maps");

/* How many of each the collector has told. Its own: no program reads it, and it is pinned with what it speaks of. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct policy_record_key);
	__type(value, struct policy_told);
} policy_records_told SEC(".maps");

/* Verdicts for which policy_records had no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} policy_records_lost SEC(".maps");

#endif
