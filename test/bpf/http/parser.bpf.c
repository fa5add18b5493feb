/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The HTTP parser without sockets: a packet is an Ethernet header, a struct told_segment and payload bytes, and the
 * test says what TCP would have said.
 */
#include "http_release.bpf.h"
#include "http_sequence.bpf.h"

#define ETHERNET_BYTES 14
#define TC_ACT_OK 0

enum told_action {
	TOLD_SEGMENT = 0,
	TOLD_BEGIN = 1,	/* a new connection, whose streams begin at `sequence` and `accepted` */
	TOLD_CLOSE = 2,
};

struct told_segment {
	u64 now;
	u32 action;
	u32 direction;
	u32 ingress;
	u32 sequence;
	u32 accepted;
	u32 confirmed;	/* responses that end here or before are written out */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_connection);
} told_connection SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct socket_state);
} told_state SEC(".maps");

u64 connections = 0;

static __always_inline void begin(struct http_connection *connection, const struct told_segment *told)
{
	drop_pieces(connection);
	__builtin_memset(connection, 0, offsetof(struct http_connection, slot));
	connection->id = ++connections;
	connection->streams[HTTP_REQUEST].next_sequence = told->sequence;
	connection->streams[HTTP_REQUEST].judged_end = told->sequence;
	connection->streams[HTTP_RESPONSE].next_sequence = told->accepted;
	connection->streams[HTTP_RESPONSE].judged_end = told->accepted;
}

static __always_inline void release(struct http_connection *connection, struct socket_state *state,
				    struct http_work *work, const struct told_segment *told)
{
	if (!has_answers(connection) || !try_lock(&connection->releasing))
		return;
	work->facts.now = told->now;
	work->facts.confirmed = told->confirmed;
	work->facts.everything = told->action == TOLD_CLOSE;
	work->facts.request_end = REQUEST_END_CONNECTION_CLOSED;
	release_by_facts(connection, state, work);
	unlock(&connection->releasing);
}

/* Returns what the connection turned out to be, enum application_protocol, if it is not HTTP/1. */
SEC("tc")
int tell_segment(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct http_connection *connection = bpf_map_lookup_elem(&told_connection, &zero);
	struct socket_state *state = bpf_map_lookup_elem(&told_state, &zero);
	struct http_work *work = bpf_map_lookup_elem(&http_work_slots, &zero);
	struct told_segment told;

	if (!connection || !state || !work || bpf_skb_load_bytes(skb, ETHERNET_BYTES, &told, sizeof(told)))
		return TC_ACT_OK;
	if (told.action == TOLD_BEGIN) {
		begin(connection, &told);
		return TC_ACT_OK;
	}
	if (told.action == TOLD_CLOSE) {
		leave_request(connection);
		abandon_requests(connection, told.now, REQUEST_END_CONNECTION_CLOSED);
		release(connection, state, work, &told);
		drop_pieces(connection);
		return TC_ACT_OK;
	}
	work->segment.sequence = told.sequence;
	work->segment.offset = ETHERNET_BYTES + sizeof(told);
	work->segment.bytes = skb->len - work->segment.offset;
	work->segment.accepted = told.accepted;
	work->segment.ingress = told.ingress;
	work->direction = told.direction;
	work->now = told.now;
	advance(skb, connection, work);
	release(connection, state, work, &told);
	return connection->rejected;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
