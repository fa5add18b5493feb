/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The address that a socket hook is given: what it is, what it becomes, and of which choice it is the outcome. */
#ifndef FLOWSPAN_DATAPLANE_SERVICE_PEER_BPF_H
#define FLOWSPAN_DATAPLANE_SERVICE_PEER_BPF_H

#include "dataplane/service_choose.bpf.h"

static __always_inline bool is_balanced_protocol(u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static __always_inline void read_peer4(const struct bpf_sock_addr *ctx, struct frontend_key *peer)
{
	peer->address_low = V4_MAPPED | (u64)ctx->user_ip4 << 32;
	peer->port = bpf_ntohs(ctx->user_port);
	peer->protocol = ctx->protocol;
}

static __always_inline void read_peer6(const struct bpf_sock_addr *ctx, struct frontend_key *peer)
{
	peer->address_high = ctx->user_ip6[0] | (u64)ctx->user_ip6[1] << 32;
	peer->address_low = ctx->user_ip6[2] | (u64)ctx->user_ip6[3] << 32;
	peer->port = bpf_ntohs(ctx->user_port);
	peer->protocol = ctx->protocol;
}

static __always_inline void write_peer4(struct bpf_sock_addr *ctx, u64 low, u16 port)
{
	ctx->user_ip4 = low >> 32;
	ctx->user_port = bpf_htons(port);
}

static __always_inline void write_peer6(struct bpf_sock_addr *ctx, u64 high, u64 low, u16 port)
{
	ctx->user_ip6[0] = high;
	ctx->user_ip6[1] = high >> 32;
	ctx->user_ip6[2] = low;
	ctx->user_ip6[3] = low >> 32;
	ctx->user_port = bpf_htons(port);
}

static __always_inline void begin_choice(struct bpf_sock_addr *ctx, const struct frontend_key *dialled,
					 struct service_choice *choice)
{
	choice->socket_cookie = bpf_get_socket_cookie(ctx);
	choice->frontend_high = dialled->address_high;
	choice->frontend_low = dialled->address_low;
	choice->frontend_port = dialled->port;
	choice->protocol = dialled->protocol;
}

/* What a program is to do with the address it was given. */
enum outcome {
	OUTCOME_PASS,
	OUTCOME_TRANSLATE,
	OUTCOME_REFUSE,
};

static __always_inline enum outcome outcome_of(const struct service_choice *choice)
{
	if (choice->lb_mode != LB_MODE_ENFORCE)
		return OUTCOME_PASS;
	return is_refusal(choice->lb_reason) ? OUTCOME_REFUSE : OUTCOME_TRANSLATE;
}

/* As where a machine answers that nobody listens: what clients of kube-proxy are told, only at once. */
static __always_inline int refuse_call(void)
{
	bpf_set_retval(-ECONNREFUSED);
	return 0;
}

static __always_inline bool is_backend_of(const struct service_choice *choice, const struct frontend_key *peer)
{
	return is_applied(choice) && choice->backend_low == peer->address_low &&
	       choice->backend_high == peer->address_high && choice->backend_port == peer->port;
}

/* The choice that made this address a connected socket's peer. */
static __always_inline const struct service_choice *choice_of_connected(struct bpf_sock_addr *ctx,
									 const struct frontend_key *peer)
{
	const struct service_choice *choice = bpf_sk_storage_get(&service_choices, ctx->sk, NULL, 0);

	return choice && is_backend_of(choice, peer) ? choice : NULL;
}

#endif
