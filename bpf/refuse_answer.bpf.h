/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The answer to what is refused: the client is reset or told 403, and the server's socket is reset, all in the place of the
 * segment that came. For tc programs where packets come in at the server's device.
 */
#ifndef FLOWSPAN_REFUSE_ANSWER_BPF_H
#define FLOWSPAN_REFUSE_ANSWER_BPF_H

#include "include/kernel.h"
#include "dataplane/refuse.h"
#include "refuse_segment.bpf.h"

#define TCP_STATE_ESTABLISHED_BIT (1 << 1)
#define TCP_STATE_FIN_WAIT1_BIT (1 << 4)
#define TCP_STATE_FIN_WAIT2_BIT (1 << 5)
/* States in which a socket takes data. */
#define TCP_TAKES_DATA (TCP_STATE_ESTABLISHED_BIT | TCP_STATE_FIN_WAIT1_BIT | TCP_STATE_FIN_WAIT2_BIT)

/*
 * Connections whose clients were answered with 403: the socket that could say it again, or take their FIN, is gone. Without
 * a namespace: the sequence numbers of what was said tell one from another.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct refused_connection);
	__type(value, struct refused_answer);
} refused_connections SEC(".maps");

/* By enum refuse_counter. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REFUSE_COUNTER_MAX);
	__type(key, u32);
	__type(value, u64);
} refuse_counters SEC(".maps");

/* Where a server's socket stands. */
struct server_end {
	u32 received;	/* next byte it expects */
	u32 window;
	u32 acknowledged;
	u32 sent;
	u8 answer;	/* enum refusal_answer: as it can be given */
	bool alive;
};

static __always_inline void count_refused(u32 what)
{
	u64 *count = bpf_map_lookup_elem(&refuse_counters, &what);

	if (count)
		*count += 1;
}

static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, const struct segment *segment)
{
	struct bpf_sock_tuple tuple = {};

	if (is_ipv4(segment)) {
		tuple.ipv4.saddr = segment->ip.v4.source;
		tuple.ipv4.daddr = segment->ip.v4.destination;
		tuple.ipv4.sport = segment->tcp.source;
		tuple.ipv4.dport = segment->tcp.destination;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, segment->ip.v6.source, 16);
	__builtin_memcpy(tuple.ipv6.daddr, segment->ip.v6.destination, 16);
	tuple.ipv6.sport = segment->tcp.source;
	tuple.ipv6.dport = segment->tcp.destination;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

static __always_inline void read_server_end(const struct tcp_sock *tp, struct server_end *server)
{
	server->received = tp->rcv_nxt;
	server->window = tp->rcv_wnd;
	server->acknowledged = tp->snd_una;
	server->sent = tp->snd_nxt;
}

static __always_inline void read_connection(const struct segment *segment, struct refused_connection *connection)
{
	segment_addresses(segment, connection->client_address, connection->server_address);
	connection->client_port = segment->tcp.source;
	connection->server_port = segment->tcp.destination;
}

static __always_inline u32 end_of(const struct segment *segment)
{
	return segment->sequence + segment->payload_bytes + !!(segment->tcp.flags & TCP_FLAG_FIN);
}

static __always_inline int give_up(void)
{
	count_refused(REFUSE_COUNTER_DROPPED);
	return TC_ACT_SHOT;
}

static __always_inline int send_back(struct __sk_buff *skb, const struct segment *segment,
				     const struct replacement *with)
{
	return replace_segment(skb, segment, with) ? give_up() : bpf_redirect(skb->ifindex, 0);
}

static __always_inline int tell_forbidden(struct __sk_buff *skb, const struct segment *segment, u32 begin)
{
	struct replacement answer = {
		.sequence = begin,
		.acknowledged = end_of(segment),
		.flags = TCP_FLAG_ACK | TCP_FLAG_PSH | TCP_FLAG_FIN,
		.turned = true,
		.forbidden = true,
	};

	return send_back(skb, segment, &answer);
}

/* The server's socket first: its reset comes in behind what is in hand, and this program lets it pass. */
static __noinline int refuse(struct __sk_buff *skb, const struct segment *segment, const struct server_end *server)
{
	bool says_forbidden = server->answer == REFUSAL_ANSWER_FORBIDDEN && segment->acknowledged == server->sent;
	struct replacement reset = {
		.sequence = server->received,
		.acknowledged = server->sent,
		.flags = TCP_FLAG_RST | TCP_FLAG_ACK,
	};
	struct refused_answer answer = {.begin = server->sent, .end = server->sent + sizeof(forbidden) + 1};
	struct refused_connection connection = {};

	if (replace_segment(skb, segment, &reset) || bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
		return give_up();
	count_refused(says_forbidden ? REFUSE_COUNTER_FORBIDDEN : REFUSE_COUNTER_RESET);
	if (says_forbidden) {
		read_connection(segment, &connection);
		bpf_map_update_elem(&refused_connections, &connection, &answer, BPF_ANY);
		return tell_forbidden(skb, segment, server->sent);
	}
	reset.sequence = server->sent;
	reset.acknowledged = end_of(segment);
	reset.turned = true;
	return send_back(skb, segment, &reset);
}

/* What a client says to a server that is gone: in place of the reset that the kernel would send. */
static __noinline int after_refusal(struct __sk_buff *skb, const struct segment *segment)
{
	struct refused_connection connection = {};
	struct refused_answer *answer;
	struct replacement acknowledgement = {.flags = TCP_FLAG_ACK, .turned = true};

	if (segment->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_RST))
		return DEVICE_PASS;
	read_connection(segment, &connection);
	answer = bpf_map_lookup_elem(&refused_connections, &connection);
	if (!answer)
		return DEVICE_PASS;
	if (segment->acknowledged == answer->begin) {
		if (!segment->payload_bytes)
			return TC_ACT_SHOT;
		count_refused(REFUSE_COUNTER_FORBIDDEN_AGAIN);
		return tell_forbidden(skb, segment, answer->begin);
	}
	if (segment->acknowledged != answer->end)
		return DEVICE_PASS;
	if (end_of(segment) == segment->sequence)
		return TC_ACT_SHOT;
	acknowledgement.sequence = answer->end;
	acknowledgement.acknowledged = end_of(segment);
	return send_back(skb, segment, &acknowledgement);
}

#endif
