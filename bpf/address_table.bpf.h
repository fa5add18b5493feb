/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Endpoint ids by the address that they have now: asked for once per connection. A table of our own over an array: a
 * lookup there is a few instructions and mostly one cache line, while one in a hash map is some 25 ns of calls and three
 * cache lines (make bench NAME=kernel-lookup). An address stands in the slot that its hash names, or in one of the next,
 * before the first that was never used.
 */
#ifndef FLOWSPAN_ADDRESS_TABLE_BPF_H
#define FLOWSPAN_ADDRESS_TABLE_BPF_H

#include "config.bpf.h"

/* An address, IPv4 as v4-mapped, its bytes as on the wire. */
struct address_key {
	u64 high;
	u64 low;
};

/* Free while endpoint_id is 0. Then the address is whose it was last; zero: searches need not go on behind it. */
struct address_slot {
	struct address_key address;
	u64 endpoint_id;
};

/* Slots an address may stand in. Where the table is not fuller than a third, nearly all stand in the first. */
#define ADDRESS_PROBES 32

/*
 * Written by apply_address_changes alone; read once per connection. As many entries as knob address_slots says, of which
 * the last ADDRESS_PROBES are nobody's first, so that no search goes round the end.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct address_slot);
} address_table SEC(".maps");

static __always_inline bool same_address(const struct address_key *one, const struct address_key *other)
{
	return one->low == other->low && one->high == other->high;
}

/* Whether there is a table at all; dead code follows where there is none. */
static __always_inline bool has_address_table(void)
{
	return address_slots > ADDRESS_PROBES;
}

/* Fibonacci hashing: addresses that follow one another, as those of a node do, lie far apart and evenly. */
static __always_inline u32 first_slot(const struct address_key *key)
{
	u64 prefix = bpf_be64_to_cpu(key->high) * 0x94d049bb133111ebull;
	u64 hash = (bpf_be64_to_cpu(key->low) ^ prefix >> 32) * 0x9e3779b97f4a7c15ull;

	return (hash >> 32) * (address_slots - ADDRESS_PROBES) >> 32;
}

static __always_inline struct address_slot *address_slot_at(u32 at)
{
	return bpf_map_lookup_elem(&address_table, &at);
}

static __always_inline u64 endpoint_in(const struct address_slot *slot)
{
	return *(const volatile u64 *)&slot->endpoint_id;
}

/*
 * Whether a slot is an address's, and was so already when its endpoint was read before: who takes the slot over brings
 * another endpoint. (Not if it changes hands twice within one lookup and the first endpoint is back. x86 keeps loads and
 * stores in order; where a processor does not, a lookup during a change may err, too. The answer is a hint.)
 */
static __always_inline bool is_of_address(const struct address_slot *slot, const struct address_key *key,
					  u64 endpoint_id)
{
	if (!same_address(&slot->address, key))
		return false;
	barrier();
	return endpoint_in(slot) == endpoint_id;
}

/* Endpoint that has an address, or 0. */
static __always_inline u64 endpoint_of_address(const struct address_key *key)
{
	u32 first = first_slot(key);

	for (u32 probe = 0; probe < ADDRESS_PROBES; probe++) {
		struct address_slot *slot = address_slot_at(first + probe);
		u64 endpoint_id;

		if (!slot)
			return 0;
		/* Before its address: who takes a free slot writes them the other way round. */
		endpoint_id = endpoint_in(slot);
		barrier();
		if (is_of_address(slot, key, endpoint_id))
			return endpoint_id;
		if (!slot->address.low && !slot->address.high)
			return 0;
	}
	return 0;
}

#endif
