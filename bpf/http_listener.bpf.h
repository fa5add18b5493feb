/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * First bytes that arrive on the listener (deferred accept, Fast Open, a third ACK that was lost): read at once, and
 * handed to the connection when the kernel makes it, in the same softirq on the same CPU.
 */
#ifndef FLOWSPAN_HTTP_LISTENER_BPF_H
#define FLOWSPAN_HTTP_LISTENER_BPF_H

#include "http_packet.bpf.h"

static long free_waiting(u32 index, struct http_connection **at)
{
	struct http_connection *connection = *at;

	if (connection->released == connection->begun)
		return 1;
	free_request(connection, connection->released);
	connection->released++;
	return 0;
}

/* What was read for a connection that never came. */
static __always_inline void discard_waiting(struct http_connection *waiting)
{
	if (!waiting->id)
		return;
	count_discard(DISCARD_REASON_LISTENER_DATA);
	bpf_loop(HTTP_PIPELINE_MAX + 1, free_waiting, &waiting, 0);
	waiting->id = 0;
}

static __always_inline void http_listener_packet(struct __sk_buff *skb, const struct packet_header *header)
{
	u32 zero = 0, sequence = header->sequence + !!(header->flags & TCP_FLAG_SYN);
	struct http_connection *waiting = bpf_map_lookup_elem(&http_listener_connection, &zero);
	struct http_work *work;

	if (!waiting)
		return;
	discard_waiting(waiting);
	if (!header->payload_bytes || !http_may_begin(skb, header->payload_offset, header->payload_bytes) ||
	    !is_intact(skb, header))
		return;
	work = take_work();
	if (!work)
		return;
	__builtin_memset(waiting, 0, offsetof(struct http_connection, slot));
	/* The answer's first sequence number; a SYN does not tell it. */
	begin_http(waiting, sequence, header->acknowledged);
	waiting->unverified = 1;
	waiting->peer_port = header->source_port;
	waiting->local_port = header->destination_port;
	work->segment.sequence = sequence;
	work->segment.offset = header->payload_offset;
	work->segment.bytes = header->payload_bytes;
	work->segment.accepted = sequence;
	work->segment.ingress = 1;
	work->direction = HTTP_REQUEST;
	work->now = bpf_ktime_get_boot_ns();
	work->rtt_floor_us = 0;
	/* The connection's counters begin with it. */
	__builtin_memset(&work->evidence, 0, sizeof(work->evidence));
	http_advance(skb, waiting, work);
	unlock(&work->busy);
}

static __always_inline void note_protocol(struct socket_state *state, struct http_connection *connection)
{
	u8 protocol = connection->rejected;

	if (!protocol && connection->confirmed)
		protocol = APPLICATION_PROTOCOL_HTTP1;
	if (protocol == connection->told)
		return;
	connection->told = protocol;
	state->connection.application_protocol = protocol;
}

/* At LISTEN -> SYN_RECV. The child has its listener's port and not yet its peer's: its first packet is compared. */
static __always_inline void http_accept_listener_data(struct sock *sk, struct socket_state *state, u64 now)
{
	u32 zero = 0;
	struct http_connection *waiting = bpf_map_lookup_elem(&http_listener_connection, &zero);

	if (!waiting || !waiting->id || waiting->local_port != local_port(sk))
		return;
	note_protocol(state, waiting);
	if (waiting->rejected) {
		state->payload_seen = PAYLOAD_OPAQUE;
		waiting->id = 0;
		return;
	}
	if (!bpf_sk_storage_get(&http_connections, sk, waiting, BPF_SK_STORAGE_GET_F_CREATE)) {
		count_discard(DISCARD_REASON_HTTP_STORAGE);
		state->payload_seen = PAYLOAD_OPAQUE;
	} else {
		state->payload_seen = PAYLOAD_HTTP;
		state->payload_direction = HTTP_REQUEST + 1;
	}
	waiting->id = 0;
}

/*
 * The connection's own first packet. False if the bytes were another's: then its beginning was not seen. A SYN-ACK sent
 * twice is counted in the connection's retransmissions, and is none of the request's.
 */
static __always_inline bool verify_taken_over(const struct http_packet *packet, struct http_connection *connection)
{
	const struct tcp_sock *tp = packet->tp;

	connection->unverified = 0;
	if (bpf_ntohs(tp->inet_conn.icsk_inet.sk.__sk_common.skc_dport) != connection->peer_port)
		return false;
	if (!tp->bytes_retrans)
		connection->slot.begin.retransmitted_segments = tp->total_retrans;
	connection->streams[HTTP_RESPONSE].next_sequence = tp->snd_nxt;
	return true;
}

#endif
