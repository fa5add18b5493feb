/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Judges the requests that come to a pod by the HTTP rules of its policies, before its programs see them: where packets come
 * in at the pod's device. What is refused is answered there (refuse_answer.bpf.h), with no collector at work; what cannot be
 * judged is refused, too, where policies are enforced, and told where they are audited.
 *
 * Which connections: those on whose accepted socket an answer with rules was put (policy_established.bpf.c), and those that are
 * not accepted yet. What was there before the rules goes on as it was.
 */
#include "policy_http_socket.bpf.h"

#define TCP_STATE_SYN_RECV_BIT (1 << 3)
#define TCP_STATE_LISTEN 10
#define TCP_STATE_NEW_SYN_RECV 12

/* Too large for the stack. Programs at a device are not interrupted by one another on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct policy_arrival);
} policy_arrivals SEC(".maps");

static __always_inline int judge_socket(struct __sk_buff *skb, struct bpf_sock *sk, struct policy_arrival *arrival)
{
	u32 state = sk->state, bytes = arrival->segment.payload_bytes;

	if (state == TCP_STATE_NEW_SYN_RECV)
		return bytes ? judge_request(skb, sk, arrival) : POLICY_OUTCOME_PASS;
	/* Fast Open, SYN cookies: what a connection's first segment brings along can wait until there is a socket. */
	if (state == TCP_STATE_LISTEN && bytes)
		arrival->unaccepted = is_enforced_at_listener(sk, arrival);
	if (state >= 32 || !((1u << state) & (TCP_TAKES_DATA | TCP_STATE_SYN_RECV_BIT)))
		return POLICY_OUTCOME_NO_SERVER;
	return bytes ? judge_connection(skb, sk, arrival) : POLICY_OUTCOME_PASS;
}

static __always_inline int cut(struct __sk_buff *skb, const struct policy_arrival *arrival, u32 kept)
{
	return cut_segment(skb, &arrival->segment, kept) ? give_up() : DEVICE_PASS;
}

static __always_inline int carry_out(struct __sk_buff *skb, const struct policy_arrival *arrival, int outcome)
{
	int action;

	switch (outcome) {
	case POLICY_OUTCOME_DROP:
		return TC_ACT_SHOT;
	case POLICY_OUTCOME_CUT:
		return cut(skb, arrival, arrival->kept);
	case POLICY_OUTCOME_REFUSE:
		return refuse(skb, &arrival->segment, &arrival->server);
	case POLICY_OUTCOME_NO_SERVER:
		action = after_refusal(skb, &arrival->segment);
		return action == DEVICE_PASS && arrival->unaccepted ? cut(skb, arrival, 0) : action;
	}
	return DEVICE_PASS;
}

/* Rules that are enforced apply to the socket. */
static __always_inline bool is_enforced(struct bpf_sock *sk)
{
	struct policy_stream *stream = bpf_sk_storage_get(&policy_streams, sk, NULL, 0);
	struct policy_flow *flow = stream ? NULL : bpf_sk_storage_get(&policy_connections, sk, NULL, 0);
	const struct policy_answer *answer = flow ? &flow->answer : NULL;

	if (stream && stream->policy_following == POLICY_FOLLOWING_LEFT)
		return false;
	if (stream)
		answer = &stream->answer;
	return answer && has_rules(answer) && answer->policy_mode == POLICY_MODE_ENFORCE;
}

/*
 * A packet that is not read (pieces, headers with options): it is found by its ports whose it is. Other pieces than the first
 * come to nothing without that.
 */
static __always_inline int judge_unreadable(struct __sk_buff *skb, struct policy_arrival *arrival)
{
	struct bpf_sock *sk = read_ends(skb, &arrival->segment) ? find_socket(skb, &arrival->segment) : NULL;
	bool dropped;

	if (!sk)
		return DEVICE_PASS;
	dropped = sk->state == TCP_STATE_LISTEN || sk->state == TCP_STATE_NEW_SYN_RECV ?
			  is_enforced_at_listener(sk, arrival) :
			  is_enforced(sk);
	bpf_sk_release(sk);
	return dropped ? give_up() : DEVICE_PASS;
}

SEC("tc")
int policy_http_ingress(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct policy_arrival *arrival = bpf_map_lookup_elem(&policy_arrivals, &zero);
	int outcome = POLICY_OUTCOME_NO_SERVER;
	struct bpf_sock *sk;

	if (!arrival)
		return TC_ACT_SHOT;
	arrival->unaccepted = false;
	if (!read_segment(skb, &arrival->segment))
		return judge_unreadable(skb, arrival);
	arrival->now_ns = bpf_ktime_get_ns();
	sk = find_socket(skb, &arrival->segment);
	if (sk) {
		outcome = judge_socket(skb, sk, arrival);
		bpf_sk_release(sk);
	}
	return carry_out(skb, arrival, outcome);
}

/* The rules may have gone, and with them who would have told the stream. */
static __always_inline bool has_rules_now(struct bpf_sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct policy_question question = {};
	struct policy_answer answer;

	if (!tp)
		return true;
	question.cgroup_id = pod_cgroup_of_socket(&tp->inet_conn.icsk_inet.sk, current_set());
	read_question(&tp->inet_conn.icsk_inet.sk, &question);
	policy_decide(&question, &answer);
	return has_rules(&answer) && answer.policy_mode == POLICY_MODE_ENFORCE;
}

static __always_inline int keep_out(struct bpf_sock *sk)
{
	return has_rules_now(sk) ? SK_DROP : SK_PASS;
}

/* Behind all devices: what was not judged at one has no way in where policies are enforced. */
SEC("cgroup_skb/ingress")
int policy_http_payload(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct packet_header header = {};
	struct policy_stream *stream;
	u32 end;

	/* A pod cannot be kept from itself. */
	if (!sk || skb->ifindex == LOOPBACK_IFINDEX || !is_enforced(sk))
		return SK_PASS;
	if (!read_packet_header(skb, &header))
		return SK_DROP;
	if (!header.payload_bytes)
		return SK_PASS;
	stream = bpf_sk_storage_get(&policy_streams, sk, NULL, 0);
	if (!stream)
		return keep_out(sk);
	if (stream->policy_following == POLICY_FOLLOWING_REFUSED)
		return SK_DROP;
	end = header.sequence + header.payload_bytes;
	return !sequence_before(stream->next, end) || end - stream->next <= stream->confirmed ? SK_PASS : keep_out(sk);
}
