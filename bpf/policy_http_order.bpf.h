/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which bytes of a segment are the stream's next. What is judged here is taken by TCP later, or not at all (its window, its
 * queues, a second look at the options), and what it took is not told but by rcv_nxt. Hence:
 *
 * - What TCP has not taken can come again with other bytes: the reading goes back to where TCP is, from a point that was
 *   kept there. While the first copy may still be on its way to TCP, a second one is not let in: both would be right alone,
 *   and the beginning of one with the end of the other be wrong.
 * - Before its turn nothing is let in, but within a body: what it says does not matter, if its head is what TCP has taken.
 */
#ifndef FLOWSPAN_POLICY_HTTP_ORDER_BPF_H
#define FLOWSPAN_POLICY_HTTP_ORDER_BPF_H

#include "dataplane/http_units.bpf.h"
#include "dataplane/policy_http.h"
#include "dataplane/policy_records.bpf.h"
#include "http_response.bpf.h"
#include "packet_accept.bpf.h"
#include "refuse_answer.bpf.h"

/*
 * A segment that was let through has come to TCP, or into the socket's backlog, after so long: it went in the same softirq, or
 * waited there for others that came with it.
 */
#define POLICY_ON_ITS_WAY_NS (20ull * 1000 * 1000)

enum policy_order {
	POLICY_ORDER_OLD,	/* TCP has all of it */
	POLICY_ORDER_BODY,	/* within a body, whenever it comes */
	POLICY_ORDER_NEXT,	/* to be judged, from `skip` on */
	POLICY_ORDER_WAIT,	/* to come again */
	POLICY_ORDER_LOST,	/* sight was lost of what TCP takes */
};

/* The segment in hand, and the socket it is for. */
struct policy_arrival {
	struct segment segment;
	struct server_end server;
	struct http_answers answers;
	u32 acknowledged_min;	/* acknowledgements that TCP takes */
	u32 acknowledged_max;
	struct policy_facts facts; /* that are being told */
	struct policy_answer answer; /* that was asked for */
	struct policy_request_key key;
	u64 now_ns;
	u32 skip;		/* bytes of its payload that were judged before */
	u32 kept;		/* bytes of its payload that may pass; the rest is cut off */
	bool backlog;		/* segments wait for the socket's owner */
	bool gaps;		/* TCP holds segments that came before their turn */
	bool enforced;
	bool unaccepted;	/* its payload would come in with the connection's first segment */
};

static __always_inline void keep_point(struct policy_stream *stream)
{
	struct policy_point *point = &stream->point[(stream->points - 1) & (POLICY_POINTS - 1)];

	/* From a body's beginning each place in it is found. */
	if (stream->points && stream->next - point->sequence < point->frames.left)
		return;
	point = &stream->point[stream->points & (POLICY_POINTS - 1)];
	point->sequence = stream->next;
	point->unit = stream->unit;
	point->frames = stream->frames;
	stream->points++;
}

/* The point from which the place is found: there, or in a body that goes on behind it. */
static __always_inline struct policy_point *find_point(struct policy_stream *stream, u32 sequence)
{
	struct policy_point *found = NULL;

#pragma unroll
	for (u32 i = 0; i < POLICY_POINTS; i++) {
		struct policy_point *point = &stream->point[i];
		u32 behind = sequence - point->sequence;

		if (i < stream->points && (!behind || (behind >> 31 == 0 && behind < point->frames.left)))
			found = point;
	}
	return found;
}

static __always_inline bool go_back(struct policy_stream *stream, u32 sequence)
{
	struct policy_point *point = find_point(stream, sequence);

	if (!point)
		return false;
	stream->frames = point->frames;
	stream->frames.left -= sequence - point->sequence;
	stream->unit = point->unit;
	stream->next = sequence;
	stream->points = 0;
	/* TCP is there: it has the head of this body. */
	stream->confirmed = stream->frames.left;
	return true;
}

/* TCP has bytes of a body that came before their turn. */
static __always_inline bool catch_up(struct policy_stream *stream, u32 received)
{
	u32 bytes = received - stream->next;
	struct http_unit *unit = http_unit_find(stream->unit);

	if (!unit || bytes > stream->frames.left)
		return false;
	stream->frames.left -= bytes;
	stream->next = received;
	if (!stream->frames.left && stream->frames.http_part == HTTP_PART_BODY)
		http_frames_end(&stream->frames, unit);
	return true;
}

static __always_inline int order_from_next(struct policy_stream *stream, struct policy_arrival *arrival)
{
	u32 begin = arrival->segment.sequence, end = begin + arrival->segment.payload_bytes;

	if (sequence_before(stream->next, begin))
		return end - stream->next <= stream->confirmed ? POLICY_ORDER_BODY : POLICY_ORDER_WAIT;
	arrival->skip = stream->next - begin;
	return POLICY_ORDER_NEXT;
}

/* Bytes that were judged, and that TCP has not taken. */
static __always_inline int order_second_copy(struct policy_stream *stream, struct policy_arrival *arrival)
{
	u32 received = arrival->server.received, end = arrival->segment.sequence + arrival->segment.payload_bytes;
	struct policy_point *point = find_point(stream, received);

	if (point && end - point->sequence <= point->frames.left)
		return POLICY_ORDER_BODY;
	if (arrival->backlog || arrival->now_ns - stream->passed_ns < POLICY_ON_ITS_WAY_NS)
		return POLICY_ORDER_WAIT;
	/* What TCP holds behind the gap was judged as what followed the first copy. */
	if (arrival->gaps || !go_back(stream, received))
		return POLICY_ORDER_LOST;
	return order_from_next(stream, arrival);
}

/* The caller owns the stream. enum policy_order */
__noinline int policy_order(struct policy_stream *stream, struct policy_arrival *arrival)
{
	u32 begin, received;

	if (!stream || !arrival)
		return POLICY_ORDER_LOST;
	begin = arrival->segment.sequence;
	received = arrival->server.received;
	if (!sequence_before(received, begin + arrival->segment.payload_bytes))
		return POLICY_ORDER_OLD;
	if (!sequence_before(received, stream->next)) {
		if (received != stream->next && !catch_up(stream, received))
			return POLICY_ORDER_LOST;
		stream->points = 0;
		stream->confirmed = stream->frames.left;
	} else if (sequence_before(begin, stream->next)) {
		return order_second_copy(stream, arrival);
	}
	return order_from_next(stream, arrival);
}

#endif
