/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Brings a client to a backend of the service that it dials, when it connects: no packet is ever rewritten. What it asks
 * for its peer's address afterwards, it is told what it dialled.
 */
#include "dataplane/service_peer.bpf.h"

/* Chooses for a socket that connects, and keeps the choice with it; a socket may connect again, to something else. */
static __always_inline enum outcome choose_at_connect(struct bpf_sock_addr *ctx, const struct frontend_key *dialled,
						      struct service_choice *choice)
{
	s64 service = dialled_service(ctx, dialled);
	struct service_choice *kept;

	begin_choice(ctx, dialled, choice);
	if (service < 0 || !choose(ctx, service, choice)) {
		if (bpf_sk_storage_get(&service_choices, ctx->sk, NULL, 0))
			bpf_sk_storage_delete(&service_choices, ctx->sk);
		return OUTCOME_PASS;
	}
	account_choice(choice);
	kept = bpf_sk_storage_get(&service_choices, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	/* Without it the client could not be told whom it dialled, nor anybody else. */
	if (!kept)
		return OUTCOME_PASS;
	*kept = *choice;
	return outcome_of(choice);
}

SEC("cgroup/connect4")
int service_connect4(struct bpf_sock_addr *ctx)
{
	struct frontend_key dialled = {};
	struct service_choice choice = {};
	enum outcome outcome;

	if (!is_balanced_protocol(ctx->protocol))
		return 1;
	read_peer4(ctx, &dialled);
	outcome = choose_at_connect(ctx, &dialled, &choice);
	if (outcome == OUTCOME_REFUSE)
		return refuse_call();
	if (outcome == OUTCOME_TRANSLATE)
		write_peer4(ctx, choice.backend_low, choice.backend_port);
	return 1;
}

SEC("cgroup/connect6")
int service_connect6(struct bpf_sock_addr *ctx)
{
	struct frontend_key dialled = {};
	struct service_choice choice = {};
	enum outcome outcome;

	if (!is_balanced_protocol(ctx->protocol))
		return 1;
	read_peer6(ctx, &dialled);
	outcome = choose_at_connect(ctx, &dialled, &choice);
	if (outcome == OUTCOME_REFUSE)
		return refuse_call();
	if (outcome == OUTCOME_TRANSLATE)
		write_peer6(ctx, choice.backend_high, choice.backend_low, choice.backend_port);
	return 1;
}

SEC("cgroup/getpeername4")
int service_getpeername4(struct bpf_sock_addr *ctx)
{
	const struct service_choice *choice;
	struct frontend_key peer = {};

	read_peer4(ctx, &peer);
	choice = choice_of_connected(ctx, &peer);
	if (choice)
		write_peer4(ctx, choice->frontend_low, choice->frontend_port);
	return 1;
}

SEC("cgroup/getpeername6")
int service_getpeername6(struct bpf_sock_addr *ctx)
{
	const struct service_choice *choice;
	struct frontend_key peer = {};

	read_peer6(ctx, &peer);
	choice = choice_of_connected(ctx, &peer);
	if (choice)
		write_peer6(ctx, choice->frontend_high, choice->frontend_low, choice->frontend_port);
	return 1;
}
