/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The lines that matter: first lines, the headers that frame a message or are kept, chunk sizes. */
#ifndef FLOWSPAN_HTTP_LINE_BPF_H
#define FLOWSPAN_HTTP_LINE_BPF_H

#include "http_scan.bpf.h"

/* " HTTP/1.1" */
#define HTTP_VERSION_BYTES 9
#define HTTP_VERSION_1 WORD('H', 'T', 'T', 'P', '/', '1', '.', 0)
#define CHUNKED WORD('c', 'h', 'u', 'n', 'k', 'e', 'd', 0)
#define HTTP_VERSION_2_0 WORD('H', 'T', 'T', 'P', '/', '2', '.', '0')
/* White space around a framing header's value beyond this is refused. */
#define HTTP_BLANKS_MAX 8
/* Digits of a length: less than 2^63. */
#define HTTP_DIGITS_MAX 18
#define HTTP_HEX_DIGITS_MAX 15

enum http_line {
	HTTP_LINE_OK = 0,
	HTTP_LINE_INVALID,
	HTTP_LINE_HTTP2,	/* the first line of HTTP/2 with prior knowledge */
};

/* A span of the window, without its line end. */
struct http_span {
	u32 begin;
	u32 end;
};

/* 10 or 11 for HTTP/1.0 and HTTP/1.1 and above, else 0. */
static __always_inline u8 version_of(u64 word)
{
	u8 minor = word >> 56;

	if ((word & FIRST_BYTES(7)) != HTTP_VERSION_1 || minor < '0' || minor > '9')
		return 0;
	return minor == '0' ? 10 : 11;
}

static __always_inline bool is_method(const struct http_work *work, u32 begin, u32 length)
{
	if (length <= 8 && is_upper_case(word_at(work, begin), length))
		return true;
	for (u32 i = 0; i < HTTP_METHOD_MAX; i++) {
		if (i >= length)
			return true;
		if (!is_token_byte(byte_at(work, begin + i)))
			return false;
	}
	return length == HTTP_METHOD_MAX;
}

static __always_inline u8 method_of(u64 word)
{
	if ((word & FIRST_BYTES(5)) == WORD('H', 'E', 'A', 'D', ' ', 0, 0, 0))
		return HTTP_METHOD_HEAD;
	if (word == WORD('C', 'O', 'N', 'N', 'E', 'C', 'T', ' '))
		return HTTP_METHOD_CONNECT;
	return HTTP_METHOD_OTHER;
}

/* Copied word by word, because a helper costs more; what is copied too much is overwritten or never sent. */
#define HTTP_SHORT_TEXT 64

static __always_inline void copy_short_text(u8 *to, const u8 *from)
{
#pragma unroll
	for (u32 i = 0; i < HTTP_SHORT_TEXT; i += 8)
		*(u64 *)(to + i) = *(const u64 *)(from + i);
}

/* Copies part of the window into the text. The limits are constants: the verifier needs them. */
static __always_inline void copy_text(struct http_request *request, u32 to, u32 to_limit, const struct http_work *work,
				      u32 from, u32 bytes, u32 bytes_limit)
{
	ONE_REGISTER(to);
	ONE_REGISTER(from);
	ONE_REGISTER(bytes);
	if (to > to_limit || from > HTTP_WINDOW || bytes > bytes_limit)
		return;
	if (bytes > HTTP_SHORT_TEXT) {
		bpf_probe_read_kernel(request->text + to, bytes, work->window + from);
		return;
	}
	copy_short_text((u8 *)request->text + to, work->window + from);
}

/* The method, as far as the line goes: also for a line that never ends. 0 if that is no method. */
static __always_inline u32 method_length(const struct http_work *work, const struct http_stream *stream, u32 begin)
{
	u32 length = stream->first_space;

	if (!stream->spaces || length == 0 || length > HTTP_METHOD_MAX || !is_method(work, begin, length))
		return 0;
	return length;
}

static __always_inline void keep_request_line(const struct http_work *work, struct http_request *request, u32 begin,
					      u32 method_bytes, u32 target_bytes)
{
	if (target_bytes > HTTP_TARGET_MAX) {
		target_bytes = HTTP_TARGET_MAX;
		request->text_truncated = 1;
	}
	request->method = method_of(word_at(work, begin));
	copy_text(request, 0, 0, work, begin, method_bytes, HTTP_METHOD_MAX);
	copy_text(request, method_bytes, HTTP_METHOD_MAX, work, begin + method_bytes + 1, target_bytes, HTTP_TARGET_MAX);
	request->method_length = method_bytes;
	request->target_length = target_bytes;
	request->start_line_read = 1;
}

/* method SP request-target SP HTTP/1.x, with exactly these two spaces (RFC 9112 3). */
static __always_inline int request_line(const struct http_work *work, struct http_stream *stream,
					struct http_request *request, struct http_span line)
{
	u32 length = line.end - line.begin, method_bytes;
	u64 version;
	u8 number;

	method_bytes = method_length(work, stream, line.begin);
	if (!method_bytes || stream->spaces != 2 || length < method_bytes + 2 + HTTP_VERSION_BYTES)
		return HTTP_LINE_INVALID;
	version = word_at(work, line.end - 8);
	if (byte_at(work, line.end - HTTP_VERSION_BYTES) != ' ')
		return HTTP_LINE_INVALID;
	number = version_of(version);
	if (!number) {
		bool preface = version == HTTP_VERSION_2_0 &&
			       (word_at(work, line.begin) & FIRST_BYTES(6)) == WORD('P', 'R', 'I', ' ', '*', ' ', 0, 0);

		return preface ? HTTP_LINE_HTTP2 : HTTP_LINE_INVALID;
	}
	stream->version = number;
	request->http_version = number;
	keep_request_line(work, request, line.begin, method_bytes, length - method_bytes - 1 - HTTP_VERSION_BYTES);
	return HTTP_LINE_OK;
}

/* HTTP/1.x SP 3DIGIT (SP reason)?: the code, or 0. */
static __always_inline u16 status_line(const struct http_work *work, struct http_stream *stream, struct http_span line)
{
	u64 code = word_at(work, line.begin + 8);
	u8 hundreds = (code >> 8) - '0', tens = (code >> 16) - '0', ones = (code >> 24) - '0';

	stream->version = version_of(word_at(work, line.begin));
	if (line.end - line.begin < 12 || !stream->version || (u8)code != ' ')
		return 0;
	if (hundreds < 1 || hundreds > 9 || tens > 9 || ones > 9)
		return 0;
	if (line.end - line.begin > 12 && (u8)(code >> 32) != ' ')
		return 0;
	return hundreds * 100 + tens * 10 + ones;
}

/* Cuts the white space around; false if there is more of it than anybody sends. */
static __always_inline bool trim(const struct http_work *work, struct http_span *value)
{
	int i;

	for (i = 0; i < HTTP_BLANKS_MAX; i++) {
		if (value->begin >= value->end || !is_blank(byte_at(work, value->begin)))
			break;
		value->begin++;
	}
	if (i == HTTP_BLANKS_MAX)
		return false;
	for (i = 0; i < HTTP_BLANKS_MAX; i++) {
		if (value->begin >= value->end || !is_blank(byte_at(work, value->end - 1)))
			break;
		value->end--;
	}
	return i < HTTP_BLANKS_MAX;
}

/* 1*DIGIT, nothing else; false for what is no such number. */
static __always_inline bool decimal(const struct http_work *work, struct http_span value, u64 *number)
{
	u32 digits = value.end - value.begin;
	u64 sum = 0;

	if (digits == 0 || digits > HTTP_DIGITS_MAX)
		return false;
	for (u32 i = 0; i < HTTP_DIGITS_MAX; i++) {
		u8 digit;

		if (i >= digits)
			break;
		digit = byte_at(work, value.begin + i) - '0';
		if (digit > 9)
			return false;
		sum = sum * 10 + digit;
	}
	*number = sum;
	return true;
}

/* chunk-size BWS (; extension)?: false for what is no such line. */
static __always_inline bool chunk_size(const struct http_work *work, struct http_span line, u64 *number)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i <= HTTP_HEX_DIGITS_MAX; i++) {
		u8 byte = line.begin + i < line.end ? byte_at(work, line.begin + i) : ';', digit;

		if (byte == ';' || is_blank(byte))
			break;
		digit = byte - '0';
		if (digit > 9) {
			digit = (byte | 0x20) - 'a';
			if (digit > 5)
				return false;
			digit += 10;
		}
		sum = sum << 4 | digit;
	}
	*number = sum;
	return i > 0 && i <= HTTP_HEX_DIGITS_MAX;
}

/* True if the last transfer coding is "chunked" and a coding of its own. */
static __always_inline bool ends_in_chunked(const struct http_work *work, struct http_span value)
{
	u32 length = value.end - value.begin;
	u8 before;

	if (length < 7)
		return false;
	if (((word_at(work, value.end - 7) | LOWER_CASE) & FIRST_BYTES(7)) != CHUNKED)
		return false;
	if (length == 7)
		return true;
	before = byte_at(work, value.end - 8);
	return before == ',' || is_blank(before);
}

#endif
