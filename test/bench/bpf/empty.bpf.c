// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Does nothing: what the kernel's own measuring and calling of a program costs. */
#define SEC(name) __attribute__((section(name), used))

struct __sk_buff;

SEC("cgroup_skb/egress")
int bench_empty(struct __sk_buff *skb)
{
	(void)skb;
	return 1;
}

char bench_license[] SEC("license") = "Dual BSD/GPL";
