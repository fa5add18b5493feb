/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Packets that the kernel dropped, with its own reason, tied to a socket where there is one. */
#include "skb_tuple.bpf.h"
#include "tcp_event_record.bpf.h"

struct drop_budget {
	u64 second;
	u32 told;
	u32 reserved;
};

/* How many drops without a socket were told in this second. Written by kfree_skb only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct drop_budget);
} drop_budgets SEC(".maps");

static __always_inline bool within_budget(u64 now)
{
	u32 zero = 0;
	struct drop_budget *budget = bpf_map_lookup_elem(&drop_budgets, &zero);
	u64 second = now / 1000000000;

	if (!budget)
		return true;
	if (budget->second != second) {
		budget->second = second;
		budget->told = 0;
	}
	return budget->told++ < drop_events_per_second;
}

/* Freed without a complaint, without a reason, or because the socket that had it already was closed. */
static __always_inline bool is_no_drop(u32 reason)
{
	if (reason <= bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
		return true;
	return bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE) &&
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_QUEUE_PURGE);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(kfree_skb, struct sk_buff *skb, void *location, u32 reason)
{
	struct tcp_event_record *record;
	struct socket_state *state = NULL;
	struct skb_tuple tuple;
	struct sock *sk;
	u64 now;

	if (is_no_drop(reason) || !read_skb_tuple(skb, &tuple))
		return 0;
	now = bpf_ktime_get_boot_ns();
	sk = skb->sk;
	/* Fourth argument, the socket it was meant for, from 6.11 ("net: add rx_sk to trace_kfree_skb"). */
	if (!sk && bpf_core_type_matches(btf_trace_kfree_skb___with_socket))
		sk = (struct sock *)ctx[3];
	if (sk && (sk->__sk_common.skc_state == TCP_STATE_TIME_WAIT ||
		   sk->__sk_common.skc_state == TCP_STATE_NEW_SYN_RECV))
		sk = NULL;
	if (sk)
		state = socket_state_of(sk);
	if (sk && !state && !is_watched(sk))
		return 0;
	if (!state && !within_budget(now)) {
		count_discard(DISCARD_REASON_DROP_EVENT_LIMIT);
		return 0;
	}
	record = event_reserve(EVENT_KIND_DROP, state, now);
	if (!record)
		return 0;
	if (state && state->role) {
		bool local_sent = tuple.sender_port == (state->connection.observation_point == OBSERVATION_POINT_CLIENT ?
								state->connection.source_port :
								state->connection.destination_port);

		event_connection(record, state, sk);
		record->sent_by = sent_by_side(&state->connection, local_sent);
	} else {
		stamp_tuple(&record->connection, &tuple);
		record->connection.netns = sk ? socket_netns(sk) : 0;
		if (record->connection.initiator_known)
			record->sent_by = tuple.tcp_flags & TCP_FLAG_ACK ? SENT_BY_SERVER : SENT_BY_CLIENT;
	}
	if (state)
		event_age(record, state);
	record->connection.verdict = VERDICT_DROPPED;
	record->drop_reason = reason;
	record->sequence_begin = tuple.sequence;
	record->sequence_end = tuple.sequence + tuple.payload_bytes;
	record->segments = 1;
	record->tcp_flags = tuple.tcp_flags;
	event_submit(record);
	return 0;
}
