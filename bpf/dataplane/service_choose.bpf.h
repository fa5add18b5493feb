/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Finds the service that is dialled, and chooses its backend. */
#ifndef FLOWSPAN_DATAPLANE_SERVICE_CHOOSE_BPF_H
#define FLOWSPAN_DATAPLANE_SERVICE_CHOOSE_BPF_H

#include "dataplane/service_maps.bpf.h"

#define NS_PER_S 1000000000ull

/* Second half of ::ffff:0.0.0.0. */
#define V4_MAPPED ((u64)bpf_htonl(0xffff))

static __always_inline bool is_v4(const struct frontend_key *key)
{
	return !key->address_high && (u32)key->address_low == V4_MAPPED;
}

static __always_inline bool is_v4_loopback(const struct frontend_key *key)
{
	return is_v4(key) && (key->address_low >> 32 & 0xff) == 127;
}

/* Whether a program's socket is in the network namespace whose ports are the node's. */
static __always_inline bool is_of_node(void *ctx)
{
	return bpf_get_netns_cookie(ctx) == (node_netns_cookie ?: bpf_get_netns_cookie(NULL));
}

static __always_inline struct frontend *find_node_port(const struct frontend_key *dialled)
{
	struct frontend_key key = *dialled;

	key.address_high = 0;
	key.address_low = is_v4(dialled) ? V4_MAPPED : 0;
	key.frontend_kind = FRONTEND_KIND_NODE_PORT;
	return bpf_map_lookup_elem(&service_frontends, &key);
}

/* The node port that is dialled at a node's address. Another node's is its own affair where its own backends alone count. */
static __always_inline struct frontend *find_dialled_node_port(struct bpf_sock_addr *ctx,
							       const struct frontend_key *dialled)
{
	struct node_address address = {.high = dialled->address_high, .low = dialled->address_low};
	const u32 *own = bpf_map_lookup_elem(&node_addresses, &address);
	bool is_own = own && *own;
	struct frontend *frontend;

	if (!own) {
		if (!is_v4_loopback(dialled) || !is_of_node(ctx))
			return NULL;
		is_own = true;
	}
	frontend = find_node_port(dialled);
	return frontend && frontend->own_node_only && !is_own ? NULL : frontend;
}

/* Index in `services` of what is dialled; negative: nothing of ours. */
static __always_inline s64 dialled_service(struct bpf_sock_addr *ctx, const struct frontend_key *dialled)
{
	const struct frontend *frontend = bpf_map_lookup_elem(&service_frontends, dialled);

	if (!frontend)
		frontend = find_dialled_node_port(ctx, dialled);
	return frontend ? (s64)frontend->service : -1;
}

static __always_inline bool is_refusal(u8 reason)
{
	return reason >= LB_REASON_NO_BACKEND;
}

/* Whether the client was brought to the backend. */
static __always_inline bool is_applied(const struct service_choice *choice)
{
	return choice->lb_mode == LB_MODE_ENFORCE && !is_refusal(choice->lb_reason);
}

/* The finaliser of MurmurHash3: cookies follow one another, and every bit must count. */
static __always_inline u64 mix(u64 value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53ull;
	return value ^ value >> 33;
}

/* Writes the backend into the choice, if it is one of the service's. */
static __always_inline bool take_backend(struct service_choice *choice, u32 service, u32 index)
{
	const struct service_backend *backend = bpf_map_lookup_elem(&service_backends, &index);

	if (!backend || !backend->port || backend->service != service)
		return false;
	choice->backend = index;
	choice->backend_high = backend->address_high;
	choice->backend_low = backend->address_low;
	choice->backend_port = backend->port;
	return true;
}

static __always_inline bool take_remembered(struct service_choice *choice, const struct service *service,
					    const struct affinity_key *key, u64 now_ns)
{
	struct affinity *affinity = bpf_map_lookup_elem(&service_affinities, key);

	if (!affinity || now_ns - affinity->last_ns > service->affinity_s * NS_PER_S ||
	    !take_backend(choice, key->service, affinity->backend))
		return false;
	affinity->last_ns = now_ns;
	choice->lb_reason = LB_REASON_AFFINITY;
	return true;
}

/* Reads which table a service has now, and its head, at once: version and slots are of one table. */
static __always_inline bool read_head(const struct service *service, u32 *table, struct table_head *head)
{
	const u64 *found;
	u64 bytes;

	*table = *(const volatile u32 *)&service->table;
	found = bpf_map_lookup_elem(&service_slots, table);
	if (!found)
		return false;
	bytes = *(const volatile u64 *)found;
	__builtin_memcpy(head, &bytes, sizeof(*head));
	return true;
}

/* How often a table is read again whose backend left meanwhile. */
#define TABLE_READS 3

/* Takes what the key falls on. */
static __always_inline void take_by_key(struct service_choice *choice, const struct service *service, u32 index, u64 key)
{
	struct table_head head;
	u32 table, slot, at;

	for (int reads = 0; reads < TABLE_READS; reads++) {
		const struct table_slot *found;

		if (!read_head(service, &table, &head))
			return;
		choice->table_version = head.table_version;
		choice->candidates = head.candidates;
		if (!head.slots)
			return;
		slot = (mix(key ^ choice->service_id) >> 32) * head.slots >> 32;
		at = table + 1 + slot;
		found = bpf_map_lookup_elem(&service_slots, &at);
		if (!found || !take_backend(choice, index, found->backend))
			continue;
		choice->slot = slot;
		choice->lb_reason = head.candidates == 1 ? LB_REASON_ONLY_ONE :
					service->is_local    ? LB_REASON_LOCAL :
							       LB_REASON_HASH;
		return;
	}
}

/* As above, but the backend that the client had, while it is a candidate and was asked for not too long ago. */
static __always_inline void take_by_client(struct bpf_sock_addr *ctx, struct service_choice *choice,
					   const struct service *service, u32 index)
{
	struct affinity_key client = {.netns_cookie = bpf_get_netns_cookie(ctx), .service = index};
	u64 now_ns = bpf_ktime_get_ns();
	struct affinity affinity = {.last_ns = now_ns};
	struct table_head head;
	u32 table;

	if (take_remembered(choice, service, &client, now_ns)) {
		if (read_head(service, &table, &head)) {
			choice->table_version = head.table_version;
			choice->candidates = head.candidates;
		}
		return;
	}
	take_by_key(choice, service, index, client.netns_cookie);
	if (is_refusal(choice->lb_reason))
		return;
	affinity.backend = choice->backend;
	bpf_map_update_elem(&service_affinities, &client, &affinity, BPF_ANY);
}

/*
 * Chooses among the candidates of the service with this index: by the client where it is to keep its backend, else by the
 * socket, whose local port is not known yet. @return false: the service observes only, and nothing was chosen
 */
static __always_inline bool choose(struct bpf_sock_addr *ctx, u32 index, struct service_choice *choice)
{
	const struct service *service = bpf_map_lookup_elem(&services, &index);

	if (!service || service->lb_mode == LB_MODE_OBSERVE)
		return false;
	choice->service_id = service->service_id;
	choice->lb_mode = service->lb_mode;
	choice->slot = LB_NO_SLOT;
	choice->lb_reason = service->is_local && service->has_others ? LB_REASON_NO_LOCAL_BACKEND :
									   LB_REASON_NO_BACKEND;
	if (service->affinity_s)
		take_by_client(ctx, choice, service, index);
	else
		take_by_key(choice, service, index, choice->socket_cookie);
	return true;
}

static __always_inline void keep_refusal(const struct service_choice *choice)
{
	struct service_refusal refusal = {
		.choice = *choice,
		.time_boot_ns = bpf_ktime_get_boot_ns(),
		.cgroup_id = bpf_get_current_cgroup_id(),
		.pid = bpf_get_current_pid_tgid() >> 32,
	};

	bpf_get_current_comm(refusal.command, sizeof(refusal.command));
	bpf_map_update_elem(&service_refusals, &choice->socket_cookie, &refusal, BPF_ANY);
}

/* Counts a choice, and keeps it if it is a refusal. */
static __always_inline void account_choice(const struct service_choice *choice)
{
	u32 place = choice->lb_reason;
	u64 *count;

	if (choice->lb_mode == LB_MODE_AUDIT)
		place += LB_REASONS;
	count = bpf_map_lookup_elem(&service_choice_counters, &place);
	if (count)
		__sync_fetch_and_add(count, 1); /* a task may be preempted between load and store */
	if (is_refusal(choice->lb_reason))
		keep_refusal(choice);
}

#endif
