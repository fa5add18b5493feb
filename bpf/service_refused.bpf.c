/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rows of connections that never began: a service was dialled that has no backend, and the call was refused. What would be
 * refused where it is only audited goes on, and has rows of its own.
 */
#include "flow_record.bpf.h"

static __always_inline void write_refused(const struct service_refusal *refusal)
{
	const struct service_choice *choice = &refusal->choice;
	struct flow_record *record = record_reserve(RECORD_KIND_FLOW, sizeof(*record), refusal->time_boot_ns);
	struct connection *connection;

	if (!record)
		return;
	__builtin_memset((void *)record + sizeof(record->header), 0, sizeof(*record) - sizeof(record->header));
	connection = &record->connection;
	connection->socket_cookie = choice->socket_cookie;
	connection->socket_cgroup_id = refusal->cgroup_id;
	connection->owner_cgroup_id = refusal->cgroup_id;
	connection->pid = refusal->pid;
	__builtin_memcpy(connection->destination_address, &choice->frontend_high, 16);
	connection->destination_port = choice->frontend_port;
	connection->protocol = choice->protocol;
	connection->observation_point = OBSERVATION_POINT_CLIENT;
	connection->traffic_direction = TRAFFIC_DIRECTION_EGRESS;
	connection->initiator_known = 1;
	connection->verdict = VERDICT_DROPPED;
	connection->tcp_state = choice->protocol == IPPROTO_TCP ? TCP_STATE_CLOSE : TCP_STATE_NONE;
	connection->ip_version = choice->frontend_high || (u32)choice->frontend_low != bpf_htonl(0xffff) ? 6 : 4;
	if (connection->ip_version == 4)
		__builtin_memcpy(connection->source_address, &choice->frontend_high, 12);
	record->error_number = ECONNREFUSED;
	record->flow_state = FLOW_STATE_CLOSED;
	record->close_cause = CLOSE_CAUSE_REFUSED;
	write_choice(&record->choice, choice);
	write_command(record, refusal->command);
	record_submit(record, sizeof(*record));
}

static long tell_refusal(void *map, const u64 *cookie, const struct service_refusal *refusal, void *unused)
{
	const struct service_choice *choice = &refusal->choice;

	if (choice->lb_mode == LB_MODE_ENFORCE && choice->lb_reason != LB_REASON_NODE_PORT_BOUND)
		write_refused(refusal);
	bpf_map_delete_elem(map, cookie);
	return 0;
}

/* Run by the collector every interval. */
SEC("syscall")
int tell_refusals(void *ctx)
{
	if (dataplane_loaded)
		bpf_for_each_map_elem(&service_refusals, tell_refusal, NULL, 0);
	return 0;
}
