/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counts verdicts, alike ones together, so that a flood of them costs no more than one. The first of each is the sample:
 *
 *	fresh = policy_count(&answer, &facts);
 *	if (fresh)
 *		policy_sample_head(fresh, skb, offset, bytes);	(of a connection: policy_sample)
 */
#ifndef FLOWSPAN_DATAPLANE_POLICY_RECORDS_BPF_H
#define FLOWSPAN_DATAPLANE_POLICY_RECORDS_BPF_H

#include "dataplane/policy_maps.bpf.h"
#include "verifier.bpf.h"

/* What was judged. */
struct policy_facts {
	u8 source[16];
	u8 destination[16];
	u16 source_port;
	u16 destination_port;
	u8 protocol;
	u8 http_judged;		/* enum http_judged; 0: the connection itself */
	u8 http_unjudged;	/* enum http_unjudged */
	u8 http_rule;		/* POLICY_NO_HTTP_RULE: none */
};

/* An entry that nothing was counted in yet: too large for the stack. Nobody writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, u32);
	__type(value, struct policy_record_count);
} policy_record_none SEC(".maps");

static __always_inline void lose_record(void)
{
	u32 zero = 0;
	u64 *lost = bpf_map_lookup_elem(&policy_records_lost, &zero);

	if (lost)
		*lost += 1;
}

/*
 * Counts a verdict as it was carried out.
 * The record if this is the first of its kind: its sample is to be written then. Else NULL.
 */
static __always_inline struct policy_record_count *policy_count(const struct policy_answer *answer,
								const struct policy_facts *facts)
{
	struct policy_record_key key = {
		.identity = answer->identity,
		.peer_identity = answer->peer_identity,
		.generation = answer->generation,
		.decision = answer->decision,
		.port = facts->destination_port,
		.protocol = facts->protocol,
		.is_egress = answer->is_egress,
		.policy_verdict = answer->policy_verdict,
		.http_judged = facts->http_judged,
		.http_unjudged = facts->http_unjudged,
		.http_rule = facts->http_rule,
	};
	struct policy_record_count *record, *none;
	bool is_first = false;
	u32 zero = 0;

	record = bpf_map_lookup_elem(&policy_records, &key);
	if (!record) {
		none = bpf_map_lookup_elem(&policy_record_none, &zero);
		is_first = none && !bpf_map_update_elem(&policy_records, &key, none, BPF_NOEXIST);
		record = bpf_map_lookup_elem(&policy_records, &key);
	}
	if (!record) {
		lose_record();
		return NULL;
	}
	__sync_fetch_and_add(&record->count, 1);
	record->last_ns = bpf_ktime_get_ns();
	if (!is_first)
		return NULL;
	__builtin_memcpy(record->source_address, facts->source, 16);
	__builtin_memcpy(record->destination_address, facts->destination, 16);
	record->source_port = facts->source_port;
	record->destination_port = facts->destination_port;
	return record;
}

/* What was said of the first of its kind is whole. */
static __always_inline void policy_sample(struct policy_record_count *fresh)
{
	*(volatile u64 *)&fresh->first_ns = bpf_ktime_get_ns();
}

/* The same of a request. @bytes of its head that are at `offset` of the packet; as many are kept as there is room for */
static __always_inline void policy_sample_head(struct policy_record_count *fresh, struct __sk_buff *skb, u32 offset,
					       u32 bytes)
{
	if (bytes > POLICY_HEAD_BYTES)
		bytes = POLICY_HEAD_BYTES;
	if (is_from_one_to(&bytes, POLICY_HEAD_BYTES) && !bpf_skb_load_bytes(skb, offset, fresh->head, bytes))
		fresh->head_length = bytes;
	policy_sample(fresh);
}

#endif
