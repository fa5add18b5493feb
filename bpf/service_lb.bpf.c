/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Brings a client to a backend of the service that it dials, when it connects: no packet is ever rewritten. What it asks
 * for its peer's address afterwards, it is told what it dialled.
 */
#include "dataplane/service_choose.bpf.h"

#define EADDRINUSE 98
#define TCP_ESTABLISHED 1

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
	if (choice->balancing_mode != BALANCING_MODE_ENFORCE)
		return OUTCOME_PASS;
	return is_refusal(choice->choice_reason) ? OUTCOME_REFUSE : OUTCOME_TRANSLATE;
}

/* As where a machine answers that nobody listens: what clients of kube-proxy are told, only at once. */
static __always_inline int refuse(void)
{
	bpf_set_retval(-ECONNREFUSED);
	return 0;
}

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
		return refuse();
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
		return refuse();
	if (outcome == OUTCOME_TRANSLATE)
		write_peer6(ctx, choice.backend_high, choice.backend_low, choice.backend_port);
	return 1;
}

static __always_inline void datagram_key_of(const struct frontend_key *peer, u64 cookie, bool is_reply,
					    struct datagram_key *key)
{
	key->socket_cookie = cookie;
	key->address_high = peer->address_high;
	key->address_low = peer->address_low;
	key->port = peer->port;
	key->is_reply = is_reply;
}

/* Whether what a socket chose for an earlier datagram still holds. */
static __always_inline bool still_holds(const struct service_choice *choice, u32 index)
{
	const struct service_backend *backend = bpf_map_lookup_elem(&service_backends, &choice->backend);
	const struct service *service = bpf_map_lookup_elem(&services, &index);

	return backend && service && !is_refusal(choice->choice_reason) && backend->service == index &&
	       backend->port == choice->backend_port && backend->address_low == choice->backend_low &&
	       backend->address_high == choice->backend_high && service->service_id == choice->service_id &&
	       service->balancing_mode == choice->balancing_mode;
}

/* So that answers are told from what was dialled. Looked up each time, or it would be the first to be forgotten. */
static __always_inline void remember_reply(const struct service_choice *choice)
{
	struct datagram_key key = {
		.socket_cookie = choice->socket_cookie,
		.address_high = choice->backend_high,
		.address_low = choice->backend_low,
		.port = choice->backend_port,
		.is_reply = 1,
	};
	const struct service_choice *known = bpf_map_lookup_elem(&service_datagrams, &key);

	if (!known || known->frontend_low != choice->frontend_low || known->frontend_high != choice->frontend_high ||
	    known->frontend_port != choice->frontend_port)
		bpf_map_update_elem(&service_datagrams, &key, choice, BPF_ANY);
}

/* Chooses for a datagram: as for the one before to the same service, while that backend is a candidate. */
static __always_inline enum outcome choose_at_send(struct bpf_sock_addr *ctx, const struct frontend_key *dialled,
						   struct service_choice *choice)
{
	s64 service = dialled_service(ctx, dialled);
	const struct service_choice *known;
	struct datagram_key key = {};
	enum outcome outcome;

	if (service < 0)
		return OUTCOME_PASS;
	begin_choice(ctx, dialled, choice);
	datagram_key_of(dialled, choice->socket_cookie, false, &key);
	known = bpf_map_lookup_elem(&service_datagrams, &key);
	if (known && still_holds(known, service)) {
		*choice = *known;
	} else {
		if (!choose(ctx, service, choice))
			return OUTCOME_PASS;
		account_choice(choice);
		bpf_map_update_elem(&service_datagrams, &key, choice, BPF_ANY);
	}
	outcome = outcome_of(choice);
	if (outcome == OUTCOME_TRANSLATE)
		remember_reply(choice);
	return outcome;
}

SEC("cgroup/sendmsg4")
int service_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct frontend_key dialled = {};
	struct service_choice choice = {};
	enum outcome outcome;

	read_peer4(ctx, &dialled);
	outcome = choose_at_send(ctx, &dialled, &choice);
	if (outcome == OUTCOME_REFUSE)
		return refuse();
	if (outcome == OUTCOME_TRANSLATE)
		write_peer4(ctx, choice.backend_low, choice.backend_port);
	return 1;
}

SEC("cgroup/sendmsg6")
int service_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct frontend_key dialled = {};
	struct service_choice choice = {};
	enum outcome outcome;

	read_peer6(ctx, &dialled);
	outcome = choose_at_send(ctx, &dialled, &choice);
	if (outcome == OUTCOME_REFUSE)
		return refuse();
	if (outcome == OUTCOME_TRANSLATE)
		write_peer6(ctx, choice.backend_high, choice.backend_low, choice.backend_port);
	return 1;
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

/* The choice that made a datagram come from this address. */
static __always_inline const struct service_choice *choice_of_reply(struct bpf_sock_addr *ctx,
								     const struct frontend_key *peer)
{
	const struct service_choice *choice = NULL;
	struct datagram_key key = {};

	/* A socket that was connected once may have left its peer. */
	if (ctx->sk->state == TCP_ESTABLISHED)
		choice = choice_of_connected(ctx, peer);
	if (choice)
		return choice;
	datagram_key_of(peer, bpf_get_socket_cookie(ctx), true, &key);
	return bpf_map_lookup_elem(&service_datagrams, &key);
}

SEC("cgroup/recvmsg4")
int service_recvmsg4(struct bpf_sock_addr *ctx)
{
	const struct service_choice *choice;
	struct frontend_key peer = {};

	read_peer4(ctx, &peer);
	choice = choice_of_reply(ctx, &peer);
	if (choice)
		write_peer4(ctx, choice->frontend_low, choice->frontend_port);
	return 1;
}

SEC("cgroup/recvmsg6")
int service_recvmsg6(struct bpf_sock_addr *ctx)
{
	const struct service_choice *choice;
	struct frontend_key peer = {};

	read_peer6(ctx, &peer);
	choice = choice_of_reply(ctx, &peer);
	if (choice)
		write_peer6(ctx, choice->frontend_high, choice->frontend_low, choice->frontend_port);
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
