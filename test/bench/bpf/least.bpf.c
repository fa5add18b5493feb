// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The least that watching takes, on the hooks that Flowspan's packet programs have: what their cost is compared with. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define HEAD_BYTES 128
#define HEADERS_BYTES 52
#define RECORD_BYTES 400

struct least_state {
	__u64 seen;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct least_state);
} least_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 * 1024 * 1024);
} least_records SEC(".maps");

struct least_record {
	__u64 now;
	__u8 head[HEAD_BYTES];
	__u8 rest[RECORD_BYTES - HEAD_BYTES - sizeof(__u64)];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct least_record);
} least_scratch SEC(".maps");

static __always_inline struct least_state *look_up(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct least_state *state;

	if (!sk)
		return 0;
	state = bpf_sk_storage_get(&least_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (state)
		state->seen++;
	return state;
}

/* A packet that carries nothing: is it one of ours? */
SEC("cgroup_skb/egress")
int least_lookup(struct __sk_buff *skb)
{
	look_up(skb);
	return 1;
}

/* A packet with a head: whose it is, when it came, its first bytes, and a record of it. */
SEC("cgroup_skb/ingress")
int least_record(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct least_record *record = bpf_map_lookup_elem(&least_scratch, &zero);

	if (!look_up(skb) || !record || bpf_skb_load_bytes(skb, HEADERS_BYTES, record->head, 40))
		return 1;
	record->now = bpf_ktime_get_boot_ns();
	bpf_ringbuf_output(&least_records, record, sizeof(*record), BPF_RB_NO_WAKEUP);
	return 1;
}

char least_license[] SEC("license") = "Dual BSD/GPL";
