/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the tests of the addon load: records on demand, maps of several types, one program per way to attach. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SCRATCH_BYTES 8192
#define RECORD_BYTES_MAX 4096
#define RESERVED_FOR_DISCARD 64

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

/* A knob of every width, a string, and one variable in each other section. */
const volatile __u8 knob8 = 8;
const volatile __u16 knob16 = 16;
const volatile __u32 knob32 = 32;
const volatile __u64 knob64 = 64;
const volatile char knob_text[12] = "unset";
/* Process whose system calls `on_system_call` turns into records. */
const volatile __u32 watched_pid;
/* Rounds that `walk_numbers` wastes per entry, so that a test can interfere with a walk. */
const volatile __u32 walk_delay;
__u32 initialised = 7;
__u64 packets;
__u64 system_calls;
__u64 system_calls_lost;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100000);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

/* 12 bytes: rounded up to 16 per CPU when exchanged with user space. */
struct odd_value {
	__u32 a, b, c;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct odd_value);
} per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} per_cpu_numbers SEC(".maps");

struct prefix {
	__u32 length;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct prefix);
	__type(value, __u32);
} prefixes SEC(".maps");

/* Has no batch operations. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, __u64);
} per_cgroup SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[SCRATCH_BYTES]);
} scratch SEC(".maps");

/* What `write_records` is asked for, and what it did. */
struct write_request {
	__u32 count;
	__u32 length;		/* what the record's first u32 says */
	__u32 reserved;		/* bytes taken in the ring */
	__u32 sequence;		/* second u32 of the first record */
	__u32 flags;		/* BPF_RB_* */
	__u32 discard;		/* 1: a discarded record before each record */
	__u32 written;
	__u32 refused;		/* no room */
};

static long write_one(__u32 index, void *data)
{
	struct write_request *request = data;
	__u32 zero = 0, size = request->reserved;
	__u32 *record = bpf_map_lookup_elem(&scratch, &zero);

	if (!record || size < 8 || size > RECORD_BYTES_MAX)
		return 1;
	if (request->discard) {
		void *unwanted = bpf_ringbuf_reserve(&ring, RESERVED_FOR_DISCARD, 0);

		if (unwanted)
			bpf_ringbuf_discard(unwanted, BPF_RB_NO_WAKEUP);
	}
	record[0] = request->length;
	record[1] = request->sequence + index;
	if (bpf_ringbuf_output(&ring, record, size, request->flags))
		request->refused++;
	else
		request->written++;
	return 0;
}

SEC("syscall")
int write_records(struct write_request *context)
{
	struct write_request request = *context;

	bpf_loop(request.count, write_one, &request, 0);
	context->written = request.written;
	context->refused = request.refused;
	return 42;
}

struct system_call_record {
	__u32 length;
	__u32 sequence;
	__u64 padding[3];
};

SEC("tp_btf/sys_enter")
int BPF_PROG(on_system_call, struct pt_regs *registers, long number)
{
	struct system_call_record *record;
	__u32 sequence;

	if (watched_pid == 0 || bpf_get_current_pid_tgid() >> 32 != watched_pid)
		return 0;
	sequence = __sync_fetch_and_add(&system_calls, 1);
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		__sync_fetch_and_add(&system_calls_lost, 1);
		return 0;
	}
	__builtin_memset(record, 0xee, sizeof(*record));
	record->length = sizeof(*record);
	record->sequence = sequence;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("cgroup_skb/egress")
int pass_packet(struct __sk_buff *skb)
{
	__u64 *count = bpf_get_local_storage(&per_cgroup, 0);

	__sync_fetch_and_add(count, 1);
	__sync_fetch_and_add(&packets, 1);
	return 1;
}

SEC("tc")
int rewrite_packet(struct __sk_buff *skb)
{
	__u8 first = 0xaa;

	skb->mark = skb->mark + 1;
	bpf_skb_store_bytes(skb, 14, &first, 1, 0);
	return 5;
}

static long waste(__u32 index, void *data)
{
	return 0;
}

SEC("iter/bpf_map_elem")
int walk_numbers(struct bpf_iter__bpf_map_elem *context)
{
	__u32 *key = context->key;

	if (!key)
		return 0;
	bpf_loop(walk_delay, waste, NULL, 0);
	bpf_seq_write(context->meta->seq, key, sizeof(*key));
	return 0;
}

/* Refused by the verifier: reads past the end of a map value. */
SEC("?syscall")
int rejected(void *context)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&numbers, &zero);

	return value ? (int)value[bpf_get_prandom_u32()] : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
