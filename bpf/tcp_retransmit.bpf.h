/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Segments sent again, counted as TcpRetransSegs counts them. */
#ifndef FLOWSPAN_TCP_RETRANSMIT_BPF_H
#define FLOWSPAN_TCP_RETRANSMIT_BPF_H

#include "tcp_event_record.bpf.h"

/* Segments since the last look, as TcpRetransSegs counts them: by how much total_retrans grew. */
static __always_inline u32 counted_segments(struct socket_state *state, const struct tcp_sock *tp)
{
	u32 segments = tp->total_retrans - state->counted_retransmits;

	state->counted_retransmits = tp->total_retrans;
	return segments;
}

/*
 * Tells of segments for which the tracepoint did not call us: the kernel skips a program that is running on the CPU
 * already. Only where the socket is locked, between two of its transmissions.
 */
static __always_inline void write_missed_retransmits(struct socket_state *state, const struct tcp_sock *tp, u8 cause,
						     u64 now)
{
	u32 segments = counted_segments(state, tp);
	struct tcp_event_record *record;

	if (!segments)
		return;
	record = event_reserve(EVENT_KIND_RETRANSMIT, state, now);
	if (!record)
		return;
	event_connection(record, state, &tp->inet_conn.icsk_inet.sk);
	event_gauges(record, tp);
	record->retransmit_cause = cause;
	record->segments = segments;
	record->sent_by = sent_by_side(&state->connection, true);
	event_submit(record);
}

#endif
