/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Tells the choices of all sockets that live: one struct service_choice after the other. */
#include "dataplane/service_maps.bpf.h"

SEC("iter/bpf_sk_storage_map")
int tell_service_choices(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct service_choice *choice = ctx->value;

	if (choice)
		bpf_seq_write(ctx->meta->seq, choice, sizeof(*choice));
	return 0;
}
