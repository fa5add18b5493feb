/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Reads what tcp_sock already counts. Nothing here counts packets. */
#ifndef FLOWSPAN_TCP_COUNTERS_BPF_H
#define FLOWSPAN_TCP_COUNTERS_BPF_H

#include "decisions.bpf.h"
#include "socket.bpf.h"

/* include/linux/tcp.h, enum tcp_chrono: index into chrono_stat is type - 1. */
#define TCP_CHRONO_BUSY 1
#define TCP_CHRONO_RWND_LIMITED 2
#define TCP_CHRONO_SNDBUF_LIMITED 3

static __always_inline u64 jiffies_to_us(u64 jiffies)
{
	return CONFIG_HZ ? jiffies * (1000000 / CONFIG_HZ) : 0;
}

/* tcp_sock.chrono_stat with the running one included, as tcp_get_info_chrono_stats() does. */
static __always_inline void read_chrono(const struct tcp_sock *tp, u32 *busy, u32 *rwnd_limited, u32 *sndbuf_limited)
{
	u32 running = BPF_CORE_READ_BITFIELD(tp, chrono_type);
	u32 since = running ? (u32)bpf_jiffies64() - tp->chrono_start : 0;

	*busy = tp->chrono_stat[0] + (running == TCP_CHRONO_BUSY ? since : 0);
	*rwnd_limited = tp->chrono_stat[1] + (running == TCP_CHRONO_RWND_LIMITED ? since : 0);
	*sndbuf_limited = tp->chrono_stat[2] + (running == TCP_CHRONO_SNDBUF_LIMITED ? since : 0);
}

/* The same as TCP_INFO tells it, in microseconds: busy includes what was limited. */
static __always_inline void read_chrono_us(const struct tcp_sock *tp, u64 *busy_us, u64 *rwnd_limited_us,
					   u64 *sndbuf_limited_us)
{
	u32 busy, rwnd, sndbuf;

	read_chrono(tp, &busy, &rwnd, &sndbuf);
	*busy_us = jiffies_to_us((u64)busy + rwnd + sndbuf);
	*rwnd_limited_us = jiffies_to_us(rwnd);
	*sndbuf_limited_us = jiffies_to_us(sndbuf);
}

/* Retransmission timeouts: counted by the kernel from 6.7 ("tcp: add TCP_INFO RTO stats"), by us before. */
static __always_inline u32 read_timeouts(const struct tcp_sock *tp, const struct socket_state *state)
{
	if (bpf_core_field_exists(tp->total_rto))
		return tp->total_rto;
	return state->timeouts;
}

static __always_inline void read_counters(const struct tcp_sock *tp, const struct socket_state *state,
					  struct flow_counters *now)
{
	now->bytes_sent = tp->bytes_sent;
	now->bytes_acked = tp->bytes_acked;
	now->bytes_received = tp->bytes_received;
	now->bytes_retransmitted = tp->bytes_retrans;
	read_chrono_us(tp, &now->busy_us, &now->rwnd_limited_us, &now->sndbuf_limited_us);
	now->segments_sent = tp->segs_out;
	now->segments_received = tp->segs_in;
	now->data_segments_sent = tp->data_segs_out;
	now->data_segments_received = tp->data_segs_in;
	now->retransmitted_segments = tp->total_retrans;
	now->lost_segments = tp->lost;
	now->delivered_segments = tp->delivered;
	now->reorder_events = tp->reord_seen;
	now->timeouts = read_timeouts(tp, state);
	now->tail_loss_probes = state->tail_loss_probes;
	now->zero_windows = state->zero_windows;
	now->bytes_redirected = read_redirected((struct sock *)tp, state->reported.bytes_redirected);
	now->reserved = 0;
}

#endif
