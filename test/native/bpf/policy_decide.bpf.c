// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The policies' tables alone, and a program that asks them: not one of type `syscall`, which may not read prefix tries.
 */
#include "dataplane/policy_decide.bpf.h"

#define ETHERNET_BYTES 14

struct asked {
	struct policy_question question;
	struct policy_answer answer;
};

/* The packet is an Ethernet header and what is asked; the answer is written into it. */
SEC("tc")
int ask_policies(struct __sk_buff *skb)
{
	struct policy_question question;
	struct policy_answer answer;

	if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, &question, sizeof(question)))
		return 1;
	policy_decide(&question, &answer);
	return bpf_skb_store_bytes(skb, ETHERNET_BYTES + __builtin_offsetof(struct asked, answer), &answer, sizeof(answer), 0);
}

/* The packet is an Ethernet header and a unit's number. Its place, or -1 if it is not there. */
SEC("tc")
int find_unit(struct __sk_buff *skb)
{
	u32 number;

	if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, &number, sizeof(number)))
		return -2;
	return http_unit_find(number) ? number % HTTP_LIMIT_UNITS : -1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
