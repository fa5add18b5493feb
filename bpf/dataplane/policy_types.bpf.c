// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the BTF of the policies' structs and nothing else: wire/generate.ts reads this object. */
#include "dataplane/policy.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, policy_set);
KEEP(struct, policy_subject_key);
KEEP(struct, policy_subject);
KEEP(struct, policy_address_key);
KEEP(struct, policy_address);
KEEP(struct, policy_pair_key);
KEEP(struct, policy_port_key);
KEEP(struct, policy_decision);
KEEP(struct, policy_answer);
KEEP(struct, policy_flow_key);
KEEP(struct, policy_flow);
KEEP(struct, policy_record_key);
KEEP(struct, policy_record_count);
KEEP(struct, policy_told);
KEEP(enum, policy_mode);
KEEP(enum, policy_verdict);
KEEP(enum, refusal_answer);
