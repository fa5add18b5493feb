/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The state machine of one stream: lines and counted bytes. */
#ifndef FLOWSPAN_HTTP_PARSE_BPF_H
#define FLOWSPAN_HTTP_PARSE_BPF_H

#include "http_lines.bpf.h"
#include "http_machine.bpf.h"

/* First byte of a TLS connection (RFC 8446 5.1, ContentType handshake); the version's 0x03 follows. */
#define TLS_HANDSHAKE 0x16

enum http_step {
	HTTP_STEP_MORE = 0,
	HTTP_STEP_STOP = 1,
	HTTP_STEP_LOAD = 2,
	HTTP_STEP_AGAIN = 3,	/* something else begins here */
};

/* What begins here. False if there is nothing to read. */
static __always_inline bool at_message_start(struct http_connection *connection, struct http_work *work,
					   struct http_stream *stream)
{
	u8 first = byte_at(work, work->position);

	if (!connection->confirmed && first == TLS_HANDSHAKE && work->direction == HTTP_REQUEST) {
		refuse_request_line(connection, APPLICATION_PROTOCOL_TLS);
		return false;
	}
	/* Empty lines before a request are passed over (RFC 9112 2.2). */
	if (work->direction == HTTP_REQUEST && (first == '\r' || first == '\n')) {
		work->position++;
		work->scan = work->position;
		return false;
	}
	begin_message(connection, work, stream);
	return stream->state == HTTP_STATE_START;
}

/* Finds in one step: bytes below a limit, or blocks without one. */
#define HTTP_FINDS 8

/* A header line that neither frames nor is kept, nor continues one: most are. */
static __always_inline bool is_other_header(const struct http_work *work, u32 begin, u32 end)
{
	u32 name_bytes;

	return begin != end && !is_blank(byte_at(work, begin)) &&
	       header_name(work, begin, &name_bytes) == HTTP_HEADER_OTHER;
}

static __always_inline void pass_header(struct http_work *work, struct http_stream *stream, u32 next)
{
	stream->message_bytes += next - work->position + stream->line_dropped;
	stream->line_dropped = 0;
	stream->spaces = 0;
	stream->flags &= ~HTTP_FOLD_MATTERS;
	work->position = next;
	work->scan = next;
}

static __always_inline void note_space(struct http_stream *stream, u32 at)
{
	if (!stream->spaces)
		stream->first_space = at;
	if (stream->spaces < 3)
		stream->spaces++;
}

/* Looks for one line end or other byte that matters: enum http_step. */
static __always_inline u32 find_one(struct http_connection *connection, struct http_work *work,
				    struct http_stream *stream, bool in_request_line)
{
	u32 scan = work->scan, used = work->used, at, next;
	u8 byte;

	if (scan >= used)
		return HTTP_STEP_LOAD;
	at = find_below(work, scan, in_request_line ? EACH_BYTE(' ' + 1) : EACH_BYTE(' '));
	if (at >= used || at >= scan + HTTP_BLOCK) {
		work->scan = scan + HTTP_BLOCK < used ? scan + HTTP_BLOCK : used;
		return HTTP_STEP_MORE;
	}
	byte = byte_at(work, at);
	next = at + 1;
	if (byte == '\r') {
		work->scan = at;
		if (next >= used)
			return HTTP_STEP_LOAD;
		if (byte_at(work, next) == '\n') {
			byte = '\n';
			next++;
		}
	}
	if (byte == '\n') {
		if (stream->state == HTTP_STATE_HEADERS && is_other_header(work, work->position, at))
			pass_header(work, stream, next);
		else if (stream->state == HTTP_STATE_START)
			http_first_line(connection, work, at, next);
		else
			http_line(connection, work, at, next);
		return stream->state <= HTTP_STATE_TRAILERS && stream->state != HTTP_STATE_START ? HTTP_STEP_MORE :
											      HTTP_STEP_AGAIN;
	}
	work->scan = next;
	if (byte == ' ') {
		note_space(stream, at - work->position);
		return HTTP_STEP_MORE;
	}
	if (byte != 0 && byte != '\r' && !in_request_line)
		return HTTP_STEP_MORE;
	on_forbidden_byte(connection, work, stream);
	return HTTP_STEP_AGAIN;
}

static __always_inline u32 read_lines(struct http_connection *connection, struct http_work *work,
				      struct http_stream *stream)
{
	if (keeps_in_record(work, stream) &&
	    work->scan - work->position + stream->line_dropped > HTTP_START_LINE_MAX) {
		refuse_request_line(connection, APPLICATION_PROTOCOL_OTHER);
		return HTTP_STEP_MORE;
	}
	for (u32 i = 0; i < HTTP_FINDS; i++) {
		u32 step = find_one(connection, work, stream, keeps_in_record(work, stream));

		if (step != HTTP_STEP_MORE)
			return step;
	}
	return HTTP_STEP_MORE;
}

static __always_inline void read_body(struct http_connection *connection, struct http_work *work,
				      struct http_stream *stream, u32 left)
{
	u64 bytes = left;

	if (bytes > stream->body_left)
		bytes = stream->body_left;
	pass_over(work, bytes);
	stream->body_left -= bytes;
	stream->body_bytes += bytes;
	stream->message_bytes += bytes;
	if (stream->body_left)
		return;
	if (stream->state == HTTP_STATE_CHUNK_DATA)
		stream->state = HTTP_STATE_CHUNK_END;
	else
		http_message_over(connection, work);
}

/* Bytes of the source that are not used up. */
static __always_inline u32 bytes_left(const struct http_work *work)
{
	return work->used - work->position + work->source_bytes - work->loaded;
}

/* One step through the window: enum http_step. A head and the counted bytes behind it are one. */
__noinline int http_read(struct http_connection *connection, struct http_work *work)
{
	struct http_stream *stream;
	u32 left, step;

	if (!connection || !work)
		return HTTP_STEP_STOP;
	stream = stream_of(connection, work);
	left = bytes_left(work);
	if (!left)
		return HTTP_STEP_STOP;
	if (stream->state <= HTTP_STATE_LAST_OF_LINES) {
		if (work->scan >= work->used)
			return HTTP_STEP_LOAD;
		if (stream->state == HTTP_STATE_START && !(stream->flags & HTTP_IN_MESSAGE) &&
		    !at_message_start(connection, work, stream))
			return HTTP_STEP_MORE;
		step = read_lines(connection, work, stream);
		if (step != HTTP_STEP_AGAIN)
			return step;
		left = bytes_left(work);
		if (!is_counted(stream) || !left)
			return left ? HTTP_STEP_MORE : HTTP_STEP_STOP;
	}
	if (is_counted(stream)) {
		read_body(connection, work, stream, left);
		return bytes_left(work) ? HTTP_STEP_MORE : HTTP_STEP_STOP;
	}
	if (stream->state == HTTP_STATE_UNTIL_CLOSE) {
		stream->body_bytes += left;
		stream->message_bytes += left;
	}
	pass_over(work, left);
	return HTTP_STEP_STOP;
}

/* 0 if there is more to read. Inlined where it is mostly all: a call costs as much as a line. */
static __always_inline long read_more(struct http_cursor *cursor)
{
	int step = http_read(cursor->connection, cursor->work);

	ONE_REGISTER(step);
	if (step == HTTP_STEP_LOAD)
		return refill(cursor) ? 0 : 1;
	return step == HTTP_STEP_STOP;
}

static long read_step(u32 index, struct http_cursor *cursor)
{
	return read_more(cursor);
}

/* The rest of a packet of which one step was not all. */
__noinline int http_read_on(struct __sk_buff *skb, struct http_connection *connection, struct http_work *work)
{
	struct http_cursor cursor = {.skb = skb, .connection = connection, .work = work};

	if (connection && work)
		bpf_loop(HTTP_STEPS_MAX, read_step, &cursor, 0);
	return 0;
}

/*
 * Reads `bytes` bytes of the source (the packet from `offset` on, or the piece) that begin at `sequence`: the very
 * next of the stream. Caller owns the stream. `apart`: of the packet, and what is seldom is not done in this function,
 * so that the cursor takes no room on its stack.
 */
static __always_inline void read_source(struct http_cursor *cursor, u32 offset, u32 bytes, u32 sequence, bool apart)
{
	struct http_work *work = cursor->work;
	struct http_stream *stream = stream_of(cursor->connection, work);

	work->source_bytes = bytes;
	work->source_sequence = sequence;
	if (cursor->piece) {
		work->loaded = offset;
		work->source_bytes += offset;
		work->source_sequence -= offset;
	} else {
		work->loaded = 0;
		work->source_offset = offset;
	}
	work->position = 0;
	work->scan = 0;
	work->used = 0;
	if (stream->line_bytes)
		http_resume_line(cursor->connection, work);
	else if (stream->state <= HTTP_STATE_LAST_OF_LINES)
		load(cursor, bytes < HTTP_LOAD ? bytes : HTTP_LOAD);
	if (!read_more(cursor)) {
		if (apart)
			http_read_on(cursor->skb, cursor->connection, work);
		else
			bpf_loop(HTTP_STEPS_MAX, read_step, cursor, 0);
	}
	stream->next_sequence = sequence + bytes;
	if (work->loaded != work->source_bytes)
		http_lose_stream(cursor->connection, work, DISCARD_REASON_STREAM_GAP);
}

#endif
