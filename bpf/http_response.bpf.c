/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reads the answers to requests that are judged, where packets go out of the server's device: only where each one ends, and
 * whether it switches to another protocol. Bytes go out in order, once, and again only if they were lost: what was read is
 * known by its sequence number. A response that is not read, for whatever reason, costs its client no more than that it is
 * reset where it would have been told 403.
 */
#include "http_response.bpf.h"
#include "policy_http_socket.bpf.h"

struct response_walk {
	struct __sk_buff *skb;
	struct http_responses *responses;
	const struct policy_stream *stream;
	struct http_unit *unit;
	u32 offset;	/* in the packet, of the first byte that was not read */
	u32 bytes;	/* that follow it */
};

/* What follows a response's head (RFC 9112 6.3). */
static __always_inline void follow_response(struct response_walk *walk)
{
	struct http_responses *responses = walk->responses;
	struct http_frames *frames = &responses->frames;
	const struct http_judgement *head = &frames->judgement;

	if (http_has_seen(head, HTTP_RESPONSE_FIELD_SWITCHES))
		responses->http_answering = HTTP_ANSWERING_SWITCHED;
	if (!http_has_seen(head, HTTP_RESPONSE_FIELD_INFORMATIONAL) || http_has_seen(head, HTTP_RESPONSE_FIELD_SWITCHES))
		responses->answers++;
	if (http_has_seen(head, HTTP_RESPONSE_FIELD_BODILESS) || http_asked_for_head(walk->stream, responses->answers))
		http_frames_end(frames, walk->unit);
	else if (http_has_seen(head, HTTP_FIELD_TRANSFER_ENCODING) || http_has_seen(head, HTTP_FIELD_CONTENT_LENGTH))
		http_frames_follow(frames, walk->unit);
	else
		responses->http_answering = HTTP_ANSWERING_LOST;
}

static long response_step(u32 index, struct response_walk *walk)
{
	struct http_responses *responses = walk->responses;
	u32 taken;

	if (!walk->bytes || responses->http_answering != HTTP_ANSWERING_READ)
		return 1;
	taken = http_frames_read(walk->skb, walk->offset, walk->bytes, walk->unit, &responses->frames);
	walk->offset += taken;
	walk->bytes -= taken;
	if (responses->frames.judgement.http_judged == HTTP_JUDGED_ALLOWED)
		follow_response(walk);
	else if (walk->bytes)
		responses->http_answering = HTTP_ANSWERING_LOST;
	return 0;
}

/* The segment begins at, or before, the first byte that was not read. */
__noinline int read_response(struct __sk_buff *skb, const struct segment *segment, struct http_responses *responses,
			     const struct policy_stream *stream)
{
	struct response_walk walk = {.skb = skb, .responses = responses, .stream = stream};
	u32 zero = 0, skip;

	walk.unit = bpf_map_lookup_elem(&http_response_unit, &zero);
	if (!segment || !responses || !stream || !walk.unit)
		return 0;
	skip = responses->next - segment->sequence;
	walk.offset = payload_offset(segment) + skip;
	walk.bytes = segment->payload_bytes - skip;
	responses->next += walk.bytes;
	bpf_loop(POLICY_STEPS, response_step, &walk, 0);
	return 0;
}

static __always_inline void begin_responses(struct bpf_sock *sk, struct http_responses *responses)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp)
		return;
	responses->next = tp->snd_una - (u32)tp->bytes_acked;
	responses->http_answering = HTTP_ANSWERING_READ;
}

/* What was asked on the connection; NULL if nothing that is judged was. */
static __always_inline struct policy_stream *find_stream(struct bpf_sock *sk, const struct segment *segment)
{
	struct policy_stream *stream = bpf_sk_storage_get(&policy_streams, sk, NULL, 0);
	struct policy_flow *flow = stream ? NULL : bpf_sk_storage_get(&policy_connections, sk, NULL, 0);
	const struct tcp_sock *tp = flow && has_rules(&flow->answer) ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct policy_request_key key = {};

	if (!tp)
		return stream;
	/* The socket has not taken over yet what came before there was one. */
	segment_addresses(segment, key.server_address, key.client_address);
	key.server_port = segment->tcp.source;
	key.client_port = segment->tcp.destination;
	key.client_begin = tp->rcv_nxt - (u32)tp->bytes_received;
	key.server_begin = tp->snd_una - (u32)tp->bytes_acked;
	return bpf_map_lookup_elem(&policy_request_streams, &key);
}

SEC("tc")
int http_response_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct segment segment = {};
	struct http_responses *responses;
	struct policy_stream *stream;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk || !read_segment(skb, &segment) || !segment.payload_bytes)
		return DEVICE_PASS;
	stream = find_stream(sk, &segment);
	if (!stream || stream->policy_following == POLICY_FOLLOWING_LEFT)
		return DEVICE_PASS;
	responses = bpf_sk_storage_get(&http_responses, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!responses)
		return DEVICE_PASS;
	if (responses->http_answering == HTTP_ANSWERING_NEW)
		begin_responses(sk, responses);
	if (responses->http_answering != HTTP_ANSWERING_READ ||
	    !sequence_before(responses->next, segment.sequence + segment.payload_bytes))
		return DEVICE_PASS;
	if (sequence_before(responses->next, segment.sequence))
		responses->http_answering = HTTP_ANSWERING_LOST;
	else
		read_response(skb, &segment, responses, stream);
	return DEVICE_PASS;
}
