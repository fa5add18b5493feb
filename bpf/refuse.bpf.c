/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What arrives for a socket that a verdict refuses is answered from here, within a round trip, whether or not a collector
 * lives: its client is reset or told 403, its server is reset, and its application sees nothing of the bytes.
 * The answer is given where packets come in at the server's device: tcx, or clsact where the kernel has none (6.1). What finds
 * no answer there (fragments, IP options, devices that nobody attached it to) still finds no way in: that is kept by the
 * cgroup, behind all of it.
 */
#include "packet_header.bpf.h"
#include "refuse_answer.bpf.h"

/* Verdicts. Written by who judges; freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct refusal);
} refused_sockets SEC(".maps");

static __always_inline void look_at_server(struct __sk_buff *skb, const struct segment *segment, struct server_end *server)
{
	struct bpf_sock *sk = find_socket(skb, segment);
	struct refusal *refusal;
	struct tcp_sock *tp;

	if (!sk)
		return;
	server->alive = sk->state < 32 && (1u << sk->state) & TCP_TAKES_DATA;
	refusal = server->alive ? bpf_sk_storage_get(&refused_sockets, sk, NULL, 0) : NULL;
	tp = refusal ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (tp) {
		server->answer = answer_of(refusal, tp);
		read_server_end(tp, server);
	}
	bpf_sk_release(sk);
}

static __always_inline bool is_from_to(u32 number, u32 begin, u32 end)
{
	return number - begin <= end - begin;
}

/* Whether TCP would look at it. What it would throw away (forged, too old) is left to it: that must end no connection. */
static __always_inline bool is_acceptable(const struct segment *segment, const struct server_end *server)
{
	return is_from_to(segment->sequence, server->received - server->window, server->received + server->window) &&
	       is_from_to(segment->acknowledged, server->acknowledged, server->sent);
}

SEC("tc")
int refuse_ingress(struct __sk_buff *skb)
{
	struct segment segment = {};
	struct server_end server = {};

	if (!read_segment(skb, &segment))
		return DEVICE_PASS;
	look_at_server(skb, &segment, &server);
	if (!server.alive)
		return after_refusal(skb, &segment);
	if (!server.answer || !segment.payload_bytes || !is_acceptable(&segment, &server))
		return DEVICE_PASS;
	return refuse(skb, &segment, &server);
}

SEC("cgroup_skb/ingress")
int refuse_payload(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct packet_header header = {};

	if (!sk || !bpf_sk_storage_get(&refused_sockets, sk, NULL, 0))
		return SK_PASS;
	if (!read_packet_header(skb, &header))
		return SK_DROP;
	return header.payload_bytes ? SK_DROP : SK_PASS;
}
