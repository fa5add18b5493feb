/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Judges new TCP connections and UDP flows of pods by the policies' tables. What began before its pod was known, replies
 * and all that follows a connection that was let through are not judged; ICMP and traffic of a pod with itself neither.
 */
#include "dataplane/policy_decide.bpf.h"
#include "dataplane/policy_packet.bpf.h"
#include "dataplane/policy_records.bpf.h"

#define PASS 1
#define DROP 0
/* In every network namespace: include/net/net_namespace.h. */
#define LOOPBACK_IFINDEX 1

/* A UDP flow without packets for so long is over: what comes then is judged anew. */
const volatile u64 policy_flow_idle_ns = 180ULL * 1000 * 1000 * 1000;

static __always_inline void count_record(const struct policy_answer *answer, const struct policy_packet *packet)
{
	struct policy_facts facts = {
		.source_port = packet->source_port,
		.destination_port = packet->destination_port,
		.protocol = packet->protocol,
		.http_rule = POLICY_NO_HTTP_RULE,
	};
	struct policy_record_count *fresh;

	__builtin_memcpy(facts.source, packet->source, 16);
	__builtin_memcpy(facts.destination, packet->destination, 16);
	fresh = policy_count(answer, &facts);
	if (fresh)
		policy_sample(fresh);
}

/* Levels of cgroups that are looked at from the root: a pod's has some four. */
#define CGROUP_LEVELS 32

/*
 * The pod's cgroup that the socket was made in or below, so that a pod that makes cgroups of its own does not leave its
 * policies behind; 0: it is no pod's.
 */
static __always_inline u64 pod_cgroup(struct __sk_buff *skb, struct policy_set set)
{
	struct policy_subject_key key = {.generation = set.generation};

	for (u32 level = 0; level < CGROUP_LEVELS; level++) {
		if (!(set.cgroup_levels >> level))
			break;
		if (!(set.cgroup_levels >> level & 1))
			continue;
		key.cgroup_id = bpf_skb_ancestor_cgroup_id(skb, level);
		if (bpf_map_lookup_elem(&policy_subjects, &key))
			return key.cgroup_id;
	}
	return 0;
}

/* Carries an answer out as its pod's mode says, and counts it. */
static __always_inline bool is_let_through(struct policy_answer *answer, const struct policy_packet *packet)
{
	if (!answer->identity || answer->policy_mode == POLICY_MODE_OBSERVE)
		return true;
	if (answer->policy_verdict == POLICY_VERDICT_DENIED && answer->policy_mode == POLICY_MODE_AUDIT)
		answer->policy_verdict = POLICY_VERDICT_AUDITED;
	count_record(answer, packet);
	return answer->policy_verdict != POLICY_VERDICT_DENIED;
}

static __always_inline bool is_allowed(struct __sk_buff *skb, const struct policy_packet *packet, bool is_egress,
				       struct policy_answer *answer)
{
	struct policy_question question = {
		.cgroup_id = pod_cgroup(skb, current_set()),
		.port = packet->destination_port,
		.protocol = packet->protocol,
		.is_egress = is_egress,
	};

	__builtin_memcpy(question.address, is_egress ? packet->destination : packet->source, 16);
	policy_decide(&question, answer);
	return is_let_through(answer, packet);
}

static __always_inline int judge_unread(struct __sk_buff *skb, const struct policy_packet *packet, bool is_egress)
{
	struct policy_question question = {.cgroup_id = pod_cgroup(skb, current_set()), .is_egress = is_egress};
	struct policy_answer answer;

	policy_deny_unread(&question, &answer);
	return answer.policy_verdict == POLICY_VERDICT_NO_POLICY || is_let_through(&answer, packet) ? PASS : DROP;
}

static __always_inline int judge_tcp(struct __sk_buff *skb, const struct policy_packet *packet, bool is_egress)
{
	struct policy_answer answer;
	struct policy_flow *kept;
	struct bpf_sock *sk;
	bool passes;

	if ((packet->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) != TCP_FLAG_SYN)
		return PASS;
	passes = is_allowed(skb, packet, is_egress, &answer);
	/* Where it comes in, the socket is the listener's: the connection has none yet. */
	sk = is_egress && answer.policy_mode != POLICY_MODE_OBSERVE && skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	kept = sk ? bpf_sk_storage_get(&policy_connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE) : NULL;
	if (kept) {
		kept->answer = answer;
		kept->last_ns = bpf_ktime_get_ns();
	}
	return passes ? PASS : DROP;
}

static __always_inline int judge_udp(struct __sk_buff *skb, const struct policy_packet *packet, bool is_egress)
{
	struct policy_flow_key key = {
		.socket_cookie = bpf_get_socket_cookie(skb),
		.remote_port = is_egress ? packet->destination_port : packet->source_port,
		.local_port = is_egress ? packet->source_port : packet->destination_port,
	};
	u64 now_ns = bpf_ktime_get_ns();
	struct policy_flow fresh = {.last_ns = now_ns}, *flow;

	__builtin_memcpy(key.address, is_egress ? packet->destination : packet->source, 16);
	flow = bpf_map_lookup_elem(&policy_flows, &key);
	if (flow && now_ns - flow->last_ns < policy_flow_idle_ns &&
	    (flow->answer.is_egress != is_egress || flow->answer.generation == current_set().generation)) {
		flow->last_ns = now_ns;
		return PASS;
	}
	if (!is_allowed(skb, packet, is_egress, &fresh.answer)) {
		if (flow)
			bpf_map_delete_elem(&policy_flows, &key);
		return DROP;
	}
	if (fresh.answer.identity)
		bpf_map_update_elem(&policy_flows, &key, &fresh, BPF_ANY);
	return PASS;
}

static __always_inline int judge(struct __sk_buff *skb, bool is_egress)
{
	struct policy_packet packet = {};

	/* A pod cannot be kept from itself. */
	if (skb->ifindex == LOOPBACK_IFINDEX || !current_set().generation)
		return PASS;
	switch (read_policy_packet(skb, &packet)) {
	case READING_OTHER:
		return PASS;
	case READING_BROKEN:
		return judge_unread(skb, &packet, is_egress);
	default:
		return packet.protocol == IPPROTO_TCP ? judge_tcp(skb, &packet, is_egress) :
							judge_udp(skb, &packet, is_egress);
	}
}

SEC("cgroup_skb/egress")
int policy_egress(struct __sk_buff *skb)
{
	return judge(skb, true);
}

SEC("cgroup_skb/ingress")
int policy_ingress(struct __sk_buff *skb)
{
	return judge(skb, false);
}
