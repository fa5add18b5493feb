/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From message to message: what begins, which body follows a head, and what is over. */
#ifndef FLOWSPAN_HTTP_MESSAGE_BPF_H
#define FLOWSPAN_HTTP_MESSAGE_BPF_H

#include "http_header.bpf.h"
#include "http_request.bpf.h"

static __always_inline struct http_stream *stream_of(struct http_connection *connection, const struct http_work *work)
{
	return &connection->streams[work->direction & 1];
}

static __always_inline void reset_message(struct http_stream *stream)
{
	stream->state = HTTP_STATE_START;
	stream->flags = 0;
	stream->body_left = 0;
	stream->message_bytes = 0;
	stream->body_bytes = 0;
	stream->status_code = 0;
	stream->version = 0;
}

static __always_inline void lose_sight(struct http_connection *connection, u32 direction)
{
	connection->streams[direction & 1].state = HTTP_STATE_LOST;
	connection->lost[direction & 1] = 1;
}

/* From here on the request stream means nothing to us. */
static __always_inline void lose_requests(struct http_connection *connection, u32 reason)
{
	struct http_stream *stream = &connection->streams[HTTP_REQUEST];

	struct http_request *request = leave_request(connection);

	count_discard(reason);
	if (request && reason != DISCARD_REASON_MALFORMED_HTTP)
		request->sight_lost = 1;
	reset_message(stream);
	stream->line_bytes = 0;
	lose_sight(connection, HTTP_REQUEST);
}

static __always_inline void lose_responses(struct http_connection *connection, u32 reason, u64 now)
{
	struct http_stream *stream = &connection->streams[HTTP_RESPONSE];

	count_discard(reason);
	abandon_requests(connection, now, REQUEST_END_LOST_SIGHT);
	reset_message(stream);
	stream->line_bytes = 0;
	lose_sight(connection, HTTP_RESPONSE);
}

/* A global function, for the verifier's sake; as are the others named http_*. */
__noinline int http_lose_stream(struct http_connection *connection, const struct http_work *work, u32 reason)
{
	if (!connection || !work)
		return 0;
	if (work->direction == HTTP_REQUEST)
		lose_requests(connection, reason);
	else
		lose_responses(connection, reason, work->now);
	return 0;
}

/* First byte of a response, or, behind an interim one, of the final one. */
static __always_inline void begin_response(struct http_connection *connection, const struct http_work *work,
					   struct http_stream *stream)
{
	struct http_request *request;

	/* An answer that nobody asked for, such as 408 on an idle connection. */
	if (connection->answered == connection->begun) {
		lose_sight(connection, HTTP_RESPONSE);
		return;
	}
	request = request_being_answered(connection);
	if (request && !stream->message_bytes) {
		request->response_sequence = place_of(stream, sequence_now(work));
		request->past_tcp |= work->segment.past_tcp;
	}
}

/* First byte of a message. */
static __always_inline void begin_message(struct http_connection *connection, const struct http_work *work,
					  struct http_stream *stream)
{
	stream->first_ns = work->now;
	stream->flags |= HTTP_IN_MESSAGE | HTTP_FOLD_MATTERS;
	if (work->direction == HTTP_RESPONSE) {
		begin_response(connection, work, stream);
		return;
	}
	if (connection->lost[HTTP_RESPONSE]) {
		lose_sight(connection, HTTP_REQUEST);
	} else if (!begin_request(connection, work)) {
		stream->flags &= ~HTTP_IN_MESSAGE;
		connection->lost_for_good = 1;
		lose_requests(connection, DISCARD_REASON_PIPELINE_DEPTH);
	}
}

/* The last byte of a message was read: the one before sequence_now(). */
__noinline int http_message_over(struct http_connection *connection, const struct http_work *work)
{
	struct http_stream *stream;
	bool late;

	if (!connection || !work)
		return 0;
	stream = stream_of(connection, work);
	late = work->segment.ingress && connection->passed;
	if (work->direction == HTTP_REQUEST) {
		struct http_request *request = request_being_read(connection);

		if (request) /* else answered early, and written out */
			end_request(request, stream, work->now, late);
	} else {
		struct http_request *request = request_being_answered(connection);

		if (request)
			request->response_late = late;
		if (request)
			answer_request(connection, request, stream, work->now, sequence_now(work),
				       REQUEST_END_COMPLETE);
	}
	reset_message(stream);
	return 0;
}

static __always_inline void request_head_over(struct http_connection *connection, const struct http_work *work,
						struct http_stream *stream)
{
	struct http_request *request = request_being_read(connection);

	if (request) {
		request->head_end = place_of(stream, sequence_now(work));
		request->head_read = 1;
	}
	if (stream->flags & HTTP_INVALID) {
		lose_requests(connection, DISCARD_REASON_MALFORMED_HTTP);
	} else if (request && request->method == HTTP_METHOD_CONNECT) {
		http_message_over(connection, work);
		stream->state = HTTP_STATE_TUNNEL;
	} else if (stream->flags & HTTP_CHUNKED) {
		stream->state = HTTP_STATE_CHUNK_SIZE;
	} else if (stream->body_left) {
		stream->state = HTTP_STATE_BODY;
	} else {
		http_message_over(connection, work);
	}
}

/* The bytes that follow are another protocol's. */
static __always_inline void take_over(struct http_connection *connection, const struct http_work *work,
				      struct http_stream *stream, struct http_request *request)
{
	answer_request(connection, request, stream, work->now, sequence_now(work),
		       REQUEST_END_UPGRADED);
	reset_message(stream);
	stream->state = HTTP_STATE_STOPPED;
	connection->streams[HTTP_REQUEST].state = HTTP_STATE_STOPPED;
	connection->lost[HTTP_REQUEST] = 0;
}

/* RFC 9112 6.3: which body follows, in this order. */
static __always_inline void response_head_over(struct http_connection *connection, const struct http_work *work,
						struct http_stream *stream)
{
	struct http_request *request = request_being_answered(connection);
	u16 status = stream->status_code;

	if (!request) {
		lose_responses(connection, DISCARD_REASON_MALFORMED_HTTP, work->now);
		return;
	}
	if (status == 101) {
		request->status_code = status;
		request->response_first_ns = stream->first_ns;
		take_over(connection, work, stream, request);
		return;
	}
	if (status < 200) {
		/* The final response follows; these bytes are counted with it. */
		stream->state = HTTP_STATE_START;
		stream->flags = HTTP_FOLD_MATTERS;
		stream->body_left = 0;
		return;
	}
	request->status_code = status;
	request->response_first_ns = stream->first_ns;
	if (request->method == HTTP_METHOD_CONNECT) {
		struct http_stream *requests = &connection->streams[HTTP_REQUEST];

		if (status < 300) {
			take_over(connection, work, stream, request);
			return;
		}
		if (requests->state == HTTP_STATE_TUNNEL)
			requests->state = HTTP_STATE_START;
	}
	if (request->method == HTTP_METHOD_HEAD || status == 204 || status == 304)
		http_message_over(connection, work);
	else if (stream->flags & HTTP_INVALID)
		lose_responses(connection, DISCARD_REASON_MALFORMED_HTTP, work->now);
	else if (stream->flags & HTTP_CHUNKED)
		stream->state = HTTP_STATE_CHUNK_SIZE;
	else if (!(stream->flags & HTTP_HAS_LENGTH))
		stream->state = HTTP_STATE_UNTIL_CLOSE;
	else if (stream->body_left)
		stream->state = HTTP_STATE_BODY;
	else
		http_message_over(connection, work);
}

#endif
