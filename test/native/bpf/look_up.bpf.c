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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
