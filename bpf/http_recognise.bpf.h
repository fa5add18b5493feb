/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a connection carries, told by its first bytes on any port; and where a start is certain without them. */
#ifndef FLOWSPAN_HTTP_RECOGNISE_BPF_H
#define FLOWSPAN_HTTP_RECOGNISE_BPF_H

#include "http_sequence.bpf.h"
#include "packet_header.bpf.h"
#include "tcp_adopt.bpf.h"

/* Numbers connections across CPUs, for the maps that cannot be keyed by socket. */
u64 http_connections_begun = 0;

enum packet_taken {
	PACKET_UNJUDGED = 0,
	PACKET_TAKEN,
	PACKET_REFUSED,
};

/* One packet, and how it stands to the connection. */
struct http_packet {
	struct __sk_buff *skb;
	struct tcp_sock *tp;
	struct socket_state *state;
	const struct packet_header *header;
	u64 now;	/* 0: not asked for yet */
	u32 sequence;	/* of the first payload byte */
	u8 ingress;
	u8 direction;	/* of the payload */
	u8 local_end;	/* enum observation_point */
	u8 taken;	/* enum packet_taken */
};

/* The first bytes of a payload, from 1 to HTTP_FIRST_BYTES; zeros behind them. */
#define HTTP_FIRST_BYTES 8

/* Whether what begins like this can be a request line. Empty lines may stand before one. */
static __always_inline bool may_be_request(const u8 *first, u32 bytes)
{
	if (first[0] == '\r' || first[0] == '\n')
		return true;
	if (first[0] == ' ')
		return false;
	for (u32 i = 0; i < HTTP_FIRST_BYTES; i++) {
		if (i >= bytes || first[i] == ' ')
			break;
		if (!is_token_byte(first[i]))
			return false;
	}
	return true;
}

static __always_inline u8 protocol_of(const u8 *first)
{
	return first[0] == TLS_HANDSHAKE && first[1] == 0x03 ? APPLICATION_PROTOCOL_TLS : APPLICATION_PROTOCOL_OTHER;
}

/* may_be_request() of a packet's payload. */
__noinline int http_may_begin(struct __sk_buff *skb, u32 offset, u32 bytes)
{
	u8 first[HTTP_FIRST_BYTES] = {};

	if (bytes > sizeof(first))
		bytes = sizeof(first);
	if (!is_from_one_to(&bytes, sizeof(first)) || bpf_skb_load_bytes(skb, offset, first, bytes))
		return false;
	return may_be_request(first, bytes);
}

static __always_inline u8 not_http(struct __sk_buff *skb, u32 offset, u32 bytes)
{
	u8 first[2] = {};

	if (bytes < sizeof(first) || bpf_skb_load_bytes(skb, offset, first, sizeof(first)))
		return APPLICATION_PROTOCOL_OTHER;
	return protocol_of(first);
}

static __always_inline void begin_http(struct http_connection *connection, u32 request_sequence, u32 response_sequence)
{
	connection->id = __sync_fetch_and_add(&http_connections_begun, 1) + 1;
	connection->streams[HTTP_REQUEST].next_sequence = request_sequence;
	connection->streams[HTTP_REQUEST].judged_end = request_sequence;
	connection->streams[HTTP_RESPONSE].next_sequence = response_sequence;
	connection->streams[HTTP_RESPONSE].judged_end = response_sequence;
}

/* True if no payload went this way before; then `begin` is where it begins. */
static __always_inline bool is_first_payload(const struct http_packet *packet, u32 *begin)
{
	const struct tcp_sock *tp = packet->tp;

	if (packet->ingress) {
		*begin = tp->rcv_nxt;
		return tp->bytes_received == 0;
	}
	*begin = packet->sequence;
	return tp->bytes_sent == packet->header->payload_bytes;
}

/* Whether the last payload went the other way. What was not seen is told by TCP's clocks, if they differ. */
static __always_inline bool follows_an_answer(const struct http_packet *packet)
{
	const struct tcp_sock *tp = packet->tp;

	if (packet->state->payload_direction)
		return packet->state->payload_direction == (packet->direction ^ 1) + 1;
	return packet->ingress && (s32)(tp->lsndtime - tp->inet_conn.icsk_ack.lrcvtime) > 0;
}

/*
 * In the middle of a connection a request starts for certain where everything before it is over: all that was sent is
 * sent, acknowledged and, at this end, read; and the last payload went the other way.
 */
static __always_inline bool is_quiet(const struct http_packet *packet)
{
	const struct tcp_sock *tp = packet->tp;

	if (!follows_an_answer(packet) || tp->copied_seq != tp->rcv_nxt)
		return false;
	if (packet->ingress)
		return packet->sequence == tp->rcv_nxt && tp->write_seq == tp->snd_nxt &&
		       packet->header->acknowledged == tp->snd_nxt;
	return packet->sequence == tp->snd_nxt && tp->snd_una == tp->snd_nxt;
}

/* The role that the payload's direction follows from. */
static __noinline u8 local_end(const struct http_packet *packet)
{
	struct socket_state *state = packet->state;

	if (!state->role)
		stamp_adopted(state, &packet->tp->inet_conn.icsk_inet.sk, packet->tp);
	if (state->role)
		return state->role;
	return state->connect_started_ns ? OBSERVATION_POINT_CLIENT : OBSERVATION_POINT_SERVER;
}

static __always_inline void set_direction(struct http_packet *packet)
{
	bool from_client;

	packet->local_end = packet->state->role ?: local_end(packet);
	from_client = (packet->local_end == OBSERVATION_POINT_SERVER) == (packet->ingress != 0);
	packet->direction = from_client ? HTTP_REQUEST : HTTP_RESPONSE;
}

/* Where the other direction stands now. */
static __always_inline u32 other_sequence(const struct http_packet *packet)
{
	if (!packet->ingress)
		return packet->tp->rcv_nxt;
	return packet->tp->snd_nxt;
}

static __always_inline struct http_connection *create_http(const struct http_packet *packet, u32 begin, bool joined)
{
	struct http_connection *connection = bpf_sk_storage_get(&http_connections, (struct sock *)packet->tp, NULL,
								BPF_SK_STORAGE_GET_F_CREATE);

	if (!connection) {
		count_discard(DISCARD_REASON_HTTP_STORAGE);
		return NULL;
	}
	begin_http(connection, begin, other_sequence(packet));
	connection->joined = joined;
	packet->state->payload_seen = PAYLOAD_HTTP;
	return connection;
}

/*
 * A connection without a parser: does it get one with this packet? First bytes that are missing (out of order) get one
 * as well: they come later.
 */
static __always_inline struct http_connection *recognise(struct http_packet *packet)
{
	struct socket_state *state = packet->state;
	u32 begin, offset = packet->header->payload_offset, bytes = packet->header->payload_bytes;

	if (state->payload_seen == PAYLOAD_NONE) {
		if (!is_first_payload(packet, &begin)) {
			state->payload_seen = PAYLOAD_JOINED;
			state->connection.application_protocol = APPLICATION_PROTOCOL_OTHER;
		} else if (read_requests && packet->direction == HTTP_REQUEST &&
			   (packet->sequence != begin || http_may_begin(packet->skb, offset, bytes))) {
			return create_http(packet, begin, false);
		} else {
			state->payload_seen = PAYLOAD_OPAQUE;
			state->connection.application_protocol = packet->direction == HTTP_REQUEST ?
									 not_http(packet->skb, offset, bytes) :
									 APPLICATION_PROTOCOL_OTHER;
			return NULL;
		}
	}
	if (!read_requests) {
		/* Also what a run that read them left behind. */
		state->payload_seen = PAYLOAD_OPAQUE;
		state->connection.application_protocol = APPLICATION_PROTOCOL_OTHER;
		return NULL;
	}
	if (packet->direction == HTTP_REQUEST && is_quiet(packet) && http_may_begin(packet->skb, offset, bytes))
		return create_http(packet, packet->sequence, true);
	return NULL;
}

#endif
