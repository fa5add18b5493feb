/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Locks that may be held while helpers are called, which bpf_spin_lock may not. Nobody waits for whom he interrupted:
 * each lock says at its use why its owner is on another CPU, where microseconds are enough.
 */
#ifndef FLOWSPAN_HTTP_LOCK_BPF_H
#define FLOWSPAN_HTTP_LOCK_BPF_H

#include "include/kernel.h"

#define LOCK_TRIES (1 << 14)

struct lock_wait {
	u32 *lock;
	bool owned;
};

static long lock_once(u32 index, struct lock_wait *wait)
{
	wait->owned = __sync_val_compare_and_swap(wait->lock, 0, 1) == 0;
	return wait->owned;
}

static __always_inline bool try_lock(u32 *lock)
{
	return __sync_val_compare_and_swap(lock, 0, 1) == 0;
}

static __always_inline bool wait_lock(u32 *lock)
{
	struct lock_wait wait = {.lock = lock};

	if (try_lock(lock))
		return true;
	bpf_loop(LOCK_TRIES, lock_once, &wait, 0);
	return wait.owned;
}

/*
 * BPF has no store with release semantics that 6.1 knows. On x86 each store is one; an exchange would wait there until all
 * that was written before has reached the cache.
 */
static __always_inline void unlock(u32 *lock)
{
#ifdef __TARGET_ARCH_x86
	asm volatile("" ::: "memory");
	*(volatile u32 *)lock = 0;
#else
	__sync_lock_test_and_set(lock, 0);
#endif
}

#endif
