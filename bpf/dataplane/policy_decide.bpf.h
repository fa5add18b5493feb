/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The lookups of a verdict, as collector/src/control/policy/lookup.ts does them. */
#ifndef FLOWSPAN_DATAPLANE_POLICY_DECIDE_BPF_H
#define FLOWSPAN_DATAPLANE_POLICY_DECIDE_BPF_H

#include "dataplane/policy_maps.bpf.h"

#define NO_DECISION 0xffffffff
#define ANY_PEER 0
#define GENERATION_BITS 32
#define ADDRESS_BITS 128
#define PORT_KEY_BITS (GENERATION_BITS + 32 + 8 + 16)
#define TABLE_KEY_BITS (GENERATION_BITS + 32)

struct policy_question {
	u64 cgroup_id;		/* of the pod */
	u8 address[16];		/* of the other end */
	u16 port;		/* of the destination */
	u8 protocol;
	u8 is_egress;
	u32 reserved;
};

/* Both of its fields are read at once, as they are written. */
static __always_inline struct policy_set current_set(void)
{
	u32 zero = 0;
	const volatile u64 *set = bpf_map_lookup_elem(&policy_sets, &zero);
	u64 both = set ? *set : 0;

	return (struct policy_set){.generation = both, .cgroup_levels = both >> 32};
}

static __always_inline const struct policy_decision *decision_of(const struct policy_question *question, u32 generation,
								 u32 table)
{
	struct policy_port_key key = {
		.prefix_bits = PORT_KEY_BITS,
		.generation = generation,
		.table = table,
		.protocol = question->protocol,
		.port_high = question->port >> 8,
		.port_low = question->port,
	};
	const struct policy_decision *found = bpf_map_lookup_elem(&policy_ports, &key);

	return found;
}

static __always_inline const u32 *table_of(u32 generation, u32 subject, u32 peer)
{
	struct policy_pair_key key = {.generation = generation, .subject = subject, .peer = peer};
	const u32 *own = bpf_map_lookup_elem(&policy_pairs, &key);

	if (own)
		return own;
	key.peer = ANY_PEER;
	return bpf_map_lookup_elem(&policy_pairs, &key);
}

/*
 * Fills in whose pod it is. Its subject in the direction of the question; 0 if none of its policies is to be asked.
 * @found false if the generation has no such pod
 */
static __always_inline u32 subject_in(const struct policy_question *question, u32 generation,
				      struct policy_answer *answer, bool *found)
{
	struct policy_subject_key key = {.cgroup_id = question->cgroup_id, .generation = generation};
	const struct policy_subject *subject = bpf_map_lookup_elem(&policy_subjects, &key);

	*found = subject;
	if (!subject)
		return 0;
	answer->identity = subject->identity;
	answer->generation = generation;
	answer->policy_mode = subject->policy_mode;
	answer->refusal_answer = subject->refusal_answer;
	answer->is_egress = question->is_egress;
	if (subject->policy_mode == POLICY_MODE_OBSERVE)
		return 0;
	return question->is_egress ? subject->egress : subject->ingress;
}

/* False if the generation lacks what it should have: it was freed while it was read. */
static __always_inline bool decide_in(const struct policy_question *question, u32 generation,
				      struct policy_answer *answer)
{
	struct policy_address_key address_key = {
		.prefix_bits = GENERATION_BITS + ADDRESS_BITS, .generation = generation
	};
	const struct policy_address *address;
	const struct policy_decision *decision;
	const u32 *table;
	bool found;
	u32 number = subject_in(question, generation, answer, &found);

	if (!number)
		return found;
	__builtin_memcpy(address_key.address, question->address, sizeof(address_key.address));
	address = bpf_map_lookup_elem(&policy_addresses, &address_key);
	if (!address)
		return false;
	answer->peer_identity = address->identity;
	table = table_of(generation, number, address->peer);
	if (!table)
		return false;
	decision = decision_of(question, generation, *table);
	if (!decision)
		return false;
	answer->decision = decision->decision;
	answer->policy_verdict = decision->policy_verdict;
	answer->http_unit = decision->http_unit;
	return true;
}

/*
 * What the policies say of a new connection, in the direction of the question. A pod that the tables do not know is not
 * judged: identity 0. What they should know and do not is denied.
 */
static __always_inline void policy_decide(const struct policy_question *question, struct policy_answer *answer)
{
	u32 generation = current_set().generation, again;

	__builtin_memset(answer, 0, sizeof(*answer));
	answer->decision = NO_DECISION;
	if (!generation || decide_in(question, generation, answer))
		return;
	again = current_set().generation;
	if (again != generation && decide_in(question, again, answer))
		return;
	if (answer->identity)
		answer->policy_verdict = POLICY_VERDICT_DENIED;
}

/* The same for a packet that cannot be read: it is denied where a policy is about its direction. */
static __always_inline void policy_deny_unread(const struct policy_question *question, struct policy_answer *answer)
{
	bool found;

	__builtin_memset(answer, 0, sizeof(*answer));
	answer->decision = NO_DECISION;
	if (subject_in(question, current_set().generation, answer, &found))
		answer->policy_verdict = POLICY_VERDICT_DENIED;
}

#endif
