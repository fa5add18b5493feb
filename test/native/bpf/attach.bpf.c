/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the tests of collector/src/attach load: programs that work, that the kernel lacks, and that it refuses. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile char layout_hash[17] SEC(".rodata") = FLOWSPAN_LAYOUT_HASH;
const volatile __u16 small_knob = 1;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(good_tracepoint, struct cgroup *cgroup, const char *path)
{
	return small_knob == 0;
}

SEC("cgroup_skb/egress")
int good_packet(struct __sk_buff *skb)
{
	return 1;
}

SEC("iter/bpf_map_elem")
int good_iterator(void *context)
{
	return 0;
}

SEC("syscall")
int good_runner(void *context)
{
	return 0;
}

/* No kernel has this tracepoint. */
SEC("tp_btf/flowspan_never_was")
int absent_tracepoint(void *context)
{
	return 0;
}

/* Refused by the verifier: a scalar is no pointer. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(refused_program, struct cgroup *cgroup, const char *path)
{
	return *(int *)(long)bpf_get_prandom_u32();
}

SEC("tp_btf/cgroup_release")
int BPF_PROG(also_refused, struct cgroup *cgroup, const char *path)
{
	return *(int *)(long)bpf_get_prandom_u32();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
