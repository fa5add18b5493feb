/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the policies say of a connection that a pod has accepted. */
#ifndef FLOWSPAN_DATAPLANE_POLICY_ACCEPTED_BPF_H
#define FLOWSPAN_DATAPLANE_POLICY_ACCEPTED_BPF_H

#include "dataplane/policy_decide.bpf.h"
#include "dataplane/policy_packet.bpf.h"

/* The pod's cgroup that the socket was made in or below; 0: it is no pod's. */
static __always_inline u64 pod_cgroup_of_socket(const struct sock *sk, struct policy_set set)
{
	struct policy_subject_key key = {.generation = set.generation};
	struct cgroup *cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup), *ancestor;
	u32 own_level = BPF_CORE_READ(cgroup, level);

	for (u32 level = 0; level < CGROUP_LEVELS; level++) {
		if (level > own_level || !(set.cgroup_levels >> level))
			break;
		if (!(set.cgroup_levels >> level & 1) ||
		    bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level]))
			continue;
		key.cgroup_id = BPF_CORE_READ(ancestor, kn, id);
		if (bpf_map_lookup_elem(&policy_subjects, &key))
			return key.cgroup_id;
	}
	return 0;
}

/*
 * Device by which the packet came that made the socket. Until a program asks for another device for its multicasts, which it
 * cannot have done yet, it is kept there: tcp_v4_syn_recv_sock(), tcp_v6_syn_recv_sock().
 */
static __always_inline u32 came_by(const struct inet_sock *inet)
{
	if (BPF_CORE_READ(inet, sk.__sk_common.skc_family) == AF_INET6)
		return BPF_CORE_READ(inet, pinet6, mcast_oif);
	return BPF_CORE_READ(inet, mc_index);
}

static __always_inline void read_question(const struct sock *sk, struct policy_question *question)
{
	u32 ipv4 = BPF_CORE_READ(sk, __sk_common.skc_daddr);

	question->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	question->protocol = IPPROTO_TCP;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET)
		mapped(question->address, (const u8 *)&ipv4);
	else
		bpf_core_read(question->address, sizeof(question->address), &sk->__sk_common.skc_v6_daddr);
}

/* Once more does no harm. */
static __always_inline void keep_answer(struct bpf_sock *sk)
{
	struct policy_set set = current_set();
	struct policy_question question = {};
	struct policy_answer answer;
	struct policy_flow *kept;
	struct tcp_sock *tp = set.generation ? bpf_skc_to_tcp_sock(sk) : NULL;

	/* A pod cannot be kept from itself. */
	if (!tp || came_by(&tp->inet_conn.icsk_inet) == LOOPBACK_IFINDEX)
		return;
	question.cgroup_id = pod_cgroup_of_socket(&tp->inet_conn.icsk_inet.sk, set);
	if (!question.cgroup_id)
		return;
	read_question(&tp->inet_conn.icsk_inet.sk, &question);
	policy_decide(&question, &answer);
	if (!answer.identity || answer.policy_mode == POLICY_MODE_OBSERVE)
		return;
	if (answer.policy_verdict == POLICY_VERDICT_DENIED) {
		/* The policies have changed since its SYN: what let it through is not known any more. */
		if (answer.policy_mode == POLICY_MODE_ENFORCE)
			return;
		answer.policy_verdict = POLICY_VERDICT_AUDITED;
	}
	kept = bpf_sk_storage_get(&policy_connections, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return;
	kept->answer = answer;
	kept->last_ns = bpf_ktime_get_ns();
}

#endif
