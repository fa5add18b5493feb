/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A connect that came to nothing: errno and how long it took. */
#ifndef FLOWSPAN_TCP_CONNECT_FAILED_BPF_H
#define FLOWSPAN_TCP_CONNECT_FAILED_BPF_H

#include "tcp_event_record.bpf.h"

static __always_inline void write_connect_failed(struct socket_state *state, const struct tcp_sock *tp, u64 now)
{
	struct tcp_event_record *record = event_reserve(EVENT_KIND_CONNECT_FAILED, state, now);

	if (!record)
		return;
	event_connection(record, state, &tp->inet_conn.icsk_inet.sk);
	event_gauges(record, tp);
	record->latency_ns = now - state->connect_started_ns;
	record->error_number = state->error_number;
	record->sent_by = SENT_BY_CLIENT;
	event_submit(record);
}

#endif
