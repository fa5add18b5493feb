/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One packet of a connection with a parser. */
#ifndef FLOWSPAN_HTTP_PACKET_BPF_H
#define FLOWSPAN_HTTP_PACKET_BPF_H

#include "http_recognise.bpf.h"
#include "http_release.bpf.h"
#include "packet_accept.bpf.h"

/* When the packet was seen, boot clock: asked for once. */
static __always_inline u64 time_of(struct http_packet *packet)
{
	if (!packet->now)
		packet->now = bpf_ktime_get_boot_ns();
	return packet->now;
}

/* Whether TCP will take the packet: asked for once. */
static __always_inline bool is_taken(struct http_packet *packet)
{
	if (packet->taken == PACKET_UNJUDGED)
		packet->taken = tcp_will_take(packet->skb, packet->tp, packet->header) ? PACKET_TAKEN : PACKET_REFUSED;
	return packet->taken == PACKET_TAKEN;
}

/* What TCP has of the ingress stream; the peer's FIN, which takes a sequence number, is no byte of it. */
static __always_inline u32 accepted_bytes(const struct tcp_sock *tp)
{
	u8 state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	bool fin = state == TCP_STATE_CLOSE_WAIT || state == TCP_STATE_LAST_ACK || state == TCP_STATE_CLOSING;

	return tp->rcv_nxt - fin;
}

/* Up to where responses are safe: acknowledged by the client, or taken by this client's TCP. */
static __always_inline u32 confirmed_responses(const struct tcp_sock *tp, u8 observation_point)
{
	return observation_point == OBSERVATION_POINT_CLIENT ? accepted_bytes(tp) : tp->snd_una;
}

static __always_inline void release_confirmed(struct http_packet *packet, struct http_connection *connection)
{
	u32 confirmed = confirmed_responses(packet->tp, packet->local_end);
	u32 acknowledged = packet->header->acknowledged;
	bool by_acknowledgement = packet->ingress && packet->direction == HTTP_REQUEST &&
				  (packet->header->flags & TCP_FLAG_ACK) && before(confirmed, acknowledged) &&
				  is_taken(packet);

	release_safe(connection, packet->state, packet->tp, by_acknowledgement ? acknowledged : confirmed,
		     by_acknowledgement, time_of(packet));
}

/*
 * Body bytes in order, and more to come: nothing to look at. Those of a known length need no judgement either: damaged,
 * forged or not, as many bytes will stand at these sequence numbers in the end. Caller owns the stream.
 */
static __always_inline bool pass_body(const struct http_packet *packet, struct http_stream *stream)
{
	u32 bytes = packet->header->payload_bytes;

	if (stream->next_sequence != packet->sequence)
		return false;
	if (is_counted(stream)) {
		if (stream->body_left <= bytes)
			return false;
		stream->body_left -= bytes;
	} else if (stream->state != HTTP_STATE_UNTIL_CLOSE || (packet->header->flags & TCP_FLAG_FIN) ||
		   (packet->ingress && !header_is_acceptable(packet->tp, packet->header))) {
		return false;
	}
	stream->body_bytes += bytes;
	stream->message_bytes += bytes;
	stream->next_sequence += bytes;
	return true;
}

/* The packet that a long body is made of: nothing waits, no byte is missing. */
static __always_inline bool is_body_packet(const struct http_packet *packet, struct http_connection *connection)
{
	struct http_stream *stream = &connection->streams[packet->direction & 1];
	bool passed;

	/* A look before the lock: most packets are no body's. */
	if (packet->state->http_attention || !packet->header->payload_bytes || !is_made_of_bytes(stream) ||
	    !try_lock(&stream->busy))
		return false;
	passed = pass_body(packet, stream);
	unlock(&stream->busy);
	return passed;
}

/* A body that lasts until the close ends with its FIN. */
static __always_inline void end_at_fin(struct http_connection *connection, struct http_work *work)
{
	const struct http_segment *segment = &work->segment;
	struct http_stream *stream = stream_of(connection, work);

	if (stream->state != HTTP_STATE_UNTIL_CLOSE || stream->next_sequence != segment->sequence + segment->bytes)
		return;
	stand_at(work, stream->next_sequence);
	http_message_over(connection, work);
}

/* Caller owns the stream. `direction` is the stream's: the packet's own, or the ingress stream's that waits for TCP. */
static __always_inline void read_packet(struct http_packet *packet, struct http_connection *connection,
					u8 direction, bool own)
{
	struct http_work *work = take_work();

	if (!work)
		return;
	work->segment.sequence = packet->sequence;
	work->segment.offset = packet->header->payload_offset;
	work->segment.bytes = own ? packet->header->payload_bytes : 0;
	work->segment.accepted = accepted_bytes(packet->tp);
	work->segment.ingress = own ? packet->ingress : 1;
	work->direction = direction;
	work->now = time_of(packet);
	if (direction == HTTP_REQUEST) {
		read_evidence(packet->tp, packet->state, &work->evidence, work->now);
		work->evidence.out_of_order_bytes = connection->out_of_order_bytes;
		/* A sent segment carries the time it is sent at; what arrives comes after all that was sent. */
		work->rtt_floor_us = packet->tp->tcp_mstamp - !packet->ingress;
	}
	if (own)
		advance(packet->skb, connection, work);
	else
		http_advance(packet->skb, connection, work);
	if (own && (packet->header->flags & TCP_FLAG_FIN))
		end_at_fin(connection, work);
	unlock(&work->busy);
}

static __always_inline void http_payload(struct http_packet *packet, struct http_connection *connection)
{
	struct http_stream *stream = &connection->streams[packet->direction & 1];

	if (reads_nothing(stream))
		return;
	/*
	 * Packets of one direction may be on two CPUs at once (a sender that moved); they never interrupt each other on
	 * one. What is not owned is not read: sequence numbers tell later that it is missing.
	 */
	if (!wait_lock(&stream->busy))
		return;
	if (((connection->hole && packet->ingress) || !pass_body(packet, stream)) &&
	    (!packet->ingress || is_taken(packet)))
		read_packet(packet, connection, packet->direction, true);
	unlock(&stream->busy);
}

/* The ingress stream has a hole, and this packet of ours may say that TCP has filled it. */
static __always_inline void catch_up(struct http_packet *packet, struct http_connection *connection)
{
	u8 direction = packet->ingress ? packet->direction : packet->direction ^ 1;
	struct http_stream *stream = &connection->streams[direction & 1];

	if (!try_lock(&stream->busy))
		return;
	read_packet(packet, connection, direction, false);
	unlock(&stream->busy);
}

#endif
