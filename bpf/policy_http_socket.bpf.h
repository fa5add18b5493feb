/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The stream that a segment belongs to: of its socket, or of the connection that has none yet. */
#ifndef FLOWSPAN_POLICY_HTTP_SOCKET_BPF_H
#define FLOWSPAN_POLICY_HTTP_SOCKET_BPF_H

#include "http_lock.bpf.h"
#include "policy_http_judge.bpf.h"
#include "segment_cut.bpf.h"

/* Freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct policy_stream);
} policy_streams SEC(".maps");

/*
 * First bytes of connections that have no socket yet (deferred accept, a third ACK that was lost). Their sockets take them
 * over; what was pushed out before that is refused, or told.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct policy_request_key);
	__type(value, struct policy_stream);
} policy_request_streams SEC(".maps");

/* A stream of which nothing was read: too large for the stack. Nobody writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, u32);
	__type(value, struct policy_stream);
} policy_stream_none SEC(".maps");

static __always_inline bool has_rules(const struct policy_answer *answer)
{
	return answer->identity && answer->http_unit && !answer->is_egress && answer->policy_mode != POLICY_MODE_OBSERVE;
}

/* What the policies say of a connection that has no socket yet. */
__noinline int policy_ask(const struct policy_arrival *arrival, struct policy_answer *answer, u64 cgroup_id)
{
	struct policy_question question = {.cgroup_id = cgroup_id, .protocol = IPPROTO_TCP};
	unsigned char own[16];

	if (!arrival || !answer)
		return 0;
	question.port = bpf_ntohs(arrival->segment.tcp.destination);
	segment_addresses(&arrival->segment, question.address, own);
	policy_decide(&question, answer);
	return has_rules(answer);
}

static __always_inline void read_request_key(struct policy_arrival *arrival, u32 client_begin, u32 server_begin)
{
	struct policy_request_key *key = &arrival->key;

	segment_addresses(&arrival->segment, key->client_address, key->server_address);
	key->client_port = arrival->segment.tcp.source;
	key->server_port = arrival->segment.tcp.destination;
	key->client_begin = client_begin;
	key->server_begin = server_begin;
}

static __always_inline void read_arrival(struct bpf_sock *sk, const struct tcp_sock *tp, struct policy_arrival *arrival)
{
	read_answers(sk, tp, &arrival->answers);
	read_server_end(tp, &arrival->server);
	arrival->acknowledged_min = tp->snd_una - tp->max_window;
	arrival->acknowledged_max = tp->write_seq;
	arrival->backlog = tp->inet_conn.icsk_inet.sk.sk_backlog.len;
	arrival->gaps = tp->out_of_order_queue.rb_node;
}

/* Whether TCP would look at it (RFC 9293 3.10.7.4): what it would throw away is no reading. */
static __always_inline bool is_taken(const struct policy_arrival *arrival)
{
	const struct segment *segment = &arrival->segment;

	return (segment->tcp.flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_ACK &&
	       !sequence_before(arrival->server.received + arrival->server.window, segment->sequence) &&
	       !sequence_before(segment->acknowledged, arrival->acknowledged_min) &&
	       !sequence_before(arrival->acknowledged_max, segment->acknowledged);
}

/* It cannot be said any more what TCP takes. */
static __always_inline int lose_stream(struct __sk_buff *skb, struct policy_stream *stream, struct policy_arrival *arrival)
{
	http_leave(&stream->frames.judgement, HTTP_UNJUDGED_UNSEEN);
	policy_tell(skb, stream, arrival, 0, 0);
	stream->policy_following = arrival->enforced ? POLICY_FOLLOWING_REFUSED : POLICY_FOLLOWING_LEFT;
	return arrival->enforced ? POLICY_OUTCOME_REFUSE : POLICY_OUTCOME_PASS;
}

static __always_inline int judge_owned(struct __sk_buff *skb, struct policy_stream *stream,
				       struct policy_arrival *arrival)
{
	const struct segment *segment = &arrival->segment;
	int let_go;

	arrival->enforced = stream->answer.policy_mode == POLICY_MODE_ENFORCE;
	let_go = arrival->enforced ? POLICY_OUTCOME_DROP : POLICY_OUTCOME_PASS;
	if (stream->policy_following == POLICY_FOLLOWING_LEFT)
		return POLICY_OUTCOME_PASS;
	if (!is_taken(arrival))
		return let_go;
	if (stream->policy_following == POLICY_FOLLOWING_REFUSED)
		return POLICY_OUTCOME_REFUSE;
	switch (policy_order(stream, arrival)) {
	case POLICY_ORDER_OLD:
	case POLICY_ORDER_BODY:
		return POLICY_OUTCOME_PASS;
	case POLICY_ORDER_WAIT:
		if (arrival->enforced || !sequence_before(stream->next, segment->sequence))
			return let_go;
		return lose_stream(skb, stream, arrival);
	case POLICY_ORDER_NEXT:
		if (segment->payload_bytes - arrival->skip > stream->confirmed && !segment_is_intact(skb, segment))
			return let_go;
		return policy_judge(skb, stream, arrival);
	}
	return lose_stream(skb, stream, arrival);
}

static __always_inline int judge_stream(struct __sk_buff *skb, struct policy_stream *stream,
					struct policy_arrival *arrival)
{
	int outcome;

	if (!wait_lock(&stream->busy))
		return stream->answer.policy_mode == POLICY_MODE_ENFORCE ? POLICY_OUTCOME_DROP : POLICY_OUTCOME_PASS;
	outcome = judge_owned(skb, stream, arrival);
	unlock(&stream->busy);
	return outcome;
}

/* Takes over what was read before there was a socket. False if there is nothing. */
static __always_inline bool take_over(const struct tcp_sock *tp, struct policy_stream *stream,
				      struct policy_arrival *arrival)
{
	struct policy_stream *waiting;

	read_request_key(arrival, tp->rcv_nxt - (u32)tp->bytes_received, tp->snd_una - (u32)tp->bytes_acked);
	waiting = bpf_map_lookup_elem(&policy_request_streams, &arrival->key);
	if (!waiting)
		return false;
	stream->cgroup_id = waiting->cgroup_id;
	stream->passed_ns = waiting->passed_ns;
	__builtin_memcpy(&stream->answer, &waiting->answer, sizeof(*stream) - offsetof(struct policy_stream, answer));
	stream->policy_following = waiting->policy_following;
	bpf_map_delete_elem(&policy_request_streams, &arrival->key);
	return true;
}

/* The first segment with payload that a socket gets. False if sight of what went before was lost. */
static __always_inline bool begin_stream(const struct tcp_sock *tp, const struct policy_answer *answer,
					 struct policy_stream *stream, struct policy_arrival *arrival)
{
	if (take_over(tp, stream, arrival))
		return true;
	stream->answer = *answer;
	stream->cgroup_id = pod_cgroup_of_socket(&tp->inet_conn.icsk_inet.sk, current_set());
	stream->next = tp->rcv_nxt;
	stream->policy_following = POLICY_FOLLOWING_JUDGED;
	return !tp->bytes_received;
}

/* How the refusal can be told. */
static __always_inline u8 refusal_of(const struct policy_stream *stream, const struct policy_arrival *arrival)
{
	u8 answer = stream->answer.refusal_answer;

	if (answer == REFUSAL_ANSWER_FORBIDDEN &&
	    http_turn(&arrival->answers, stream->frames.heads, arrival->segment.acknowledged) != HTTP_TURN_NOW)
		return REFUSAL_ANSWER_RESET;
	return answer;
}

static __always_inline int judge_connection(struct __sk_buff *skb, struct bpf_sock *sk, struct policy_arrival *arrival)
{
	struct policy_stream *stream = bpf_sk_storage_get(&policy_streams, sk, NULL, 0);
	struct policy_flow *flow = stream ? NULL : bpf_sk_storage_get(&policy_connections, sk, NULL, 0);
	struct tcp_sock *tp;
	bool seen = true;
	int outcome;

	if (stream ? stream->policy_following == POLICY_FOLLOWING_LEFT : !flow || !has_rules(&flow->answer))
		return POLICY_OUTCOME_PASS;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return POLICY_OUTCOME_DROP;
	read_arrival(sk, tp, arrival);
	if (flow) {
		stream = bpf_sk_storage_get(&policy_streams, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
		if (!stream)
			return flow->answer.policy_mode == POLICY_MODE_ENFORCE ? POLICY_OUTCOME_DROP : POLICY_OUTCOME_PASS;
	}
	if (!wait_lock(&stream->busy))
		return stream->answer.policy_mode == POLICY_MODE_ENFORCE ? POLICY_OUTCOME_DROP : POLICY_OUTCOME_PASS;
	if (flow && stream->policy_following == POLICY_FOLLOWING_NEW)
		seen = begin_stream(tp, &flow->answer, stream, arrival);
	arrival->enforced = stream->answer.policy_mode == POLICY_MODE_ENFORCE;
	outcome = seen ? judge_owned(skb, stream, arrival) : lose_stream(skb, stream, arrival);
	if (outcome == POLICY_OUTCOME_REFUSE)
		arrival->server.answer = refusal_of(stream, arrival);
	unlock(&stream->busy);
	return outcome;
}

/* Asks of a connection that has no socket yet. False if no rules apply. */
static __always_inline bool ask_of_request(const struct tcp_request_sock *request, struct policy_arrival *arrival,
					   u64 *cgroup_id)
{
	const struct sock *listener = BPF_CORE_READ(request, req.req.__req_common.skc_listener);

	*cgroup_id = pod_cgroup_of_socket(listener, current_set());
	return *cgroup_id && policy_ask(arrival, &arrival->answer, *cgroup_id);
}

/* A connection that has no socket yet: none of its bytes has been taken. */
static __always_inline int judge_request(struct __sk_buff *skb, struct bpf_sock *sk, struct policy_arrival *arrival)
{
	struct tcp_request_sock *request = bpf_skc_to_tcp_request_sock(sk);
	struct policy_stream *stream, *none;
	struct server_end *server = &arrival->server;
	u64 cgroup_id;
	u32 zero = 0;
	int outcome;

	if (!request)
		return POLICY_OUTCOME_DROP;
	server->received = request->rcv_isn + 1;
	server->acknowledged = server->sent = request->snt_isn + 1;
	server->window = request->req.req.__req_common.skc_rcv_wnd;
	arrival->acknowledged_min = arrival->acknowledged_max = server->sent;
	arrival->answers.answers = 0;
	arrival->answers.http_answering = HTTP_ANSWERING_READ;
	arrival->answers.end = server->sent;
	arrival->answers.whole = true;
	arrival->backlog = arrival->gaps = false;
	read_request_key(arrival, server->received, server->sent);
	stream = bpf_map_lookup_elem(&policy_request_streams, &arrival->key);
	if (!stream) {
		if (!ask_of_request(request, arrival, &cgroup_id))
			return POLICY_OUTCOME_PASS;
		none = bpf_map_lookup_elem(&policy_stream_none, &zero);
		if (none)
			bpf_map_update_elem(&policy_request_streams, &arrival->key, none, BPF_NOEXIST);
		stream = bpf_map_lookup_elem(&policy_request_streams, &arrival->key);
		if (!stream)
			return arrival->answer.policy_mode == POLICY_MODE_ENFORCE ? POLICY_OUTCOME_DROP : POLICY_OUTCOME_PASS;
		if (!wait_lock(&stream->busy))
			return POLICY_OUTCOME_DROP;
		if (stream->policy_following == POLICY_FOLLOWING_NEW) {
			stream->answer = arrival->answer;
			stream->cgroup_id = cgroup_id;
			stream->next = server->received;
			stream->policy_following = POLICY_FOLLOWING_JUDGED;
		}
		unlock(&stream->busy);
	}
	outcome = judge_stream(skb, stream, arrival);
	server->answer = stream->answer.refusal_answer;
	return outcome;
}

/* Whether rules are enforced on what comes for a listener, or for a connection that it has not accepted. */
static __always_inline bool is_enforced_at_listener(struct bpf_sock *sk, struct policy_arrival *arrival)
{
	struct tcp_request_sock *request = bpf_skc_to_tcp_request_sock(sk);
	struct tcp_sock *tp = request ? NULL : bpf_skc_to_tcp_sock(sk);
	u64 cgroup_id;
	bool asked;

	if (request) {
		asked = ask_of_request(request, arrival, &cgroup_id);
	} else {
		cgroup_id = tp ? pod_cgroup_of_socket(&tp->inet_conn.icsk_inet.sk, current_set()) : 0;
		asked = cgroup_id && policy_ask(arrival, &arrival->answer, cgroup_id);
	}
	return asked && arrival->answer.policy_mode == POLICY_MODE_ENFORCE;
}

#endif
