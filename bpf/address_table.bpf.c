/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Writes down who has which address, some hundred changes at a time. */
#include "address_table.bpf.h"

#define ADDRESS_CHANGES 256

/* What apply_address_changes is to do; endpoint 0 takes an address away. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADDRESS_CHANGES);
	__type(key, u32);
	__type(value, struct address_slot);
} address_changes SEC(".maps");

struct address_changes_context {
	u32 count;	/* in: how many of address_changes */
	u32 no_room;	/* out: addresses that found no slot */
	s32 more;	/* out: by how many addresses the table has more owned ones; less if negative */
	u32 reserved;
};

static __always_inline bool is_untouched(const struct address_slot *slot)
{
	return !slot || (!slot->address.low && !slot->address.high);
}

/* Takes an address away. Behind it, and behind others that are gone, no search needs to go on that finds nothing there. */
static __always_inline void free_address(struct address_slot *slot, u32 at)
{
	*(volatile u64 *)&slot->endpoint_id = 0;
	barrier();
	if (!is_untouched(address_slot_at(at + 1)))
		return;
	for (u32 back = 0; back < ADDRESS_PROBES; back++) {
		slot = address_slot_at(at - back);
		if (!slot || slot->endpoint_id)
			return;
		slot->address.low = 0;
		slot->address.high = 0;
	}
}

/* Gives a free slot to an address: whoever looks it up meanwhile reads endpoint 0. */
static __always_inline void take_slot(struct address_slot *slot, const struct address_slot *change)
{
	slot->address = change->address;
	barrier();
	*(volatile u64 *)&slot->endpoint_id = change->endpoint_id;
}

static __always_inline void apply_change(const struct address_slot *change, struct address_changes_context *context)
{
	u32 first = first_slot(&change->address);
	struct address_slot *free = NULL;

	for (u32 probe = 0; probe < ADDRESS_PROBES; probe++) {
		struct address_slot *slot = address_slot_at(first + probe);

		if (!slot)
			break;
		if (same_address(&slot->address, &change->address)) {
			context->more += !!change->endpoint_id - !!slot->endpoint_id;
			if (change->endpoint_id)
				*(volatile u64 *)&slot->endpoint_id = change->endpoint_id;
			else
				free_address(slot, first + probe);
			return;
		}
		if (!free && !slot->endpoint_id)
			free = slot;
		if (is_untouched(slot))
			break;
	}
	if (!change->endpoint_id)
		return;
	if (!free) {
		context->no_room++;
		return;
	}
	take_slot(free, change);
	context->more++;
}

static long apply_nth_change(u32 index, struct address_changes_context *context)
{
	const struct address_slot *change = bpf_map_lookup_elem(&address_changes, &index);

	if (!change)
		return 1;
	apply_change(change, context);
	return 0;
}

/* Run by the collector. */
SEC("syscall")
int apply_address_changes(struct address_changes_context *context)
{
	struct address_changes_context result = {.count = context->count};

	if (!has_address_table())
		return 0;
	bpf_loop(result.count, apply_nth_change, &result, 0);
	context->no_room = result.no_room;
	context->more = result.more;
	return 0;
}
