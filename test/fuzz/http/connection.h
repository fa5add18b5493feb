/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One connection through the natively compiled parser, and what must hold after every segment. */
#ifndef FLOWSPAN_FUZZ_CONNECTION_H
#define FLOWSPAN_FUZZ_CONNECTION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/http/parser.bpf.c"
#include "shim.h"

/* Sequence number of the first byte of both streams: soon wraps. */
#define FIRST 0xfffff000u
#define PAYLOAD_MAX 65000u

struct bytes {
	const u8 *at;
	size_t length;
};

#define MUST(condition)                    \
	do {                               \
		if (!(condition))          \
			shim_fail(#condition); \
	} while (0)

static struct http_connection *connection_now(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&told_connection, &zero);
}

static void check_state(void)
{
	const struct http_connection *connection = connection_now();
	u32 zero = 0;
	const struct http_work *work = bpf_map_lookup_elem(&http_work_slots, &zero);

	MUST(connection->begun - connection->released <= HTTP_PIPELINE_MAX + 1);
	MUST(connection->answered - connection->released <= connection->begun - connection->released);
	MUST(connection->releasing == 0);
	MUST(connection->pieces <= HTTP_PIECES_MAX);
	MUST(shim_entries(&http_pieces) == connection->pieces);
	MUST(shim_entries(&http_pipelined) <= connection->begun - connection->released);
	for (int i = 0; i < 2; i++) {
		const struct http_stream *stream = &connection->streams[i];

		MUST(stream->state <= HTTP_STATE_LOST);
		MUST(stream->line_bytes <= REQUEST_TEXT_MAX);
		MUST(stream->state <= HTTP_STATE_LAST_OF_LINES || stream->state == HTTP_STATE_STOPPED ||
		     !stream->line_bytes);
	}
	MUST(work->used <= HTTP_WINDOW + HTTP_LOAD);
	MUST(work->position <= work->used);
}

/* Tells the program one thing. Returns enum application_protocol. */
static u32 tell(struct told_segment told, struct bytes payload)
{
	size_t head = ETHERNET_BYTES + sizeof(told), length = head + payload.length;
	u8 *packet = malloc(length);
	struct __sk_buff skb = {.len = length};
	int protocol;

	memset(packet, 0, ETHERNET_BYTES);
	memcpy(packet + ETHERNET_BYTES, &told, sizeof(told));
	if (payload.length)
		memcpy(packet + head, payload.at, payload.length);
	shim_packet = (struct shim_packet){packet, length};
	shim_iterations = 0;
	protocol = tell_segment(&skb);
	MUST(shim_iterations <= 8 * (payload.length + HTTP_PIECES_MAX * HTTP_PIECE) + 20000);
	free(packet);
	check_state();
	return protocol;
}

static const struct bytes nothing = {0};

static void begin_connection(void)
{
	shim_forget_records();
	tell((struct told_segment){.now = 1, .action = TOLD_BEGIN, .sequence = FIRST, .accepted = FIRST}, nothing);
}

static void close_connection(void)
{
	tell((struct told_segment){.now = 1, .action = TOLD_CLOSE, .confirmed = 1u << 30}, nothing);
	MUST(!shim_entries(&http_pieces) && !shim_entries(&http_pipelined));
}

/* `part` of a stream, that begins `at` bytes behind its begin. */
static u32 tell_payload(u32 direction, bool ingress, u32 at, u32 accepted, struct bytes part)
{
	u32 sequence = FIRST + at;

	return tell((struct told_segment){.now = 1,
					  .direction = direction,
					  .ingress = ingress,
					  .sequence = sequence,
					  .accepted = FIRST + accepted,
					  .confirmed = sequence + part.length + (1u << 30)},
		    part);
}

static bool holds(struct bytes in, const void *text, size_t length)
{
	for (size_t at = 0; at + length <= in.length; at++)
		if (!memcmp(in.at + at, text, length))
			return true;
	return false;
}

/* A record is as long as it says, and tells nothing that the client did not send. */
static void check_records(struct bytes requests)
{
	for (size_t i = 0; i < shim_record_count; i++) {
		const struct request_record *record = (const void *)shim_records[i].bytes;
		size_t length = shim_records[i].length, texts;
		const char *text = record->text;

		MUST(length >= offsetof(struct request_record, text) && length <= sizeof(*record));
		MUST(record->header.length == length && record->header.record_kind == RECORD_KIND_REQUEST);
		MUST(record->method_length >= 1 && record->method_length <= HTTP_METHOD_MAX);
		MUST(record->target_length >= 1 && record->target_length <= HTTP_TARGET_MAX);
		MUST(record->host_length <= HTTP_HOST_MAX && record->traceparent_length <= HTTP_TRACEPARENT_MAX);
		texts = record->method_length + record->target_length + record->host_length + record->traceparent_length;
		MUST(offsetof(struct request_record, text) + texts == length);
		MUST(record->request_body_bytes <= record->request_bytes);
		MUST(record->response_body_bytes <= record->response_bytes);
		MUST(record->http_version == 10 || record->http_version == 11);
		MUST(holds(requests, text, record->method_length));
		text += record->method_length;
		MUST(holds(requests, text, record->target_length));
		text += record->target_length;
		MUST(holds(requests, text, record->host_length));
		text += record->host_length;
		MUST(holds(requests, text, record->traceparent_length));
	}
}

#endif
