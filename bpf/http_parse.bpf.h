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

static __always_inline u32 read_block(struct http_connection *connection, struct http_work *work,
				      struct http_stream *stream)
{
	bool in_request_line = keeps_in_record(work, stream);
	u32 at, scan = work->scan;
	u8 byte;

	at = scan + first_below(work, scan, in_request_line ? EACH_BYTE(' ' + 1) : EACH_BYTE(' '));
	if (at >= work->used || at >= scan + HTTP_BLOCK) {
		work->scan = scan + HTTP_BLOCK < work->used ? scan + HTTP_BLOCK : work->used;
		if (in_request_line && work->scan - work->position + stream->line_dropped > HTTP_START_LINE_MAX)
			refuse_request_line(connection, APPLICATION_PROTOCOL_OTHER);
		return HTTP_STEP_MORE;
	}
	byte = byte_at(work, at);
	work->scan = at;
	if (byte == '\r') {
		if (at + 1 >= work->used)
			return HTTP_STEP_LOAD;
		if (byte_at(work, at + 1) == '\n') {
			http_line_over(connection, work, at, at + 2);
			return HTTP_STEP_MORE;
		}
	}
	if (byte == '\n') {
		http_line_over(connection, work, at, at + 1);
		return HTTP_STEP_MORE;
	}
	work->scan = at + 1;
	if (byte == ' ') {
		if (!stream->spaces)
			stream->first_space = at - work->position;
		if (stream->spaces < 3)
			stream->spaces++;
	} else if (byte == 0 || byte == '\r' || in_request_line) {
		on_forbidden_byte(connection, work, stream);
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

/* One step through the window: enum http_step. */
__noinline int http_read(struct http_connection *connection, struct http_work *work)
{
	struct http_stream *stream;
	u32 left;

	if (!connection || !work)
		return HTTP_STEP_STOP;
	stream = stream_of(connection, work);
	if (stream->state <= HTTP_STATE_LAST_OF_LINES) {
		if (work->scan >= work->used)
			return HTTP_STEP_LOAD;
		if (stream->state == HTTP_STATE_START && !(stream->flags & HTTP_IN_MESSAGE) &&
		    !at_message_start(connection, work, stream))
			return HTTP_STEP_MORE;
		return read_block(connection, work, stream);
	}
	left = work->used - work->position + work->source_bytes - work->loaded;
	if (!left)
		return HTTP_STEP_STOP;
	if (stream->state <= HTTP_STATE_LAST_COUNTED) {
		read_body(connection, work, stream, left);
		return HTTP_STEP_MORE;
	}
	if (stream->state == HTTP_STATE_UNTIL_CLOSE) {
		stream->body_bytes += left;
		stream->message_bytes += left;
	}
	pass_over(work, left);
	return HTTP_STEP_STOP;
}

static long read_step(u32 index, struct http_cursor *cursor)
{
	int step = http_read(cursor->connection, cursor->work);

	ONE_REGISTER(step);
	if (step == HTTP_STEP_LOAD)
		return refill(cursor) ? 0 : 1;
	return step != HTTP_STEP_MORE;
}

/*
 * Reads `bytes` bytes of the source (the packet from `offset` on, or the piece) that begin at `sequence`: the very
 * next of the stream. Caller owns the stream.
 */
static __always_inline void read_source(struct http_cursor *cursor, u32 offset, u32 bytes, u32 sequence)
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
	http_resume_line(cursor->connection, work);
	bpf_loop(HTTP_STEPS_MAX, read_step, cursor, 0);
	stream->next_sequence = sequence + bytes;
	if (work->loaded != work->source_bytes)
		http_lose_stream(cursor->connection, work, DISCARD_REASON_STREAM_GAP);
}

#endif
