/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Brings the datagrams of sockets that are not connected to backends of the services that they are sent to, one socket to
 * any number of services, and tells their answers as from where they were sent. Two services that have a backend in common
 * cannot be told apart in its answers to one socket: they are told as from the one that was spoken to last.
 */
#include "dataplane/service_peer.bpf.h"

#define TCP_ESTABLISHED 1

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

	return backend && service && !is_refusal(choice->lb_reason) && backend->service == index &&
	       backend->port == choice->backend_port && backend->address_low == choice->backend_low &&
	       backend->address_high == choice->backend_high && service->service_id == choice->service_id &&
	       service->lb_mode == choice->lb_mode;
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
		return refuse_call();
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
		return refuse_call();
	if (outcome == OUTCOME_TRANSLATE)
		write_peer6(ctx, choice.backend_high, choice.backend_low, choice.backend_port);
	return 1;
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
