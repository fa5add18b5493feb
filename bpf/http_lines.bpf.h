/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What each whole line means where it stands. */
#ifndef FLOWSPAN_HTTP_LINES_BPF_H
#define FLOWSPAN_HTTP_LINES_BPF_H

#include "http_message.bpf.h"

/* A request line that is none: another protocol, or on a connection known to be HTTP a malformed message. */
static __always_inline void refuse_request_line(struct http_connection *connection, u8 instead)
{
	if (connection->confirmed && !connection->joined) {
		lose_requests(connection, DISCARD_REASON_MALFORMED_HTTP);
		return;
	}
	connection->rejected = instead;
	lose_sight(connection, HTTP_REQUEST);
}

static __always_inline void on_request_line(struct http_connection *connection, struct http_work *work,
					   struct http_stream *stream, struct http_span line)
{
	struct http_request *request = request_being_read(connection);
	int result = HTTP_LINE_INVALID;

	if (request)
		result = request_line(work, stream, request, line);
	if (result == HTTP_LINE_OK) {
		connection->confirmed = 1;
		stream->state = HTTP_STATE_HEADERS;
	} else {
		refuse_request_line(connection, result == HTTP_LINE_HTTP2 ? APPLICATION_PROTOCOL_HTTP2 :
									APPLICATION_PROTOCOL_OTHER);
	}
}

static __always_inline void on_status_line(struct http_connection *connection, struct http_work *work,
					   struct http_stream *stream, struct http_span line)
{
	stream->status_code = status_line(work, stream, line);
	if (stream->status_code) {
		connection->joined = 0;
		stream->state = HTTP_STATE_HEADERS;
		return;
	}
	if (connection->joined) {
		struct http_request *request = request_being_answered(connection);

		/* The start in the middle was none after all. */
		if (request)
			request->start_line_read = 0;
	}
	lose_responses(connection, DISCARD_REASON_MALFORMED_HTTP, work->now);
}

static __always_inline void on_header_line(struct http_connection *connection, struct http_work *work,
					   struct http_stream *stream, struct http_span line)
{
	struct http_request *request = NULL;

	if (line.begin != line.end) {
		if (work->direction == HTTP_REQUEST)
			request = request_being_read(connection);
		header_line(work, stream, request, line);
	} else if (work->direction == HTTP_REQUEST) {
		request_head_over(connection, work, stream);
	} else {
		response_head_over(connection, work, stream);
	}
}

static __always_inline void on_chunk_size(struct http_connection *connection, struct http_work *work,
					   struct http_stream *stream, struct http_span line)
{
	if (is_too_long(line) || !chunk_size(work, line, &stream->body_left))
		http_lose_stream(connection, work, DISCARD_REASON_MALFORMED_HTTP);
	else
		stream->state = stream->body_left ? HTTP_STATE_CHUNK_DATA : HTTP_STATE_TRAILERS;
}

/* A line from `position` on is whole, and what follows its line end begins at `next`. Returns where it began. */
static __always_inline u32 use_up_line(struct http_work *work, struct http_stream *stream, u32 next)
{
	u32 begin = work->position;

	stream->message_bytes += next - begin + stream->line_dropped;
	stream->line_dropped = 0;
	work->position = next;
	work->scan = next;
	stream->judged_end = sequence_now(work);
	return begin;
}

/* The first line of a message ends at `end`. */
__noinline int http_first_line(struct http_connection *connection, struct http_work *work, u32 end, u32 next)
{
	struct http_span line = {.end = end};
	struct http_stream *stream;

	if (!connection || !work)
		return 0;
	stream = stream_of(connection, work);
	line.begin = use_up_line(work, stream, next);
	if (work->direction == HTTP_RESPONSE)
		on_status_line(connection, work, stream, line);
	else
		on_request_line(connection, work, stream, line);
	stream->spaces = 0;
	return 0;
}

/* Any other line ends at `end`. */
__noinline int http_line(struct http_connection *connection, struct http_work *work, u32 end, u32 next)
{
	struct http_span line = {.end = end};
	struct http_stream *stream;
	u8 state;

	if (!connection || !work)
		return 0;
	stream = stream_of(connection, work);
	state = stream->state;
	line.begin = use_up_line(work, stream, next);
	stream->spaces = 0;
	if (state == HTTP_STATE_HEADERS) {
		on_header_line(connection, work, stream, line);
	} else if (state == HTTP_STATE_CHUNK_SIZE) {
		on_chunk_size(connection, work, stream, line);
	} else if (line.begin != line.end) {
		if (state == HTTP_STATE_CHUNK_END)
			http_lose_stream(connection, work, DISCARD_REASON_MALFORMED_HTTP);
	} else if (state == HTTP_STATE_CHUNK_END) {
		stream->state = HTTP_STATE_CHUNK_SIZE;
	} else {
		http_message_over(connection, work);
	}
	return 0;
}

/* A byte that no head contains. */
static __always_inline void on_forbidden_byte(struct http_connection *connection, struct http_work *work,
					   struct http_stream *stream)
{
	if (stream->state == HTTP_STATE_START && work->direction == HTTP_REQUEST) {
		refuse_request_line(connection, APPLICATION_PROTOCOL_OTHER);
	} else if (stream->state == HTTP_STATE_HEADERS) {
		stream->flags |= HTTP_INVALID;
	} else {
		/* The line does not count, however much of it was in earlier segments. */
		stream->line_dropped = 0;
		http_lose_stream(connection, work, DISCARD_REASON_MALFORMED_HTTP);
	}
}

#endif
