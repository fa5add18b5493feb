/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Payload that goes past TCP: a message that one end writes into the other's queue (redirect.bpf.c). It is read at both
 * ends, as a packet is when it leaves one and when it comes to the other.
 *
 * Such bytes have no sequence number, and all of them come before the first that goes through TCP. So each message is read
 * as if its last byte stood right before TCP's first: then the stream stands where TCP does, and if TCP takes over, or ends
 * the connection, its packets find it there. Records count places instead, which go on: place_of().
 */
#ifndef FLOWSPAN_HTTP_REDIRECTED_BPF_H
#define FLOWSPAN_HTTP_REDIRECTED_BPF_H

#include "http.bpf.h"
#include "psock.bpf.h"

/* Parts of the longest message, and what may lie between two of them: a body. */
#define HTTP_PARTS_MAX (1 << 15)

/* A message, and how far it was read. */
struct http_passage {
	struct sk_msg_md *msg;
	struct http_connection *connection;
	struct http_work *work;
	struct http_part *part;
	u32 end;	/* of the message in its stream */
};

/* Room for a part of a message. */
struct http_part {
	u32 busy;
	u32 reserved;
	struct http_piece piece;
};

#define HTTP_PART_SLOTS 2

/* Messages are read in process context: one process may be put aside for another. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HTTP_PART_SLOTS);
	__type(key, u32);
	__type(value, struct http_part);
} http_part_slots SEC(".maps");

/* Given back by unlocking `busy`; NULL if all are in use. */
static __always_inline struct http_part *take_part(void)
{
#pragma unroll
	for (u32 i = 0; i < HTTP_PART_SLOTS; i++) {
		u32 slot = i;
		struct http_part *part = bpf_map_lookup_elem(&http_part_slots, &slot);

		if (part && try_lock(&part->busy))
			return part;
	}
	return NULL;
}

/* Copies bytes of the message. The kernel makes them one piece first, if they are not. */
static __always_inline bool load_message(struct sk_msg_md *msg, u32 offset, void *to, u32 bytes)
{
	return !bpf_msg_pull_data(msg, offset, offset + bytes, 0) &&
	       !bpf_probe_read_kernel(to, bytes, (void *)(long)msg->data);
}

/* Reads a part of the message's lines. False if its bytes cannot be had. */
static __always_inline bool read_part(struct http_passage *passage, u32 left)
{
	struct http_stream *stream = stream_of(passage->connection, passage->work);
	struct http_piece *piece = &passage->part->piece;
	struct http_cursor cursor = {.connection = passage->connection, .work = passage->work, .piece = piece};
	u32 bytes = left < HTTP_PIECE ? left : HTTP_PIECE, sequence = stream->next_sequence;

	if (!is_from_one_to(&bytes, HTTP_PIECE) ||
	    !load_message(passage->msg, passage->msg->size - left, piece->data, bytes))
		return false;
	piece->sequence = sequence;
	piece->bytes = bytes;
	read_source(&cursor, 0, bytes, sequence, false);
	return true;
}

static long read_on(u32 index, struct http_passage *passage)
{
	struct http_stream *stream = stream_of(passage->connection, passage->work);
	u32 left = passage->end - stream->next_sequence;

	if (!left || reads_nothing(stream))
		return 1;
	if (http_pass_body(passage->connection, passage->work, left))
		return 0;
	return !read_part(passage, left);
}

/* Reads the message into the stream that `work` names. Caller owns the stream. */
__noinline int http_read_message(struct sk_msg_md *msg, struct http_connection *connection, struct http_work *work)
{
	struct http_passage passage = {.msg = msg, .connection = connection, .work = work};
	struct http_stream *stream;

	if (!connection || !work)
		return 0;
	stream = stream_of(connection, work);
	passage.end = stream->next_sequence;
	stream->next_sequence -= msg->size;
	stream->bytes_past_tcp += msg->size;
	passage.part = take_part();
	if (passage.part) {
		bpf_loop(HTTP_PARTS_MAX, read_on, &passage, 0);
		unlock(&passage.part->busy);
	}
	if (stream->next_sequence != passage.end && !reads_nothing(stream))
		http_lose_stream(connection, work, DISCARD_REASON_STREAM_GAP);
	stream->next_sequence = passage.end;
	/* No second copy of it will come. */
	stream->judged_end = passage.end;
	return 0;
}

/* One message on its way. */
struct http_message {
	struct sk_msg_md *msg;
	struct tcp_sock *sender;
	struct tcp_sock *reader;
	u64 now;
	u32 bytes_before;	/* of this stream, past TCP */
	u32 bytes_back;		/* of the other stream, past TCP */
};

/*
 * is_quiet() of a message: the last payload went the other way, and all that was sent was read, whichever way it went. As
 * its sender sees it, whose socket is locked.
 */
static __always_inline bool is_quiet_message(const struct http_message *message, const struct http_packet *packet)
{
	const struct tcp_sock *tp = message->sender;

	return packet->state->payload_direction == (packet->direction ^ 1) + 1 && tp->snd_una == tp->write_seq &&
	       tp->copied_seq == tp->rcv_nxt && !psock_unread((const struct sock *)message->sender) &&
	       !psock_unread((const struct sock *)message->reader);
}

/* What the message begins: HTTP/1 if that may be a request line. */
__noinline int http_begun_by(struct sk_msg_md *msg)
{
	u8 first[HTTP_FIRST_BYTES] = {};
	u32 bytes = msg->size;

	if (bytes > sizeof(first))
		bytes = sizeof(first);
	if (!is_from_one_to(&bytes, sizeof(first)) || !load_message(msg, 0, first, bytes))
		return APPLICATION_PROTOCOL_OTHER;
	return may_be_request(first, bytes) ? APPLICATION_PROTOCOL_HTTP1 : protocol_of(first);
}

/* The streams begin, or begin anew, with this message: what went past TCP before it is not missing. */
static __always_inline void begin_places(const struct http_message *message, const struct http_packet *packet,
					 struct http_connection *connection)
{
	connection->streams[packet->direction & 1].bytes_past_tcp = message->bytes_before;
	connection->streams[(packet->direction & 1) ^ 1].bytes_past_tcp = message->bytes_back;
}

static __always_inline struct http_connection *create_by_message(const struct http_message *message,
								 const struct http_packet *packet, bool joined)
{
	struct http_connection *connection = create_http(packet, packet->sequence, joined);

	if (!connection)
		return NULL;
	begin_places(message, packet, connection);
	connection->past_tcp = 1;
	connection->application_read = message->bytes_before;
	return connection;
}

/* recognise() with a message. */
static __noinline struct http_connection *recognise_message(struct http_message *message, struct http_packet *packet)
{
	struct socket_state *state = packet->state;
	bool is_request = packet->direction == HTTP_REQUEST;

	if (!read_requests) {
		state->payload_seen = PAYLOAD_OPAQUE;
		state->connection.application_protocol = APPLICATION_PROTOCOL_OTHER;
		return NULL;
	}
	if (state->payload_seen == PAYLOAD_NONE && message->bytes_before) {
		state->payload_seen = PAYLOAD_JOINED;
		state->connection.application_protocol = APPLICATION_PROTOCOL_OTHER;
	} else if (state->payload_seen == PAYLOAD_NONE) {
		int protocol = is_request ? http_begun_by(message->msg) : APPLICATION_PROTOCOL_OTHER;

		if (protocol == APPLICATION_PROTOCOL_HTTP1)
			return create_by_message(message, packet, false);
		state->payload_seen = PAYLOAD_OPAQUE;
		state->connection.application_protocol = protocol;
		return NULL;
	}
	if (is_request && is_quiet_message(message, packet) &&
	    http_begun_by(message->msg) == APPLICATION_PROTOCOL_HTTP1)
		return create_by_message(message, packet, true);
	return NULL;
}

static __always_inline bool may_start_anew_by_message(const struct http_message *message,
						      const struct http_packet *packet,
						      const struct http_connection *connection)
{
	return packet->direction == HTTP_REQUEST && connection->lost[HTTP_REQUEST] && !connection->lost_for_good &&
	       !connection->rejected && is_quiet_message(message, packet) &&
	       http_begun_by(message->msg) == APPLICATION_PROTOCOL_HTTP1;
}

/* Caller owns the stream. */
static __always_inline void read_message(struct http_message *message, struct http_packet *packet,
					 struct http_connection *connection, struct http_stream *stream)
{
	struct http_work *work = take_work();

	if (!work)
		return;
	work->segment.past_tcp = 1;
	work->segment.ingress = 0;
	work->direction = packet->direction;
	work->now = message->now;
	work->rtt_floor_us = 0;
	if (packet->direction == HTTP_REQUEST) {
		read_evidence(packet->tp, packet->state, &work->evidence, message->now);
		work->evidence.out_of_order_bytes = connection->out_of_order_bytes;
	}
	/* Begun by a packet, in the middle: what went past TCP before is not missing. */
	if (connection->joined && !stream->bytes_past_tcp)
		stream->bytes_past_tcp = message->bytes_before;
	if (stream->bytes_past_tcp == message->bytes_before)
		http_read_message(message->msg, connection, work);
	else
		http_lose_stream(connection, work, DISCARD_REASON_STREAM_GAP);
	work->segment.past_tcp = 0;
	unlock(&work->busy);
}

static __always_inline void message_payload(struct http_message *message, struct http_packet *packet,
					    struct http_connection *connection)
{
	struct http_stream *stream = &connection->streams[packet->direction & 1];

	/*
	 * Messages of one direction come one after the other: their sender's socket is locked. What is not owned, for once, is
	 * missing with the next.
	 */
	if (!wait_lock(&stream->busy))
		return;
	if (packet->direction == HTTP_REQUEST)
		connection->past_tcp = 1;
	if (!reads_nothing(stream))
		read_message(message, packet, connection, stream);
	if (reads_nothing(stream))
		stream->bytes_past_tcp = message->bytes_before + message->msg->size;
	unlock(&stream->busy);
}

/* The message as one of its ends sees it. A response that has come is safe: its reader has it. */
static __always_inline void message_at_end(struct http_message *message, struct http_packet *packet)
{
	struct socket_state *state = packet->state;
	struct http_connection *connection;

	set_direction(packet);
	if (state->payload_seen == PAYLOAD_HTTP) {
		connection = http_connection_of(packet->tp);
	} else {
		connection = recognise_message(message, packet);
		if (!connection)
			state->payload_direction = packet->direction + 1;
	}
	if (!connection)
		return;
	if (may_start_anew_by_message(message, packet, connection)) {
		start_anew(packet, connection);
		begin_places(message, packet, connection);
	}
	message_payload(message, packet, connection);
	note_direction(packet, connection);
	note_protocol(state, connection);
	if (connection->rejected || is_through(connection)) {
		state->payload_direction = packet->direction + 1;
		forget_http(packet->tp, state, connection,
			    connection->rejected && connection->joined ? PAYLOAD_JOINED : PAYLOAD_OPAQUE);
		return;
	}
	if (has_answers(connection))
		release_safe(connection, state, packet->tp,
			     confirmed_responses(packet->tp, packet->local_end), false, message->now);
	/* What somebody else was writing out meanwhile waits for the next walk. */
	if (has_answers(connection))
		state->http_attention = 1;
}

/* A message of an established connection, at its sender or its reader. */
static __always_inline void http_message(struct http_message *message, struct tcp_sock *tp, struct socket_state *state,
					 bool ingress)
{
	struct http_packet packet = {.tp = tp, .state = state, .ingress = ingress, .now = message->now};

	if (!state || state->payload_seen == PAYLOAD_OPAQUE || state->closing)
		return;
	/* Where TCP begins, and stands. */
	packet.sequence = ingress ? accepted_bytes(tp) : tp->write_seq;
	message_at_end(message, &packet);
}

#endif
