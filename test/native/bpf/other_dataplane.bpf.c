/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The data plane of another release: its maps are laid out otherwise. */
#include "dataplane.bpf.c"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} only_in_another_release SEC(".maps");
