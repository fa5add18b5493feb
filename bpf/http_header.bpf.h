/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Header lines: Content-Length and Transfer-Encoding frame the message, Host and traceparent are kept. */
#ifndef FLOWSPAN_HTTP_HEADER_BPF_H
#define FLOWSPAN_HTTP_HEADER_BPF_H

#include "http_line.bpf.h"

#define CONTENT_ WORD('c', 'o', 'n', 't', 'e', 'n', 't', '-')
#define LENGTH WORD('l', 'e', 'n', 'g', 't', 'h', 0, 0)
#define TRANSFER WORD('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')
#define _ENCODIN WORD('-', 'e', 'n', 'c', 'o', 'd', 'i', 'n')
#define HOST WORD('h', 'o', 's', 't', 0, 0, 0, 0)
#define TRACEPAR WORD('t', 'r', 'a', 'c', 'e', 'p', 'a', 'r')
#define ENT WORD('e', 'n', 't', 0, 0, 0, 0, 0)

enum http_header_name {
	HTTP_HEADER_OTHER = 0,
	HTTP_HEADER_CONTENT_LENGTH,
	HTTP_HEADER_TRANSFER_ENCODING,
	HTTP_HEADER_HOST,
	HTTP_HEADER_TRACEPARENT,
};

/* Which header it is, and how long its name. */
static __always_inline u8 header_name(const struct http_work *work, u32 begin, u32 *name_bytes)
{
	u64 first = word_at(work, begin) | LOWER_CASE, second;

	if ((first & FIRST_BYTES(4)) == HOST) {
		*name_bytes = 4;
		return HTTP_HEADER_HOST;
	}
	if (first != CONTENT_ && first != TRANSFER && first != TRACEPAR)
		return HTTP_HEADER_OTHER;
	second = word_at(work, begin + 8) | LOWER_CASE;
	if (first == CONTENT_ && (second & FIRST_BYTES(6)) == LENGTH) {
		*name_bytes = 14;
		return HTTP_HEADER_CONTENT_LENGTH;
	}
	if (first == TRANSFER && second == _ENCODIN && (byte_at(work, begin + 16) | 0x20) == 'g') {
		*name_bytes = 17;
		return HTTP_HEADER_TRANSFER_ENCODING;
	}
	if (first == TRACEPAR && (second & FIRST_BYTES(3)) == ENT) {
		*name_bytes = 11;
		return HTTP_HEADER_TRACEPARENT;
	}
	return HTTP_HEADER_OTHER;
}

/*
 * A line that would not be kept whole if its segment ended in it, or behind its CR, is not believed when it comes in one
 * piece either.
 */
static __always_inline bool is_too_long(struct http_span line)
{
	return line.end - line.begin >= HTTP_LINE_KEPT - 1;
}

static __always_inline void content_length(const struct http_work *work, struct http_stream *stream,
					   struct http_span value)
{
	/* Twice, or beside chunks: no two readers agree. */
	if ((stream->flags & HTTP_FRAMED) || !trim(work, &value) || !decimal(work, value, &stream->body_left))
		stream->flags |= HTTP_INVALID;
	stream->flags |= HTTP_HAS_LENGTH;
}

static __always_inline void transfer_encoding(const struct http_work *work, struct http_stream *stream,
					      struct http_span value)
{
	if ((stream->flags & HTTP_FRAMED) || stream->version != 11 || !trim(work, &value) ||
	    !ends_in_chunked(work, value))
		stream->flags |= HTTP_INVALID;
	stream->flags |= HTTP_CHUNKED;
}

/* Highest place in the text of a host and of a traceparent: behind everything else. */
#define HTTP_HOST_AT_MAX (HTTP_METHOD_MAX + HTTP_TARGET_MAX + HTTP_TRACEPARENT_MAX)
#define HTTP_TRACEPARENT_AT_MAX (HTTP_METHOD_MAX + HTTP_TARGET_MAX + HTTP_HOST_MAX)

static __always_inline void host(const struct http_work *work, struct http_stream *stream, struct http_request *request,
				 struct http_span value)
{
	u32 bytes, at = request->method_length + request->target_length + request->traceparent_length;

	/* Two of them name no host. */
	if ((stream->flags & HTTP_HAS_HOST) || !trim(work, &value)) {
		stream->flags |= HTTP_HAS_HOST;
		request->host_length = 0;
		return;
	}
	stream->flags |= HTTP_HAS_HOST;
	bytes = value.end - value.begin;
	if (bytes > HTTP_HOST_MAX) {
		bytes = HTTP_HOST_MAX;
		request->text_truncated = 1;
	}
	copy_text(request, at, HTTP_HOST_AT_MAX, work, value.begin, bytes, HTTP_HOST_MAX);
	request->host_at = at;
	request->host_length = bytes;
}

static __always_inline void traceparent(const struct http_work *work, struct http_stream *stream,
					struct http_request *request, struct http_span value)
{
	u32 bytes, at = request->method_length + request->target_length + request->host_length;

	/* Two of them are none (W3C Trace Context 3.2.1). */
	if ((stream->flags & HTTP_HAS_TRACEPARENT) || !trim(work, &value)) {
		stream->flags |= HTTP_HAS_TRACEPARENT;
		request->traceparent_length = 0;
		return;
	}
	stream->flags |= HTTP_HAS_TRACEPARENT;
	bytes = value.end - value.begin;
	if (bytes > HTTP_TRACEPARENT_MAX)
		bytes = HTTP_TRACEPARENT_MAX;
	copy_text(request, at, HTTP_TRACEPARENT_AT_MAX, work, value.begin, bytes, HTTP_TRACEPARENT_MAX);
	request->traceparent_at = at;
	request->traceparent_length = bytes;
}

/* `request` is the one the head belongs to: its own for a request, the one it answers for a response; may be NULL. */
static __always_inline void header_line(const struct http_work *work, struct http_stream *stream,
					struct http_request *request, struct http_span line)
{
	bool is_request = work->direction == HTTP_REQUEST;
	struct http_span value = {.end = line.end};
	u32 name_bytes = 0;
	u8 name, colon;

	if (is_blank(byte_at(work, line.begin))) {
		/* obs-fold: continues the line before. Behind one that matters it is refused (RFC 9112 5.2). */
		if (stream->flags & HTTP_FOLD_MATTERS)
			stream->flags |= HTTP_INVALID;
		return;
	}
	stream->flags &= ~HTTP_FOLD_MATTERS;
	name = header_name(work, line.begin, &name_bytes);
	if (name == HTTP_HEADER_OTHER || (!is_request && name > HTTP_HEADER_TRANSFER_ENCODING))
		return;
	value.begin = line.begin + name_bytes;
	colon = value.begin < line.end ? byte_at(work, value.begin) : 0;
	if (colon != ':') {
		/* "Content-Length :" is read by some and not by others; "Host-Override:" is another header. */
		if (colon == 0 || is_blank(colon))
			stream->flags |= HTTP_INVALID;
		return;
	}
	value.begin++;
	stream->flags |= HTTP_FOLD_MATTERS;
	if (name <= HTTP_HEADER_TRANSFER_ENCODING && is_too_long(line))
		stream->flags |= HTTP_INVALID;
	if (name == HTTP_HEADER_CONTENT_LENGTH)
		content_length(work, stream, value);
	else if (name == HTTP_HEADER_TRANSFER_ENCODING)
		transfer_encoding(work, stream, value);
	else if (name == HTTP_HEADER_HOST && request)
		host(work, stream, request, value);
	else if (name == HTTP_HEADER_TRACEPARENT && request)
		traceparent(work, stream, request, value);
}

#endif
