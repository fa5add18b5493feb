/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One row per connection and interval: what happened since the last row. */
#ifndef FLOWSPAN_FLOW_RECORD_BPF_H
#define FLOWSPAN_FLOW_RECORD_BPF_H

#include "decisions.bpf.h"
#include "kept.bpf.h"
#include "tcp_counters.bpf.h"

#define DELTA(field) record->field = now_counters.field - state->reported.field

/* All ones in the bytes before the first NUL of a little-endian word. */
static __always_inline u64 before_nul(u64 word)
{
	u64 marks = (word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull;

	return marks ? ((marks & -marks) >> 7) - 1 : ~0ull;
}

/* Task names end at their first NUL; what stands behind it in the kernel's 16 bytes is not ours. */
static __always_inline void write_command(struct flow_record *record, const char *command)
{
	const u64 *words = (const u64 *)command;
	u64 first = before_nul(words[0]), second = first == ~0ull ? before_nul(words[1]) : 0;

	*(u64 *)record->command = words[0] & first;
	*(u64 *)(record->command + 8) = words[1] & second;
	/* Each byte before the NUL adds one to the product's highest. */
	record->command_length = ((first & 0x0101010101010101ull) * 0x0101010101010101ull >> 56) +
				 ((second & 0x0101010101010101ull) * 0x0101010101010101ull >> 56);
}

/* Before the next row: has the last one reached a file? A global function: the verifier judges it once. */
__noinline int note_in_files(struct socket_state *state)
{
	if (!state || state->reported_ns > in_files_until())
		return 0;
	state->in_files = state->reported;
	state->in_files_ns = state->reported_ns;
	return 1;
}

/* Caller holds state->busy. */
static __always_inline void write_flow(struct socket_state *state, const struct tcp_sock *tp, u8 tcp_state, u64 now,
				       u8 flow_state)
{
	struct flow_counters now_counters;
	struct flow_record *record;

	read_counters(tp, state, &now_counters);
	stamp_decisions(&state->connection, (struct sock *)tp);
	record = record_reserve(RECORD_KIND_FLOW, sizeof(*record), now);
	if (!record)
		return; /* not reported: the next row's deltas carry it */
	__builtin_memcpy(&record->connection, &state->connection, sizeof(record->connection));
	record->connection.tcp_state = tcp_state;
	record->duration_ns = now - state->reported_ns;
	record->connection_age_ns = now - state->opened_ns;
	record->connect_ns = state->connect_ns;
	record->bytes_sent = now_counters.bytes_sent - state->reported.bytes_sent +
			     now_counters.bytes_redirected - state->reported.bytes_redirected;
	DELTA(bytes_acked);
	DELTA(bytes_received);
	DELTA(bytes_retransmitted);
	DELTA(busy_us);
	DELTA(rwnd_limited_us);
	DELTA(sndbuf_limited_us);
	DELTA(segments_sent);
	DELTA(segments_received);
	DELTA(data_segments_sent);
	DELTA(data_segments_received);
	DELTA(retransmitted_segments);
	DELTA(lost_segments);
	DELTA(delivered_segments);
	DELTA(reorder_events);
	DELTA(timeouts);
	DELTA(tail_loss_probes);
	DELTA(zero_windows);
	record->interval_index = state->interval_index++;
	record->srtt_us = tp->srtt_us >> 3;
	record->min_rtt_us = tp->rtt_min.s[0].v == ~0u ? 0 : tp->rtt_min.s[0].v;
	record->rttvar_us = tp->mdev_us >> 2;
	record->cwnd_segments = tp->snd_cwnd;
	record->reordering_segments = tp->reordering;
	record->mss_bytes = tp->mss_cache;
	record->flow_state = flow_state;
	record->error_number = 0;
	record->close_cause = CLOSE_CAUSE_NONE;
	record->closed_by = CLOSED_BY_NONE;
	if (flow_state == FLOW_STATE_CLOSED) {
		record->error_number = state->error_number;
		record->close_cause = state->close_cause;
		record->closed_by = state->closed_by;
	}
	write_choice(&record->choice, choice_of_socket(&state->connection, (struct sock *)tp));
	write_command(record, state->command);
	__builtin_memset(record->reserved, 0, sizeof(record->reserved));
	record_submit(record, sizeof(*record));
	note_in_files(state);
	state->reported = now_counters;
	state->reported_ns = now;
}

#undef DELTA

static __always_inline bool try_own_rows(struct socket_state *state)
{
	return __sync_val_compare_and_swap(&state->busy, 0, 1) == 0;
}

static __always_inline void disown_rows(struct socket_state *state)
{
	__sync_lock_test_and_set(&state->busy, 0);
}

/* The last row, once. If somebody else is writing a row right now, that one sees `closing` and writes the last too. */
static __always_inline void write_final_flow(struct socket_state *state, const struct tcp_sock *tp, u64 now)
{
	if (!try_own_rows(state))
		return;
	if (!state->final_written) {
		state->final_written = 1;
		write_flow(state, tp, TCP_STATE_CLOSE, now, FLOW_STATE_CLOSED);
	}
	disown_rows(state);
}

#endif
