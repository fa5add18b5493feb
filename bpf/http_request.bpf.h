/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The requests of a connection: begun, answered, and written out when nothing more can happen to them. */
#ifndef FLOWSPAN_HTTP_REQUEST_BPF_H
#define FLOWSPAN_HTTP_REQUEST_BPF_H

#include "http_line.bpf.h"

static __always_inline bool before(u32 a, u32 b)
{
	return (s32)(a - b) < 0;
}

/* The request with this number, or NULL once it was written out. */
static __always_inline struct http_request *request_at(struct http_connection *connection, u32 number)
{
	struct http_key key = {.connection_id = connection->id, .number = number};

	if (connection->slot_owner == number + 1)
		return &connection->slot;
	return bpf_map_lookup_elem(&http_pipelined, &key);
}

/* The request that is being read, if the stream is inside one. */
static __always_inline struct http_request *request_being_read(struct http_connection *connection)
{
	return request_at(connection, connection->begun - 1);
}

static __always_inline struct http_request *allocate_request(struct http_connection *connection, u32 number)
{
	struct http_key key = {.connection_id = connection->id, .number = number};
	struct http_request *empty;
	u32 zero = 0;

	if (!connection->slot_owner) {
		struct http_request *slot = &connection->slot;

		__builtin_memset(slot, 0, offsetof(struct http_request, text));
		connection->slot_owner = number + 1;
		return slot;
	}
	if (number - connection->released >= HTTP_PIPELINE_MAX)
		return NULL;
	empty = bpf_map_lookup_elem(&http_empty_request, &zero);
	if (!empty || bpf_map_update_elem(&http_pipelined, &key, empty, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&http_pipelined, &key);
}

static __always_inline void free_request(struct http_connection *connection, u32 number)
{
	struct http_key key = {.connection_id = connection->id, .number = number};

	if (connection->slot_owner == number + 1)
		connection->slot_owner = 0;
	else
		bpf_map_delete_elem(&http_pipelined, &key);
}

/* Sequence number of the first byte that is not used up. */
static __always_inline u32 sequence_now(const struct http_work *work)
{
	return work->source_sequence + work->loaded - (work->used - work->position);
}

/*
 * Place of a byte in its stream, as in the records. It is its sequence number, unless bytes went past TCP before: they count
 * on from where TCP began, and TCP's bytes behind them.
 */
static __always_inline u32 place_of(const struct http_stream *stream, u32 sequence)
{
	return sequence + stream->bytes_past_tcp;
}

/* First byte of a request. False if there is no room to remember it. */
static __always_inline bool begin_request(struct http_connection *connection, const struct http_work *work)
{
	u32 number = connection->begun;
	struct http_request *request = allocate_request(connection, number);

	if (!request)
		return false;
	request->first_ns = work->now;
	request->begin = work->evidence;
	request->request_sequence = place_of(&connection->streams[HTTP_REQUEST], sequence_now(work));
	request->past_tcp = work->segment.past_tcp;
	if (number == connection->answered) {
		connection->max_rtt_us = 0;
		connection->rtt_floor_us = work->rtt_floor_us;
	}
	__sync_fetch_and_add(&connection->begun, 1);
	return true;
}

/* The oldest request without an answer, or NULL if nobody asked. */
static __always_inline struct http_request *request_being_answered(struct http_connection *connection)
{
	if (connection->answered == connection->begun)
		return NULL;
	return request_at(connection, connection->answered);
}

/* The answer to the oldest request is over, one way or another. */
static __always_inline void answer_request(struct http_connection *connection, struct http_request *request,
					   const struct http_stream *response, u64 now, u32 sequence, u8 request_end)
{
	request->response_bytes = response->message_bytes;
	request->response_body_bytes = response->body_bytes;
	request->request_end = request_end;
	request->response_last_ns = now;
	request->response_end = sequence;
	__sync_fetch_and_add(&connection->answered, 1);
}

static long abandon_one(u32 index, struct http_connection **at)
{
	struct http_connection *connection = *at;
	struct http_request *request = request_being_answered(connection);

	if (connection->answered == connection->begun)
		return 1;
	if (request) {
		request->request_end = connection->abandoned_end;
		request->response_last_ns = connection->abandoned_ns;
		request->response_end = connection->streams[HTTP_RESPONSE].next_sequence;
	}
	__sync_fetch_and_add(&connection->answered, 1);
	return 0;
}

/* Of the message that is being read. */
static __always_inline u64 bytes_read(const struct http_stream *stream)
{
	return stream->message_bytes + stream->line_bytes + stream->line_dropped;
}

/* What was read of the current request, which is returned, is all there will be. NULL if none is being read. */
static __always_inline struct http_request *leave_request(struct http_connection *connection)
{
	struct http_stream *stream = &connection->streams[HTTP_REQUEST];
	struct http_request *request;

	if (!(stream->flags & HTTP_IN_MESSAGE))
		return NULL;
	request = request_being_read(connection);
	if (!request)
		return NULL;
	request->request_bytes = bytes_read(stream);
	request->request_body_bytes = stream->body_bytes;
	request->request_over = 1;
	return request;
}

/* No answer to any request so far will be seen. */
static __always_inline void abandon_requests(struct http_connection *connection, u64 now, u8 request_end)
{
	struct http_stream *response = &connection->streams[HTTP_RESPONSE];
	struct http_request *current = request_being_answered(connection);

	/* What was seen of an answer that broke off belongs to the first of them. */
	if (current && bytes_read(response)) {
		current->response_bytes = bytes_read(response);
		current->response_body_bytes = response->body_bytes;
	}
	/* Where it would have begun is known at both ends, also if only one of them has seen it begin. */
	if (current && response->state == HTTP_STATE_START && !current->response_sequence)
		current->response_sequence = place_of(response, response->next_sequence);
	connection->abandoned_ns = now;
	connection->abandoned_end = request_end;
	bpf_loop(HTTP_PIPELINE_MAX + 1, abandon_one, &connection, 0);
}

/* The request was read to its end; `late`: with a hole in it that TCP is still waiting for. */
static __always_inline void end_request(struct http_request *request, const struct http_stream *stream, u64 now,
					bool late)
{
	request->request_bytes = stream->message_bytes;
	request->request_body_bytes = stream->body_bytes;
	request->request_last_ns = now;
	request->request_late = late;
	request->request_over = 1;
}

#endif
