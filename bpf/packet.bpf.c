/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Every packet of every local socket. Both programs only look: they let everything pass. */
#include "packet_header.bpf.h"
#include "tcp_adopt.bpf.h"
#include "tcp_window.bpf.h"
#include "udp_flow.bpf.h"
#include "http.bpf.h"

#define PASS 1

/*
 * Sockets in nobody's descriptor table, and those opened between our attachments, are met here. Not inlined, as what
 * follows: the stack is for the parser.
 */
static __noinline struct socket_state *meet_socket(struct __sk_buff *skb, struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	struct socket_state *state;

	if (!is_connected(sk->__sk_common.skc_state))
		return NULL;
	state = socket_state_create((struct sock *)tp);
	if (state && !state->opened_ns)
		adopt_connection(state, sk, tp, bpf_get_socket_cookie(skb), bpf_ktime_get_boot_ns());
	return state;
}

static __noinline void full_listener_packet(struct __sk_buff *skb, struct tcp_sock *tp,
					    const struct packet_header *header)
{
	struct connection ends = {};

	if (header->ip_version == 4) {
		__be32 addresses[2];

		if (bpf_skb_load_bytes(skb, 12, addresses, sizeof(addresses)))
			return;
		map_v4(ends.source_address, addresses[0]);
		map_v4(ends.destination_address, addresses[1]);
	} else if (bpf_skb_load_bytes(skb, 8, ends.source_address, 16) ||
		   bpf_skb_load_bytes(skb, 24, ends.destination_address, 16)) {
		return;
	}
	ends.source_port = header->source_port;
	ends.destination_port = header->destination_port;
	ends.ip_version = header->ip_version;
	ends.initiator_known = 1;
	write_accept_overflow(tp, &ends, bpf_get_socket_cookie(skb), bpf_ktime_get_boot_ns());
}

static __always_inline bool tells_of_window(const struct socket_state *state, const struct packet_header *header)
{
	return !(header->flags & (TCP_FLAG_SYN | TCP_FLAG_RST)) && state->role &&
	       (header->window == 0 || state->zero_window_since_ns);
}

static __always_inline void tcp_packet(struct __sk_buff *skb, struct bpf_sock *sk, const struct packet_header *header,
				       bool ingress)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	struct tcp_sock *tp;

	if (state && sk->state != TCP_STATE_LISTEN && has_nothing_for_http(state, header) &&
	    !(ingress && tells_of_window(state, header)))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	if (tp->inet_conn.icsk_inet.sk.__sk_common.skc_state == TCP_STATE_LISTEN) {
		if (!ingress || (header->flags & TCP_FLAG_RST))
			return;
		/* TCP drops what a full listener gets: the client sends its first bytes again. */
		if (accept_queue_is_full(&tp->inet_conn.icsk_inet.sk))
			full_listener_packet(skb, tp, header);
		else if (read_requests)
			http_listener_packet(skb, header);
		return;
	}
	if (!state)
		state = meet_socket(skb, tp);
	if (!state)
		return;
	if (ingress && tells_of_window(state, header))
		peer_window_seen(state, tp, header->window, bpf_ktime_get_boot_ns());
	http_packet(skb, tp, state, header, ingress);
}

static __noinline void udp_packet(struct __sk_buff *skb, const struct packet_header *header, bool egress)
{
	udp_packet_seen(skb, header, egress);
}

static __always_inline int packet(struct __sk_buff *skb, bool ingress)
{
	struct packet_header header = {};
	struct bpf_sock *sk = skb->sk;

	if (!sk || !read_packet_header(skb, &header))
		return PASS;
	if (header.protocol == IPPROTO_TCP)
		tcp_packet(skb, sk, &header, ingress);
	else
		udp_packet(skb, &header, !ingress);
	return PASS;
}

SEC("cgroup_skb/ingress")
int cgroup_ingress(struct __sk_buff *skb)
{
	return packet(skb, true);
}

SEC("cgroup_skb/egress")
int cgroup_egress(struct __sk_buff *skb)
{
	return packet(skb, false);
}
