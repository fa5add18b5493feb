/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Puts what the policies say of a connection that a pod accepted onto its socket. Its SYN was judged, and counted, where only
 * the listener's socket was at hand (policy.bpf.c).
 */
#include "dataplane/policy_accepted.bpf.h"

SEC("sockops")
int policy_established(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && ctx->sk)
		keep_answer(ctx->sk);
	return 1;
}
