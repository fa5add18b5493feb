/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Ways of saying things so that verifiers from 6.1 on understand what the compiler made of them. */
#ifndef FLOWSPAN_VERIFIER_BPF_H
#define FLOWSPAN_VERIFIER_BPF_H

#include "include/kernel.h"

/* Keeps the compiler from splitting a value and the check of its range into two registers. */
#define ONE_REGISTER(value) asm volatile("" : "+r"(value))

/*
 * True if the value is from 1 to `max`, and then known to be: the usual two comparisons leave the verifier without the
 * lower bound, and it refuses a helper that might be given no bytes.
 */
static __always_inline bool is_from_one_to(u32 *value, u32 max)
{
	u32 above_one = *value - 1;

	ONE_REGISTER(above_one);
	if (above_one >= max)
		return false;
	ONE_REGISTER(above_one);
	*value = above_one + 1;
	return true;
}

#endif
