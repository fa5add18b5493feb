/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Connections that are older than we are: found by walking descriptors, or met with their next packet. */
#ifndef FLOWSPAN_TCP_ADOPT_BPF_H
#define FLOWSPAN_TCP_ADOPT_BPF_H

#include "flow_record.bpf.h"
#include "http_state.bpf.h"

static __always_inline bool is_connected(u8 tcp_state)
{
	return tcp_state == TCP_STATE_ESTABLISHED || tcp_state == TCP_STATE_FIN_WAIT1 ||
	       tcp_state == TCP_STATE_FIN_WAIT2 || tcp_state == TCP_STATE_CLOSE_WAIT ||
	       tcp_state == TCP_STATE_LAST_ACK || tcp_state == TCP_STATE_CLOSING;
}

/* What went past TCP while nobody watched is in none of its counters: the next payload may not be the first. */
static __always_inline void note_unseen_payload(struct socket_state *state, const struct tcp_sock *tp)
{
	if (!dataplane_loaded || state->payload_seen != PAYLOAD_NONE ||
	    !bpf_sk_storage_get(&redirect_sockets, (struct sock *)tp, NULL, 0))
		return;
	state->payload_seen = PAYLOAD_JOINED;
	state->connection.application_protocol = APPLICATION_PROTOCOL_OTHER;
}

/* Fills a fresh state from a live connection. What happened before is not told: counters start from here. */
static __always_inline void adopt_connection(struct socket_state *state, const struct sock *sk,
					     const struct tcp_sock *tp, u64 cookie, u64 now)
{
	stamp_socket(&state->connection, sk, cookie);
	state->opened_ns = now;
	state->reported_ns = now;
	state->in_files_ns = now;
	read_counters(tp, state, &state->reported);
	state->in_files = state->reported;
	state->counted_retransmits = tp->total_retrans;
	state->opened = 1;
	note_unseen_payload(state, tp);
}

/* The kernel kept the change to ESTABLISHED from us: a program that runs on the CPU already is not called again. */
static __always_inline bool opening_was_missed(const struct socket_state *state, const struct sock *sk)
{
	return state->opened_ns && !state->opened && !state->role && is_connected(sk->__sk_common.skc_state);
}

/*
 * Makes up for it; no row tells that the connection was opened.
 * @segments: sent again just now and not told yet; what was sent again before are SYN-ACKs, which were told one by one
 */
static __always_inline void open_late(struct socket_state *state, const struct sock *sk, const struct tcp_sock *tp,
				      u32 segments)
{
	if (state->connect_started_ns) {
		stamp_ends(&state->connection, sk, OBSERVATION_POINT_CLIENT, 1);
	} else {
		stamp_ends(&state->connection, sk, OBSERVATION_POINT_SERVER, 1);
		stamp_peer(&state->connection);
		state->counted_retransmits = tp->total_retrans - segments;
	}
	stamp_sequences(&state->connection, tp);
	state->role = state->connection.observation_point;
	state->opened = 1;
}

/* The role of an adopted connection: a listener on its local port says server, else the lower port is the server's. */
static __always_inline void stamp_adopted(struct socket_state *state, const struct sock *sk, const struct tcp_sock *tp)
{
	struct listener_key key = {.netns = socket_netns(sk), .port = local_port(sk)};
	u16 remote_port = bpf_ntohs(sk->__sk_common.skc_dport);

	if (opening_was_missed(state, sk)) {
		open_late(state, sk, tp, 0);
		return;
	}
	if (!state->opened || sk->__sk_common.skc_state == TCP_STATE_SYN_RECV)
		return;
	if (bpf_map_lookup_elem(&listeners, &key)) {
		stamp_ends(&state->connection, sk, OBSERVATION_POINT_SERVER, 1);
	} else {
		u8 point = key.port < remote_port ? OBSERVATION_POINT_SERVER : OBSERVATION_POINT_CLIENT;

		stamp_ends(&state->connection, sk, point, 0);
	}
	stamp_peer(&state->connection);
	stamp_sequences(&state->connection, tp);
	state->role = state->connection.observation_point;
}

#endif
