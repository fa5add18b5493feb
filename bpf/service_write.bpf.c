/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Writes tables and services, eight bytes at a time, each at once and in the order given: an update of a map entry from
 * user space is a copy that a program may see half done.
 */
#include "dataplane/service_maps.bpf.h"

#define SERVICE_WRITES 1024

/* What apply_service_writes is to write. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVICE_WRITES);
	__type(key, u32);
	__type(value, struct service_write);
} service_writes SEC(".maps");

struct service_writes_context {
	u32 count;	/* in: how many of service_writes */
	u32 written;	/* out */
};

static __always_inline bool write_slot(u32 index, u64 value)
{
	u64 *slot = bpf_map_lookup_elem(&service_slots, &index);

	if (!slot)
		return false;
	__atomic_exchange_n(slot, value, __ATOMIC_SEQ_CST);
	return true;
}

static __always_inline bool write_service(u32 index, u32 cell, u64 value)
{
	u64 *service = bpf_map_lookup_elem(&services, &index);

	if (!service)
		return false;
	if (cell == 0)
		__atomic_exchange_n(&service[0], value, __ATOMIC_SEQ_CST);
	else if (cell == 1)
		__atomic_exchange_n(&service[1], value, __ATOMIC_SEQ_CST);
	else
		__atomic_exchange_n(&service[2], value, __ATOMIC_SEQ_CST);
	return true;
}

static long apply_nth_service_write(u32 index, struct service_writes_context *context)
{
	const struct service_write *write = bpf_map_lookup_elem(&service_writes, &index);
	bool written;

	if (!write)
		return 1;
	written = write->service_write_target == SERVICE_WRITE_TARGET_SLOT ?
			  write_slot(write->index, write->value) :
			  write_service(write->index, write->cell, write->value);
	context->written += written;
	return !written;
}

/* Run by the collector. */
SEC("syscall")
int apply_service_writes(struct service_writes_context *context)
{
	struct service_writes_context result = {.count = context->count};

	bpf_loop(result.count, apply_nth_service_write, &result, 0);
	context->written = result.written;
	return 0;
}
