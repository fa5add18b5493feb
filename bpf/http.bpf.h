/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* HTTP/1 requests, read from packets: what the other programs call. */
#ifndef FLOWSPAN_HTTP_BPF_H
#define FLOWSPAN_HTTP_BPF_H

#include "http_listener.bpf.h"

static __always_inline struct http_connection *http_connection_of(struct tcp_sock *tp)
{
	return bpf_sk_storage_get(&http_connections, (struct sock *)tp, NULL, 0);
}

static __always_inline void forget_http(struct tcp_sock *tp, struct socket_state *state,
					struct http_connection *connection, u8 payload_seen)
{
	drop_pieces(connection);
	state->payload_seen = payload_seen;
	state->http_attention = 0;
	bpf_sk_storage_delete(&http_connections, (struct sock *)tp);
}

/* Sight was lost, and here a request starts for certain: what was open stays without an answer. */
static __noinline void start_anew(struct http_packet *packet, struct http_connection *connection)
{
	struct http_stream *requests = &connection->streams[HTTP_REQUEST];
	struct http_stream *responses = &connection->streams[HTTP_RESPONSE];
	u64 now = time_of(packet);

	if (!try_lock(&requests->busy))
		return;
	if (try_lock(&responses->busy)) {
		leave_request(connection);
		abandon_requests(connection, now, REQUEST_END_LOST_SIGHT);
		release_all(connection, packet->state, packet->tp, confirmed_responses(packet->tp, packet->local_end),
			    REQUEST_END_LOST_SIGHT, now);
		drop_pieces(connection);
		reset_message(requests);
		reset_message(responses);
		connection->lost[HTTP_REQUEST] = 0;
		connection->lost[HTTP_RESPONSE] = 0;
		requests->line_bytes = 0;
		requests->line_dropped = 0;
		requests->spaces = 0;
		responses->line_bytes = 0;
		responses->line_dropped = 0;
		requests->next_sequence = packet->sequence;
		requests->judged_end = packet->sequence;
		responses->next_sequence = other_sequence(packet);
		responses->judged_end = responses->next_sequence;
		connection->joined = 1;
		unlock(&responses->busy);
	}
	unlock(&requests->busy);
}

static __always_inline bool may_start_anew(const struct http_packet *packet, const struct http_connection *connection)
{
	return packet->direction == HTTP_REQUEST && packet->header->payload_bytes &&
	       connection->lost[HTTP_REQUEST] && !connection->lost_for_good &&
	       !connection->rejected && is_quiet(packet) &&
	       http_may_begin(packet->skb, packet->header->payload_offset, packet->header->payload_bytes);
}

/* Nothing that follows can be a request that is certain. */
static __always_inline bool is_through(const struct http_connection *connection)
{
	const struct http_stream *requests = &connection->streams[HTTP_REQUEST];

	if (has_answers(connection) || connection->answered != connection->begun)
		return false;
	return requests->state == HTTP_STATE_STOPPED ||
	       (requests->state == HTTP_STATE_LOST && connection->lost_for_good);
}

/*
 * Which way the last payload went is asked for where sight was lost; as long as all is read, nobody writes it down: the
 * cache line is every packet's, and the two directions are often on two processors.
 */
static __always_inline void note_direction(const struct http_packet *packet, const struct http_connection *connection)
{
	u8 direction = connection->lost[HTTP_REQUEST] ? packet->direction + 1 : 0;

	if (packet->state->payload_direction != direction)
		packet->state->payload_direction = direction;
}

/*
 * Whether packets without payload matter from here on. That they do not is noted where such a packet or a body finds it
 * so: between one request and the next it would only be taken back.
 */
static __always_inline void note_attention(const struct http_packet *packet, const struct http_connection *connection)
{
	struct socket_state *state = packet->state;
	bool attention = has_answers(connection) || connection->hole ||
			 packet->tp->inet_conn.icsk_inet.sk.__sk_common.skc_state == TCP_STATE_SYN_SENT;

	if (attention == state->http_attention)
		return;
	if (attention || !packet->header->payload_bytes ||
	    is_made_of_bytes(&connection->streams[packet->direction & 1]))
		state->http_attention = attention;
}

static __always_inline void http_connection_packet(struct http_packet *packet, struct http_connection *connection)
{
	struct socket_state *state = packet->state;
	u32 bytes = packet->header->payload_bytes;

	if (connection->unverified && !verify_taken_over(packet, connection)) {
		forget_http(packet->tp, state, connection, PAYLOAD_JOINED);
		return;
	}
	/* Fast Open: the request went out before it was known where the answer begins. */
	if (packet->ingress && (packet->header->flags & TCP_FLAG_SYN)) {
		connection->streams[HTTP_RESPONSE].next_sequence = packet->sequence;
		connection->streams[HTTP_RESPONSE].judged_end = packet->sequence;
	}
	if (has_answers(connection))
		release_confirmed(packet, connection);
	if (connection->hole && !(packet->ingress && bytes))
		catch_up(packet, connection);
	if (may_start_anew(packet, connection))
		start_anew(packet, connection);
	if (bytes || (packet->header->flags & TCP_FLAG_FIN))
		http_payload(packet, connection);
	if (bytes)
		note_direction(packet, connection);
	note_protocol(state, connection);
	if (connection->rejected) {
		state->payload_direction = (bytes ? packet->direction : HTTP_REQUEST) + 1;
		forget_http(packet->tp, state, connection, connection->joined ? PAYLOAD_JOINED : PAYLOAD_OPAQUE);
		return;
	}
	if (is_through(connection)) {
		forget_http(packet->tp, state, connection, PAYLOAD_OPAQUE);
		return;
	}
	note_attention(packet, connection);
}

/* Most packets: of a connection that carries no HTTP, and those without payload while nothing waits for them. */
static __always_inline bool has_nothing_for_http(const struct socket_state *state, const struct packet_header *header)
{
	if (state->payload_seen == PAYLOAD_OPAQUE || (header->flags & TCP_FLAG_RST))
		return true;
	return !header->payload_bytes && !state->http_attention &&
	       !((header->flags & TCP_FLAG_FIN) && state->payload_seen == PAYLOAD_HTTP);
}

/* Every packet of an established connection. */
static __always_inline void http_packet(struct __sk_buff *skb, struct tcp_sock *tp, struct socket_state *state,
					const struct packet_header *header, bool ingress)
{
	struct http_packet packet = {.skb = skb, .tp = tp, .state = state, .header = header, .ingress = ingress};
	struct http_connection *connection;

	if (has_nothing_for_http(state, header))
		return;
	packet.sequence = header->sequence + !!(header->flags & TCP_FLAG_SYN);
	set_direction(&packet);
	if (state->payload_seen == PAYLOAD_HTTP) {
		connection = http_connection_of(tp);
	} else {
		if (!header->payload_bytes)
			return;
		connection = recognise(&packet);
		if (!connection)
			state->payload_direction = packet.direction + 1;
	}
	if (!connection)
		return;
	if (is_body_packet(&packet, connection)) {
		note_direction(&packet, connection);
		return;
	}
	http_connection_packet(&packet, connection);
}

struct http_reading {
	struct http_connection *connection;
	u64 now;
	u32 taken;	/* place in the request stream behind what the application has */
};

/* The oldest request that was not read yet. 1 if there is none, or it has to wait. */
static __always_inline long note_read(const struct http_reading *reading)
{
	struct http_connection *connection = reading->connection;
	struct http_request *request;

	if (connection->read == connection->begun)
		return 1;
	request = request_at(connection, connection->read);
	if (request) {
		if (!request->head_read || before(reading->taken, request->head_end))
			return 1;
		request->read_ns = reading->now;
	}
	connection->read++;
	return 0;
}

static long note_one_read(u32 index, struct http_reading *reading)
{
	return note_read(reading);
}

/* tcp_sock.copied_seq does not count what came past TCP. */
static __always_inline u32 taken_by_application(const struct http_connection *connection,
						const struct socket_state *state, const struct tcp_sock *tp)
{
	if (connection->past_tcp)
		return state->connection.source_sequence_begin + connection->application_read;
	return tp->copied_seq;
}

/* The application took bytes: at the server this is when a request stops waiting for it. */
static __always_inline void http_application_read(struct sock *sk, struct socket_state *state, u32 bytes)
{
	struct http_reading reading = {};
	struct tcp_sock *tp;

	if (state->role == OBSERVATION_POINT_CLIENT)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	reading.connection = http_connection_of(tp);
	if (!reading.connection)
		return;
	if (reading.connection->past_tcp)
		__sync_fetch_and_add(&reading.connection->application_read, bytes);
	if (reading.connection->read == reading.connection->begun)
		return;
	reading.taken = taken_by_application(reading.connection, state, tp);
	reading.now = bpf_ktime_get_boot_ns();
	if (!note_read(&reading) && reading.connection->read != reading.connection->begun)
		bpf_loop(HTTP_PIPELINE_MAX, note_one_read, &reading, 0);
}

/*
 * Called for every connection once per interval: what waits for a confirmation that came unseen, or came while somebody
 * else was writing, waits no longer than that.
 */
static __always_inline void http_snapshot(struct tcp_sock *tp, struct socket_state *state, u64 now)
{
	struct http_connection *connection;

	if (!state->http_attention || state->payload_seen != PAYLOAD_HTTP)
		return;
	connection = http_connection_of(tp);
	if (connection)
		release_safe(connection, state, tp, confirmed_responses(tp, state->connection.observation_point), false,
			     now);
}

static __always_inline u8 end_of_closed(const struct socket_state *state)
{
	if (state->close_cause == CLOSE_CAUSE_RESET)
		return REQUEST_END_CONNECTION_RESET;
	if (state->close_cause == CLOSE_CAUSE_TIMEOUT)
		return REQUEST_END_TIMEOUT;
	return REQUEST_END_CONNECTION_CLOSED;
}

/* The connection is over, and state->close_cause says why: what is open ends here, and everything is written out. */
static __always_inline void http_connection_closed(struct tcp_sock *tp, struct socket_state *state, u64 now)
{
	struct http_connection *connection;
	struct http_stream *response;
	struct http_request *request;

	if (state->payload_seen != PAYLOAD_HTTP)
		return;
	connection = http_connection_of(tp);
	if (!connection)
		return;
	response = &connection->streams[HTTP_RESPONSE];
	/*
	 * A last packet may still be read on another CPU: what it begins must not outlive the connection. TCP closes no
	 * socket whose owner is sending, so nobody who was interrupted here holds these, but for who sends to it past TCP:
	 * then this waits in vain, for as long as it takes to try. They are not given back.
	 */
	wait_lock(&connection->streams[HTTP_REQUEST].busy);
	wait_lock(&response->busy);
	request = request_being_answered(connection);
	if (request && response->state == HTTP_STATE_UNTIL_CLOSE && state->close_cause == CLOSE_CAUSE_FIN)
		answer_request(connection, request, response, now, response->next_sequence, REQUEST_END_COMPLETE);
	leave_request(connection);
	abandon_requests(connection, now, end_of_closed(state));
	release_all(connection, state, tp, confirmed_responses(tp, state->connection.observation_point),
		    end_of_closed(state), now);
	forget_http(tp, state, connection, PAYLOAD_OPAQUE);
}

#endif
