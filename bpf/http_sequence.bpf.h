/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which bytes of a segment are the stream's next. Sent bytes come in order; received ones are followed with a
 * next-sequence of our own (rcv_nxt lags while the socket is locked), with what TCP accepted as the last word.
 */
#ifndef FLOWSPAN_HTTP_SEQUENCE_BPF_H
#define FLOWSPAN_HTTP_SEQUENCE_BPF_H

#include "http_checkpoint.bpf.h"
#include "http_reorder.bpf.h"

/* Catching up, the segment itself, and 32 pieces, each with a body between them. */
#define HTTP_ADVANCE_STEPS 256

enum http_phase {
	HTTP_PHASE_CATCH_UP = 0,	/* to what TCP has accepted */
	HTTP_PHASE_SEGMENT,
	HTTP_PHASE_FOLLOW,		/* what had come before its turn */
};

/* What is to be done with the packet in hand. */
enum http_judgement {
	HTTP_SEGMENT_IGNORE = 0,
	HTTP_SEGMENT_READ = 1,
	HTTP_SEGMENT_KEEP = 2,
};

static __always_inline bool reads_nothing(const struct http_stream *stream)
{
	return stream->state > HTTP_STATE_UNTIL_CLOSE;
}

static __always_inline bool is_made_of_bytes(const struct http_stream *stream)
{
	return stream->state > HTTP_STATE_LAST_OF_LINES && stream->state <= HTTP_STATE_UNTIL_CLOSE;
}

/*
 * A hole of chunk data: what it holds does not matter, and it will be filled, or the connection ends and says so. What
 * follows is read at once, so that it need not be kept.
 */
static __always_inline bool pass_hole(struct http_connection *connection, const struct http_segment *segment,
				      struct http_stream *stream)
{
	u32 hole = segment->sequence - stream->next_sequence;

	if (stream->state != HTTP_STATE_CHUNK_DATA || stream->body_left < hole || connection->pieces)
		return false;
	stream->body_left -= hole;
	stream->body_bytes += hole;
	stream->message_bytes += hole;
	stream->next_sequence = segment->sequence;
	if (!stream->body_left)
		stream->state = HTTP_STATE_CHUNK_END;
	connection->passed = 1;
	connection->passed_end = segment->sequence;
	return true;
}

/*
 * A hole opened in front of this segment. Bytes of a known body need not be kept: TCP tells when they are whole. What
 * is to be done with the segment: enum http_judgement.
 */
static __always_inline int before_its_turn(struct http_connection *connection, struct http_segment *segment,
					   struct http_stream *stream)
{
	u32 hole = segment->sequence - stream->next_sequence, end = segment->sequence + segment->bytes;

	connection->out_of_order_bytes += segment->bytes;
	if (!connection->hole || before(connection->hole_end, end))
		connection->hole_end = end;
	connection->hole = 1;
	segment->skip = 0;
	if (stream->state == HTTP_STATE_UNTIL_CLOSE)
		return HTTP_SEGMENT_IGNORE;
	if (pass_hole(connection, segment, stream))
		return HTTP_SEGMENT_READ;
	if (is_counted(stream) && stream->body_left > hole) {
		if (stream->body_left - hole >= segment->bytes)
			return HTTP_SEGMENT_IGNORE;
		segment->skip = stream->body_left - hole;
	}
	return HTTP_SEGMENT_KEEP;
}

/*
 * A second copy of bytes whose first copy TCP has not accepted: either may be the one that counts. Behind a hole that
 * was passed over it is the first that TCP keeps, and what fills the hole is a first copy itself.
 */
static __always_inline bool is_second_copy(const struct http_connection *connection, const struct http_segment *segment,
					   const struct http_stream *stream)
{
	return !connection->passed && segment->ingress && before(segment->sequence, stream->next_sequence) &&
	       !before(segment->sequence, segment->accepted) && before(segment->sequence, stream->judged_end);
}

/* The packet in hand, if it does not begin where the stream stands: enum http_judgement. */
__noinline int http_judge_segment(struct http_connection *connection, struct http_work *work)
{
	struct http_segment *segment;
	struct http_stream *stream;
	s32 ahead;

	if (!connection || !work)
		return HTTP_SEGMENT_IGNORE;
	segment = &work->segment;
	stream = stream_of(connection, work);
	if (!segment->bytes || reads_nothing(stream))
		return HTTP_SEGMENT_IGNORE;
	segment->skip = 0;
	if (is_second_copy(connection, segment, stream) &&
	    (connection->checkpoint.sequence != segment->sequence || !roll_back(connection, work, stream))) {
		doubt_what_was_read(connection, work);
		return HTTP_SEGMENT_IGNORE;
	}
	ahead = segment->sequence - stream->next_sequence;
	if (ahead > 0) {
		if (segment->ingress)
			return before_its_turn(connection, segment, stream);
		http_lose_stream(connection, work, DISCARD_REASON_STREAM_GAP);
		return HTTP_SEGMENT_IGNORE;
	}
	if (-ahead >= (s32)segment->bytes)
		return HTTP_SEGMENT_IGNORE;
	segment->skip = -ahead;
	return HTTP_SEGMENT_READ;
}

/* Passes over the stream's next bytes, of a body and as far as it goes. 1 if the stream moved. */
__noinline int http_pass_body(struct http_connection *connection, struct http_work *work, u32 most)
{
	struct http_stream *stream;
	u64 bytes = most;

	if (!connection || !work)
		return 0;
	stream = stream_of(connection, work);
	if (!is_made_of_bytes(stream))
		return 0;
	if (stream->state != HTTP_STATE_UNTIL_CLOSE) {
		if (bytes > stream->body_left)
			bytes = stream->body_left;
		stream->body_left -= bytes;
	}
	stream->body_bytes += bytes;
	stream->message_bytes += bytes;
	stream->next_sequence += bytes;
	if (stream->state == HTTP_STATE_UNTIL_CLOSE || stream->body_left)
		return 1;
	stand_at(work, stream->next_sequence);
	if (stream->state == HTTP_STATE_CHUNK_DATA)
		stream->state = HTTP_STATE_CHUNK_END;
	else
		http_message_over(connection, work);
	return 1;
}

/*
 * Passes over body bytes that TCP has accepted although they were not seen in order; what else is missing is lost.
 * True if the stream moved.
 */
__noinline int http_pass_accepted(struct http_connection *connection, struct http_work *work)
{
	struct http_stream *stream;

	if (!connection || !work)
		return 0;
	stream = stream_of(connection, work);
	if (!work->segment.ingress || !before(stream->next_sequence, work->segment.accepted) || reads_nothing(stream))
		return 0;
	if (stream->state < HTTP_STATE_BODY) {
		http_lose_stream(connection, work, DISCARD_REASON_STREAM_GAP);
		return 0;
	}
	return http_pass_body(connection, work, work->segment.accepted - stream->next_sequence);
}

/* The packet itself, that begins where the stream stands. */
static __always_inline void take_next_segment(struct http_cursor *cursor, bool apart)
{
	const struct http_segment *segment = &cursor->work->segment;
	struct http_stream *stream = stream_of(cursor->connection, cursor->work);

	if (!segment->bytes || reads_nothing(stream))
		return;
	if (segment->ingress && segment->sequence == segment->accepted)
		take_checkpoint(cursor->connection, stream);
	cursor->piece = NULL;
	read_source(cursor, segment->offset, segment->bytes, segment->sequence, apart);
}

/* The packet itself. */
static __always_inline void take_segment(struct http_cursor *cursor)
{
	const struct http_segment *segment = &cursor->work->segment;
	int judgement;

	if (segment->sequence == stream_of(cursor->connection, cursor->work)->next_sequence) {
		take_next_segment(cursor, false);
		return;
	}
	judgement = http_judge_segment(cursor->connection, cursor->work);
	if (judgement == HTTP_SEGMENT_READ) {
		cursor->piece = NULL;
		read_source(cursor, segment->offset + segment->skip, segment->bytes - segment->skip,
			    segment->sequence + segment->skip, false);
	} else if (judgement == HTTP_SEGMENT_KEEP && !keep_pieces(cursor)) {
		http_lose_stream(cursor->connection, cursor->work, DISCARD_REASON_REORDER_FULL);
	}
}

static long advance_step(u32 index, struct http_cursor *cursor)
{
	struct http_connection *connection = cursor->connection;
	struct http_work *work = cursor->work;
	struct http_stream *stream = stream_of(connection, work);
	struct http_piece *piece;
	u32 offset;

	if (work->segment.phase == HTTP_PHASE_SEGMENT) {
		work->segment.phase = HTTP_PHASE_FOLLOW;
		take_segment(cursor);
		return 0;
	}
	piece = find_piece(connection, stream->next_sequence);
	if (piece) {
		cursor->piece = piece;
		offset = stream->next_sequence - piece->sequence;
		read_source(cursor, offset, piece->bytes - offset, stream->next_sequence, false);
		return 0;
	}
	if (http_pass_accepted(connection, work))
		return 0;
	if (work->segment.phase == HTTP_PHASE_FOLLOW)
		return 1;
	work->segment.phase = HTTP_PHASE_SEGMENT;
	return 0;
}

struct http_lateness {
	struct http_connection *connection;
	u64 now;
	u32 number;
};

static long note_late_request(u32 index, struct http_lateness *lateness)
{
	struct http_request *request;

	if (lateness->number == lateness->connection->begun)
		return 1;
	request = request_at(lateness->connection, lateness->number);
	lateness->number++;
	if (request && request->request_late) {
		request->request_late = 0;
		request->request_last_ns = lateness->now;
	}
	return 0;
}

/* The missing bytes have come: only now these requests are whole. */
static __noinline void note_late_requests(struct http_connection *connection, u64 now)
{
	struct http_lateness lateness = {.connection = connection, .now = now, .number = connection->answered};

	bpf_loop(HTTP_PIPELINE_MAX + 1, note_late_request, &lateness, 0);
}

static __always_inline bool is_behind(const struct http_stream *stream, const struct http_segment *segment)
{
	return segment->ingress && before(stream->next_sequence, segment->accepted);
}

/*
 * Takes the segment in `work`, whose bytes are in `skb`; if it has none, what TCP has accepted meanwhile. Caller owns
 * the stream.
 */
__noinline int http_advance(struct __sk_buff *skb, struct http_connection *connection, struct http_work *work)
{
	struct http_cursor cursor = {.skb = skb, .connection = connection, .work = work};
	struct http_segment *segment;
	struct http_stream *stream;
	bool behind;

	if (!connection || !work)
		return 0;
	segment = &work->segment;
	stream = stream_of(connection, work);
	behind = is_behind(stream, segment);
	if (!connection->hole && !behind) {
		take_segment(&cursor);
		return 0;
	}
	segment->phase = behind ? HTTP_PHASE_CATCH_UP : HTTP_PHASE_SEGMENT;
	bpf_loop(HTTP_ADVANCE_STEPS, advance_step, &cursor, 0);
	if (!connection->hole || !segment->ingress)
		return 0;
	if (connection->passed && !before(segment->accepted, connection->passed_end)) {
		connection->passed = 0;
		if (work->direction == HTTP_REQUEST)
			note_late_requests(connection, work->now);
	}
	if (reads_nothing(stream) || (!connection->passed && !before(stream->next_sequence, connection->hole_end)))
		drop_pieces(connection);
	return 0;
}

/* The same. Most packets have the very next bytes: they are read without a call. */
static __always_inline void advance(struct __sk_buff *skb, struct http_connection *connection, struct http_work *work)
{
	struct http_cursor cursor = {.skb = skb, .connection = connection, .work = work};
	const struct http_stream *stream = stream_of(connection, work);
	const struct http_segment *segment = &work->segment;

	if (!connection->hole && !is_behind(stream, segment) && segment->sequence == stream->next_sequence)
		take_next_segment(&cursor, true);
	else
		http_advance(skb, connection, work);
}

#endif
