/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the helpers' stand-ins share with the harness. */
#ifndef FLOWSPAN_FUZZ_SHIM_H
#define FLOWSPAN_FUZZ_SHIM_H

#include <stddef.h>

/* The packet in hand: exactly as much memory as it has bytes. */
struct shim_packet {
	const unsigned char *bytes;
	size_t length;
};

struct shim_record {
	unsigned char *bytes;
	size_t length;
};

extern struct shim_packet shim_packet;
/* Records since shim_forget_records(). */
extern struct shim_record *shim_records;
extern size_t shim_record_count;
/* Iterations of loops since it was last set to 0. */
extern size_t shim_iterations;

void shim_forget_records(void);
/* Entries of a map that hashes. */
size_t shim_entries(const void *map);
/* Says why, and aborts. */
_Noreturn void shim_fail(const char *why);

#endif
