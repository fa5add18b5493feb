/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Something went wrong on a connection: one record each. */
#ifndef FLOWSPAN_TCP_EVENT_RECORD_BPF_H
#define FLOWSPAN_TCP_EVENT_RECORD_BPF_H

#include "tcp_counters.bpf.h"
#include "throttle.bpf.h"

/*
 * Room for an event with nothing in it but its kind, time and weight, or NULL and a loss counted, or that it was shed.
 * `whose` tells the cgroup; NULL where that is not known.
 */
static __always_inline struct tcp_event_record *event_reserve(u8 event_kind, struct socket_state *whose, u64 now)
{
	struct tcp_event_record *record;
	u32 weight = event_weight(whose);

	if (!weight)
		return NULL;
	record = record_reserve(RECORD_KIND_TCP_EVENT, sizeof(*record), now);
	if (!record)
		return NULL;
	__builtin_memset((void *)record + sizeof(record->header), 0, sizeof(*record) - sizeof(record->header));
	record->event_kind = event_kind;
	record->sample_weight = weight;
	return record;
}

/* Reads the time that the event was reserved with: another CPU may have opened the connection since then. */
static __always_inline void event_age(struct tcp_event_record *record, const struct socket_state *state)
{
	u64 now = record->header.time_boot_ns, opened = state->opened_ns;

	record->connection_age_ns = opened && opened < now ? now - opened : 0;
}

static __always_inline void event_connection(struct tcp_event_record *record, const struct socket_state *state,
					     const struct sock *sk)
{
	__builtin_memcpy(&record->connection, &state->connection, sizeof(record->connection));
	record->connection.tcp_state = sk->__sk_common.skc_state;
	event_age(record, state);
}

static __always_inline void event_gauges(struct tcp_event_record *record, const struct tcp_sock *tp)
{
	record->srtt_us = tp->srtt_us >> 3;
	record->rto_us = jiffies_to_us(tp->inet_conn.icsk_rto);
	record->cwnd_segments = tp->snd_cwnd;
	record->congestion_state = BPF_CORE_READ_BITFIELD(&tp->inet_conn, icsk_ca_state);
	/* tcp_packets_in_flight() */
	record->segments_in_flight = tp->packets_out - (tp->sacked_out + tp->lost_out) + tp->retrans_out;
}

static __always_inline void event_submit(struct tcp_event_record *record)
{
	record_submit(record, sizeof(*record));
}

static __always_inline u8 sent_by_side(const struct connection *connection, bool local)
{
	return side_of(connection, local); /* enum sent_by and closed_by name the same sides */
}

_Static_assert(SENT_BY_CLIENT == (int)CLOSED_BY_CLIENT && SENT_BY_SERVER == (int)CLOSED_BY_SERVER, "sides");

#endif
