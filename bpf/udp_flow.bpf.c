/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Rows of UDP flows: those that moved since the last sweep, and those that have been idle long enough to end. */
#include "flow_record.bpf.h"
#include "udp_flow.bpf.h"

static __always_inline bool write_udp_flow(struct udp_flow *flow, u64 now, u8 flow_state)
{
	struct udp_counters counted = flow->counted;
	struct flow_record *record = record_reserve(RECORD_KIND_FLOW, sizeof(*record), now);

	if (!record)
		return false;
	__builtin_memset((void *)record + sizeof(record->header), 0, sizeof(*record) - sizeof(record->header));
	__builtin_memcpy(&record->connection, &flow->connection, sizeof(record->connection));
	record->duration_ns = now - flow->reported_ns;
	record->connection_age_ns = now - flow->opened_ns;
	record->bytes_sent = counted.bytes_sent - flow->reported.bytes_sent;
	record->bytes_received = counted.bytes_received - flow->reported.bytes_received;
	record->segments_sent = counted.datagrams_sent - flow->reported.datagrams_sent;
	record->segments_received = counted.datagrams_received - flow->reported.datagrams_received;
	record->data_segments_sent = record->segments_sent;
	record->data_segments_received = record->segments_received;
	record->interval_index = flow->interval_index++;
	record->flow_state = flow_state;
	if (flow_state == FLOW_STATE_CLOSED)
		record->close_cause = CLOSE_CAUSE_IDLE;
	record->choice = flow->choice;
	write_command(record, flow->command);
	record_submit(record, sizeof(*record));
	if (flow->reported_ns <= in_files_until()) {
		flow->in_files = flow->reported;
		flow->in_files_ns = flow->reported_ns;
	}
	flow->reported = counted;
	flow->reported_ns = now;
	return true;
}

static long sweep_one(void *map, const void *key, struct udp_flow *flow, const u64 *now)
{
	bool moved = flow->counted.datagrams_sent != flow->reported.datagrams_sent ||
		     flow->counted.datagrams_received != flow->reported.datagrams_received;

	if (moved) {
		flow->moved_ns = *now;
		write_udp_flow(flow, *now, flow->interval_index ? FLOW_STATE_ACTIVE : FLOW_STATE_OPENED);
	} else if (*now - flow->moved_ns > udp_idle_ns && *now > flow->moved_ns) {
		if (write_udp_flow(flow, *now, FLOW_STATE_CLOSED))
			bpf_map_delete_elem(map, key);
	}
	return 0;
}

/* Run by the collector every interval. */
SEC("syscall")
int sweep_udp_flows(void *ctx)
{
	u64 now = bpf_ktime_get_boot_ns();

	bpf_for_each_map_elem(&udp_flows, sweep_one, &now, 0);
	return 0;
}
