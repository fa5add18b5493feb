// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The table of addresses alone, and a program that looks one up. */
#include "address_table.bpf.c"

SEC("syscall")
int look_up(struct address_slot *asked)
{
	struct address_key key = asked->address;

	asked->endpoint_id = endpoint_of_address(&key);
	return 0;
}

struct interrupted {
	struct address_slot asked;
	u32 count;	/* in: how many of address_changes */
	u32 reserved;
};

/* The same while addresses change hands: after the endpoint was read in its first slot, before the address is compared. */
SEC("syscall")
int look_up_interrupted(struct interrupted *context)
{
	struct address_key key = context->asked.address;
	struct address_changes_context changes = {.count = context->count};
	struct address_slot *slot = address_slot_at(first_slot(&key));
	u64 endpoint_id;

	if (!slot)
		return 0;
	endpoint_id = endpoint_in(slot);
	bpf_loop(changes.count, apply_nth_change, &changes, 0);
	context->asked.endpoint_id = is_of_address(slot, &key, endpoint_id) ? endpoint_id : 0;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
