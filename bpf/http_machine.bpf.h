/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads a run of bytes: one line, one block or one body part per step of a bpf_loop. */
#ifndef FLOWSPAN_HTTP_MACHINE_BPF_H
#define FLOWSPAN_HTTP_MACHINE_BPF_H

#include "http_message.bpf.h"

struct http_cursor {
	struct __sk_buff *skb;
	struct http_connection *connection;
	struct http_work *work;
	struct http_piece *piece;	/* NULL: the source is the packet */
};

/* Every step uses up a byte or loads a thousand; the largest packet has 2^16. */
#define HTTP_STEPS_MAX (1 << 18)

/* Of a request line, which is kept where its text will be. */
static __always_inline bool keeps_in_record(const struct http_work *work, const struct http_stream *stream)
{
	return work->direction == HTTP_REQUEST && stream->state == HTTP_STATE_START;
}

static __always_inline bool is_counted(const struct http_stream *stream)
{
	return stream->state == HTTP_STATE_BODY || stream->state == HTTP_STATE_CHUNK_DATA;
}

/* Copies `bytes` of the source to the window's end. */
static __always_inline bool load(struct http_cursor *cursor, u32 bytes)
{
	struct http_work *work = cursor->work;
	u32 to = work->used, from = work->loaded;
	long error;

	ONE_REGISTER(to);
	if (to > HTTP_WINDOW - 1 || !is_from_one_to(&bytes, HTTP_LOAD))
		return false;
	if (cursor->piece) {
		ONE_REGISTER(from);
		if (from >= HTTP_PIECE)
			return false;
		error = bpf_probe_read_kernel(work->window + to, bytes, cursor->piece->data + from);
	} else {
		error = bpf_skb_load_bytes(cursor->skb, work->source_offset + from, work->window + to, bytes);
	}
	if (error)
		return false;
	work->used += bytes;
	work->loaded += bytes;
	return true;
}

/* Makes a line shorter that nobody needs whole: its beginning and its last bytes stay. Returns what was dropped. */
static __always_inline u32 cut_line(struct http_work *work, u32 kept)
{
	u64 first = word_at(work, work->used - 16), second = word_at(work, work->used - 8);
	u32 dropped = work->used - kept;

	*(u64 *)(work->window + kept - 16) = first;
	*(u64 *)(work->window + kept - 8) = second;
	work->scan -= dropped;
	work->used = kept;
	return dropped;
}

/* The line goes on in the next segment. */
static __always_inline void keep_line(struct http_connection *connection, struct http_work *work)
{
	struct http_stream *stream = stream_of(connection, work);
	bool in_record = keeps_in_record(work, stream);
	u32 bytes = work->used - work->position, from = work->position;
	u32 kept = in_record ? REQUEST_TEXT_MAX : HTTP_LINE_KEPT;
	struct http_request *request;

	stream->line_bytes = 0;
	ONE_REGISTER(from);
	if (!bytes || from > HTTP_WINDOW)
		return;
	if (bytes > kept) {
		u64 first = word_at(work, work->used - 16), second = word_at(work, work->used - 8);

		*(u64 *)(work->window + from + kept - 16) = first;
		*(u64 *)(work->window + from + kept - 8) = second;
		stream->line_dropped += bytes - kept;
		bytes = kept;
	}
	stream->line_bytes = bytes;
	stream->judged_end = work->source_sequence + work->loaded;
	ONE_REGISTER(bytes);
	if (in_record) {
		request = request_being_read(connection);
		if (request && bytes <= REQUEST_TEXT_MAX)
			bpf_probe_read_kernel(request->text, bytes, work->window + from);
	} else if (bytes <= HTTP_LINE_KEPT) {
		bpf_probe_read_kernel(connection->lines[work->direction & 1], bytes, work->window + from);
	}
}

/* Puts a line that was not over in front of what follows. */
__noinline int http_resume_line(struct http_connection *connection, struct http_work *work)
{
	struct http_stream *stream;
	u32 bytes;

	if (!connection || !work)
		return 0;
	stream = stream_of(connection, work);
	bytes = stream->line_bytes;
	ONE_REGISTER(bytes);
	if (bytes == 0 || bytes > REQUEST_TEXT_MAX)
		return 0;
	if (keeps_in_record(work, stream)) {
		struct http_request *request = request_being_read(connection);

		if (request)
			bpf_probe_read_kernel(work->window, bytes, request->text);
	} else {
		if (bytes > HTTP_LINE_KEPT)
			return 0;
		bpf_probe_read_kernel(work->window, bytes, connection->lines[work->direction & 1]);
	}
	work->used = bytes;
	/* A CR at the end was seen, but not judged: that takes the byte behind it. */
	work->scan = byte_at(work, bytes - 1) == '\r' ? bytes - 1 : bytes;
	stream->line_bytes = 0;
	return 0;
}

/*
 * Makes room behind the line that is being read, and puts the line's rest away at the source's end. Returns how many
 * bytes to load.
 */
__noinline int http_make_room(struct http_connection *connection, struct http_work *work)
{
	u32 rest;

	if (!connection || !work)
		return 0;
	if (work->source_bytes == work->loaded) {
		keep_line(connection, work);
		return 0;
	}
	if (work->position > 0) {
		/* The line's beginning is in the source: read it again, at the window's begin. */
		work->loaded -= work->used - work->position;
		work->scan -= work->position;
		work->position = 0;
		work->used = 0;
	} else if (work->used > HTTP_WINDOW - HTTP_LINE_TAIL) {
		stream_of(connection, work)->line_dropped += cut_line(work, REQUEST_TEXT_MAX);
	}
	rest = work->source_bytes - work->loaded;
	if (rest > HTTP_LOAD)
		rest = HTTP_LOAD;
	if (rest > HTTP_WINDOW - work->used)
		rest = HTTP_WINDOW - work->used;
	return rest;
}

/* More bytes behind the line that is being read. False at the end of the source. */
static __always_inline bool refill(struct http_cursor *cursor)
{
	return load(cursor, http_make_room(cursor->connection, cursor->work));
}

/* An empty source that begins at `sequence`. */
static __always_inline void stand_at(struct http_work *work, u32 sequence)
{
	work->source_sequence = sequence;
	work->source_bytes = 0;
	work->loaded = 0;
	work->used = 0;
	work->position = 0;
	work->scan = 0;
}

/* Passes over counted bytes, in the window and beyond. */
static __always_inline void pass_over(struct http_work *work, u64 bytes)
{
	u32 in_window = work->used - work->position;

	if (bytes <= in_window) {
		work->position += bytes;
	} else {
		work->loaded += bytes - in_window;
		work->position = 0;
		work->used = 0;
	}
	work->scan = work->position;
}

#endif
