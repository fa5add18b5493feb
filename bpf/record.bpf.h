/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Writing records: counted before room is asked for, woken only when it pays. Counters are added to atomically although
 * they are per CPU: a softirq may interrupt a program in process context between its load and its store.
 */
#ifndef FLOWSPAN_RECORD_BPF_H
#define FLOWSPAN_RECORD_BPF_H

#include "maps.bpf.h"

static __always_inline void count_discard(u32 reason)
{
	u64 *count = bpf_map_lookup_elem(&discard_counters, &reason);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline struct record_counter *count_wanted(u32 kind)
{
	struct record_counter *counter = bpf_map_lookup_elem(&record_counters, &kind);

	if (counter)
		__sync_fetch_and_add(&counter->wanted, 1);
	return counter;
}

/* A record that is not written because its cgroup is throttled. */
static __always_inline void count_shed(u32 kind)
{
	struct record_counter *counter = count_wanted(kind);

	if (counter)
		__sync_fetch_and_add(&counter->shed, 1);
}

/*
 * Only the record that crosses the threshold wakes the reader, and the first one that comes while it rests: a forced
 * wake-up costs 6-8 us, and below the threshold the reader's timer comes soon enough.
 */
static __always_inline u64 wakeup_flag(void *ring, u64 size)
{
	u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	u32 zero = 0, *rests = bpf_map_lookup_elem(&reader_rests, &zero);

	if (rests && *(volatile u32 *)rests) {
		*(volatile u32 *)rests = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	return waiting < wakeup_bytes && waiting + size >= wakeup_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void fill_header(struct record_header *header, u32 kind, u32 length, u64 now)
{
	header->length = length;
	header->record_kind = kind;
	__builtin_memset(header->reserved, 0, sizeof(header->reserved));
	header->time_boot_ns = now;
}

/* Room for a record of fixed size in `records`, or NULL and a loss counted. */
static __always_inline void *record_reserve(u32 kind, u64 size, u64 now)
{
	struct record_counter *counter = count_wanted(kind);
	void *record = bpf_ringbuf_reserve(&records, size, 0);

	if (!record) {
		if (counter)
			__sync_fetch_and_add(&counter->lost_ring_full, 1);
		return NULL;
	}
	fill_header(record, kind, size, now);
	return record;
}

static __always_inline void record_submit(void *record, u64 size)
{
	bpf_ringbuf_submit(record, wakeup_flag(&records, size));
}

#endif
