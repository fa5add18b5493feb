/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept on sockets, one struct policy_flow after the other. */
#include "dataplane/policy_maps.bpf.h"

SEC("iter/bpf_sk_storage_map")
int tell_connections(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct policy_flow *flow = ctx->value;

	if (flow)
		bpf_seq_write(ctx->meta->seq, flow, sizeof(*flow));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
