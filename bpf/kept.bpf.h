/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What outlives a run of the collector: the maps `sockets`, `udp_flows` and `rows_in_files`, which it keeps by name. A
 * row that was on its way when the collector was killed is lost, and its counts with it, unless it is known which row
 * reached a file last: what came after that one is told again.
 */
#ifndef FLOWSPAN_KEPT_BPF_H
#define FLOWSPAN_KEPT_BPF_H

#include "include/kernel.h"

/*
 * [0]: flow records until then, boot clock, are rows in a file; read here. [1]: wall clock less boot clock by which these
 * rows were dated, for the next run. Written by the collector, nanoseconds.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} rows_in_files SEC(".maps");

static __always_inline u64 in_files_until(void)
{
	u32 zero = 0;
	const u64 *until = bpf_map_lookup_elem(&rows_in_files, &zero);

	return until ? *until : 0;
}

#endif
