/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The way back to where TCP is. The program sees segments that TCP drops afterwards: a second copy of bytes that TCP
 * has not accepted is judged again from the checkpoint, and where that cannot be, nothing is claimed.
 */
#ifndef FLOWSPAN_HTTP_CHECKPOINT_BPF_H
#define FLOWSPAN_HTTP_CHECKPOINT_BPF_H

#include "http_message.bpf.h"

static __always_inline void take_checkpoint(struct http_connection *connection, const struct http_stream *stream)
{
	struct http_checkpoint *checkpoint = &connection->checkpoint;

	checkpoint->taken = 1;
	checkpoint->sequence = stream->next_sequence;
	/* Inside a head the record itself has changed: that cannot be undone. */
	checkpoint->usable = !stream->line_bytes && !stream->line_dropped && stream->state != HTTP_STATE_HEADERS &&
			     stream->state != HTTP_STATE_TRAILERS;
	checkpoint->body_left = stream->body_left;
	checkpoint->message_bytes = stream->message_bytes;
	checkpoint->body_bytes = stream->body_bytes;
	checkpoint->begun = connection->begun;
	checkpoint->answered = connection->answered;
	checkpoint->state = stream->state;
	checkpoint->flags = stream->flags;
}

static long withdraw_request(u32 index, struct http_connection **at)
{
	struct http_connection *connection = *at;

	if (connection->begun == connection->checkpoint.begun)
		return 1;
	free_request(connection, connection->begun - 1);
	__sync_fetch_and_add(&connection->begun, -1);
	return 0;
}

/* Back to where TCP is: it did not take the copy that was read. False if what was made of it cannot be undone. */
static __always_inline bool roll_back(struct http_connection *connection, const struct http_work *work,
				      struct http_stream *stream)
{
	const struct http_checkpoint *checkpoint = &connection->checkpoint;

	if (!checkpoint->usable)
		return false;
	if (work->direction == HTTP_REQUEST) {
		if (before(checkpoint->begun, connection->answered))
			return false;
		bpf_loop(HTTP_PIPELINE_MAX + 1, withdraw_request, &connection, 0);
	} else {
		if (before(checkpoint->answered, connection->released))
			return false;
		connection->answered = checkpoint->answered;
	}
	stream->next_sequence = checkpoint->sequence;
	stream->judged_end = checkpoint->sequence;
	stream->body_left = checkpoint->body_left;
	stream->message_bytes = checkpoint->message_bytes;
	stream->body_bytes = checkpoint->body_bytes;
	stream->state = checkpoint->state;
	stream->flags = checkpoint->flags;
	stream->line_bytes = 0;
	stream->line_dropped = 0;
	stream->spaces = 0;
	return true;
}

struct http_doubt {
	struct http_connection *connection;
	u32 number;
	u32 direction;
};

static long doubt_request(u32 index, struct http_doubt *doubt)
{
	struct http_request *request;

	if (doubt->number == doubt->connection->begun)
		return 1;
	request = request_at(doubt->connection, doubt->number);
	doubt->number++;
	if (!request)
		return 0;
	if (doubt->direction == HTTP_REQUEST)
		request->start_line_read = 0;
	else
		request->status_code = 0;
	return 0;
}

/* What was read since the checkpoint may not be what counted: no row may claim it. */
static __always_inline void doubt_what_was_read(struct http_connection *connection, const struct http_work *work)
{
	const struct http_checkpoint *checkpoint = &connection->checkpoint;
	struct http_doubt doubt = {.connection = connection, .direction = work->direction};

	if (work->direction == HTTP_REQUEST) {
		doubt.number = checkpoint->begun - !!(checkpoint->flags & HTTP_IN_MESSAGE);
	} else {
		doubt.number = checkpoint->answered;
		if (!before(checkpoint->answered, connection->released))
			connection->answered = checkpoint->answered;
	}
	bpf_loop(HTTP_PIPELINE_MAX + 1, doubt_request, &doubt, 0);
	http_lose_stream(connection, work, DISCARD_REASON_STREAM_GAP);
}

#endif
