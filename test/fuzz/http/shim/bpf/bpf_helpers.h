/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Stands in for libbpf's header where the parser is compiled for this machine: the helpers that it calls, with the
 * kernel's limits. What the kernel would refuse as beyond the packet or the map ends the process, because the parser
 * must not even ask.
 */
#ifndef FLOWSPAN_SHIM_BPF_HELPERS_H
#define FLOWSPAN_SHIM_BPF_HELPERS_H

#include <stddef.h>

#define SEC(name)
#define __kconfig
#define __weak
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))

#define __uint(name, value) int (*name)[value]
#define __type(name, type) __typeof__(type) *name
#define __array(name, type) __typeof__(type) *name[]

/* Most iterations that the kernel runs (BPF_MAX_LOOPS). */
#define SHIM_LOOPS_MAX (1u << 23)

struct shim_map {
	const void *map;
	unsigned int type, entries_max;
	unsigned long key_bytes, value_bytes;
};

void *shim_lookup(struct shim_map map, const void *key);
long shim_update(struct shim_map map, const void *key, const void *value);
long shim_delete(struct shim_map map, const void *key);
long shim_load_bytes(const void *skb, unsigned int offset, void *to, unsigned int bytes);
long shim_read(void *to, unsigned int bytes, const void *from);
long shim_output(const void *record, unsigned long bytes);
void shim_iterated(unsigned int iterations, unsigned int limit);

#define SHIM_MAP(at)                                                                                      \
	((struct shim_map){.map = (at),                                                                   \
			   .type = sizeof(*(at)->type) / sizeof(int),                                     \
			   .entries_max = sizeof(*(at)->max_entries) / sizeof(int),                       \
			   .key_bytes = sizeof(*(at)->key),                                               \
			   .value_bytes = sizeof(*(at)->value)})
#define bpf_map_lookup_elem(map, key) shim_lookup(SHIM_MAP(map), key)
#define bpf_map_update_elem(map, key, value, flags) shim_update(SHIM_MAP(map), key, value)
#define bpf_map_delete_elem(map, key) shim_delete(SHIM_MAP(map), key)
#define bpf_skb_load_bytes(skb, offset, to, bytes) shim_load_bytes(skb, offset, to, bytes)
#define bpf_probe_read_kernel(to, bytes, from) shim_read(to, bytes, from)
#define bpf_ringbuf_output(ring, record, bytes, flags) ((void)(flags), shim_output(record, bytes))
#define bpf_loop(count, step, context, flags)                                                             \
	({                                                                                                \
		unsigned int shim_limit = (count), shim_index = 0;                                        \
		while (shim_index < shim_limit && !step(shim_index, context))                             \
			shim_index++;                                                                     \
		shim_iterated(shim_index, shim_limit);                                                    \
		(long)shim_index;                                                                         \
	})

/* Never reached by the parser; the headers that it shares with other programs name them. */
#define bpf_ringbuf_query(ring, what) 0ull
#define bpf_ringbuf_reserve(ring, bytes, flags) ((void *)0)
#define bpf_ringbuf_submit(record, flags) ((void)(record))
#define bpf_ktime_get_boot_ns() 1ull
#define bpf_jiffies64() 0ull
#define bpf_get_prandom_u32() 0u
#define bpf_get_current_pid_tgid() 0ull
#define bpf_get_current_cgroup_id() 0ull
#define bpf_get_current_comm(to, bytes) ((void)(to))
#define barrier() __asm__ volatile("" ::: "memory")
#define bpf_sk_storage_get(map, sk, value, flags) ((void *)0)
#define bpf_sk_storage_delete(map, sk) 0l

#endif
