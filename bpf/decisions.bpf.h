/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the data plane decided about a connection: which backend of a service, by which rule it may be, and what went past
 * TCP. Its programs keep that with the socket; it is read when a row is written, and costs nothing where none is loaded.
 */
#ifndef FLOWSPAN_DECISIONS_BPF_H
#define FLOWSPAN_DECISIONS_BPF_H

#include "dataplane/policy_connections.bpf.h"
#include "dataplane/redirect_sockets.bpf.h"
#include "dataplane/service_choices.bpf.h"
#include "maps.bpf.h"

/* Whether the client was brought to the backend: a choice that is only audited leads nowhere. */
static __always_inline bool is_brought(const struct service_choice *choice)
{
	return choice->lb_mode == LB_MODE_ENFORCE && choice->backend_port;
}

/* Whether the choice is what made this address the peer, or would have changed it. */
static __always_inline bool is_about(const struct service_choice *choice, const struct connection *connection)
{
	const u64 *peer = (const u64 *)connection->destination_address;

	if (is_brought(choice))
		return choice->backend_high == peer[0] && choice->backend_low == peer[1] &&
		       choice->backend_port == connection->destination_port;
	return choice->frontend_high == peer[0] && choice->frontend_low == peer[1] &&
	       choice->frontend_port == connection->destination_port;
}

/* NULL if the connection's client has chosen nothing. A server's socket never has. */
static __always_inline const struct service_choice *choice_of_socket(const struct connection *connection, struct sock *sk)
{
	const struct service_choice *choice;

	if (!dataplane_loaded || connection->observation_point != OBSERVATION_POINT_CLIENT)
		return NULL;
	choice = bpf_sk_storage_get(&service_choices, sk, NULL, 0);
	return choice && is_about(choice, connection) ? choice : NULL;
}

static __always_inline u8 verdict_of(const struct policy_answer *answer)
{
	if (answer->policy_verdict == POLICY_VERDICT_AUDITED)
		return VERDICT_AUDIT;
	if (answer->policy_verdict != POLICY_VERDICT_DENIED)
		return VERDICT_FORWARDED;
	return answer->policy_mode == POLICY_MODE_ENFORCE ? VERDICT_DROPPED : VERDICT_AUDIT;
}

static __always_inline void stamp_answer(struct connection *connection, const struct policy_answer *answer)
{
	connection->policy_generation = answer->generation;
	connection->policy_decision = answer->decision;
	connection->verdict = verdict_of(answer);
}

/* What is decided when a client connects, and about both ends by the time they are connected. Asked again for each row. */
static __always_inline void stamp_decisions(struct connection *connection, struct sock *sk)
{
	const struct redirect_socket *redirected;
	const struct service_choice *choice;
	const struct policy_flow *judged;

	if (!dataplane_loaded)
		return;
	choice = choice_of_socket(connection, sk);
	connection->service_id = choice && is_brought(choice) ? choice->service_id : 0;
	judged = bpf_sk_storage_get(&policy_connections, sk, NULL, 0);
	if (judged)
		stamp_answer(connection, &judged->answer);
	redirected = bpf_sk_storage_get(&redirect_sockets, sk, NULL, 0);
	if (redirected && redirected->bytes && connection->verdict == VERDICT_FORWARDED)
		connection->verdict = VERDICT_REDIRECTED;
}

/* Payload bytes that went past TCP so far; as many as before where nobody counts them any more. */
static __always_inline u64 read_redirected(struct sock *sk, u64 before)
{
	const struct redirect_socket *redirected =
		dataplane_loaded ? bpf_sk_storage_get(&redirect_sockets, sk, NULL, 0) : NULL;

	return redirected && redirected->bytes > before ? redirected->bytes : before;
}

/* @choice: NULL if no service was dialled for which one was made here */
static __always_inline void write_choice(struct flow_choice *told, const struct service_choice *choice)
{
	__builtin_memset(told, 0, sizeof(*told));
	told->lb_slot = LB_NO_SLOT;
	if (!choice)
		return;
	told->lb_table_version = choice->table_version;
	told->lb_slot = choice->slot;
	__builtin_memcpy(told->frontend_address, &choice->frontend_high, 16);
	told->frontend_port = choice->frontend_port;
	told->lb_candidates = choice->candidates;
	told->lb_reason = choice->lb_reason;
	told->lb_mode = choice->lb_mode;
}

#endif
