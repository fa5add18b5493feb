/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The answers of refuse_answer.bpf.h by themselves: to sockets on which a test has put a verdict, whatever they are sent. In the
 * data plane policy_http.bpf.c is who judges.
 */
#include "packet_header.bpf.h"
#include "refuse_answer.bpf.h"

/* A verdict on a socket: what arrives from now on is refused. */
struct refusal {
	u8 answer; /* enum refusal_answer */
	u8 reserved[3];
	/* Where a 403 may stand: bytes that the server had written when its last response was whole. */
	u32 answered_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct refusal);
} refused_sockets SEC(".maps");

/* An answer of ours can stand in the stream only behind a whole response, and where nothing is on its way. */
static __always_inline u8 answer_of(const struct refusal *refusal, const struct tcp_sock *tp)
{
	u32 begin = tp->snd_una - (u32)tp->bytes_acked;

	if (refusal->answer == REFUSAL_ANSWER_FORBIDDEN &&
	    (tp->write_seq != tp->snd_una || tp->write_seq - begin != refusal->answered_bytes))
		return REFUSAL_ANSWER_RESET;
	return refusal->answer;
}

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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
