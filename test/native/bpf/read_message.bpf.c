/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads messages that go past TCP, at any offset: the last 32 bytes of each. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TAIL_BYTES 32

struct seen {
	__u64 messages;
	__u64 bytes;
	char tail[TAIL_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen_messages SEC(".maps");

SEC("sk_msg")
int read_message(struct sk_msg_md *msg)
{
	__u32 zero = 0, size = msg->size;
	struct seen *seen = bpf_map_lookup_elem(&seen_messages, &zero);
	char *data;

	if (!seen)
		return SK_PASS;
	seen->messages++;
	seen->bytes += size;
	/* Makes these bytes one piece, and `data` begin with them. */
	if (size < TAIL_BYTES || bpf_msg_pull_data(msg, size - TAIL_BYTES, size, 0))
		return SK_PASS;
	data = msg->data;
	if (data + TAIL_BYTES <= (char *)msg->data_end)
		__builtin_memcpy(seen->tail, data, TAIL_BYTES);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
