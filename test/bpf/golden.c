// SPDX-License-Identifier: Apache-2.0
/*
 * Golden bytes of the wire contract: this compiler's idea of every record, for wire.test.ts to read through the offsets
 * of events.gen.ts. Every byte of every field is distinct within its record as far as 255 values reach; a field that is
 * not listed here stays zero, and the test says so. Prints one JSON object per record.
 */
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "wire_sizes.h"

#define SIZE_HOLDS(name, size) \
	_Static_assert(sizeof(struct name) == (size), #name " has another size than events.gen.ts says"); \
	_Static_assert((size) % 8 == 0 && _Alignof(struct name) == 8, #name " is not made of eight-byte words");
WIRE_SIZES(SIZE_HOLDS)
#undef SIZE_HOLDS

static unsigned char next_byte;
static const char *separator;

/* Fills a field and prints its value: numbers in decimal as text, arrays in hexadecimal. */
static void fill(const char *name, void *field, unsigned long size, int is_array)
{
	unsigned char *bytes = field;
	unsigned long long value = 0;

	for (unsigned long i = 0; i < size; i++) {
		next_byte = next_byte == 255 ? 1 : next_byte + 1;
		bytes[i] = next_byte;
	}
	printf("%s\"%s\":\"", separator, name);
	separator = ",";
	if (is_array) {
		for (unsigned long i = 0; i < size; i++)
			printf("%02x", bytes[i]);
	} else {
		memcpy(&value, field, size);
		printf("%llu", value);
	}
	printf("\"");
}

#define FIELD(field) fill(#field, &record.field, sizeof(record.field), 0);
#define ARRAY(field) fill(#field, record.field, sizeof(record.field), 1);
#define INNER(outer, field) fill(#field, &record.outer.field, sizeof(record.outer.field), 0);
#define INNER_ARRAY(outer, field) fill(#field, record.outer.field, sizeof(record.outer.field), 1);

#define HEADER INNER(header, length) INNER(header, record_kind) INNER(header, time_boot_ns)

#define CONNECTION \
	INNER(connection, socket_cookie) INNER(connection, socket_cgroup_id) INNER(connection, owner_cgroup_id) \
	INNER(connection, peer_endpoint_id) INNER(connection, service_id) \
	INNER_ARRAY(connection, source_address) INNER_ARRAY(connection, destination_address) \
	INNER(connection, generation) INNER(connection, netns) INNER(connection, pid) \
	INNER(connection, source_sequence_begin) INNER(connection, destination_sequence_begin) \
	INNER(connection, policy_generation) INNER(connection, policy_decision) \
	INNER(connection, source_port) INNER(connection, destination_port) INNER(connection, protocol) \
	INNER(connection, observation_point) INNER(connection, initiator_known) \
	INNER(connection, application_protocol) INNER(connection, verdict) INNER(connection, tcp_state) \
	INNER(connection, ip_version) INNER(connection, traffic_direction)

#define FLOW \
	HEADER CONNECTION FIELD(duration_ns) FIELD(connection_age_ns) FIELD(connect_ns) FIELD(bytes_sent) \
	FIELD(bytes_acked) FIELD(bytes_received) FIELD(bytes_retransmitted) FIELD(busy_us) FIELD(rwnd_limited_us) \
	FIELD(sndbuf_limited_us) FIELD(interval_index) FIELD(segments_sent) FIELD(segments_received) \
	FIELD(data_segments_sent) FIELD(data_segments_received) FIELD(retransmitted_segments) FIELD(lost_segments) \
	FIELD(delivered_segments) FIELD(reorder_events) FIELD(timeouts) FIELD(tail_loss_probes) FIELD(zero_windows) \
	FIELD(srtt_us) FIELD(min_rtt_us) FIELD(rttvar_us) FIELD(cwnd_segments) FIELD(reordering_segments) \
	FIELD(mss_bytes) INNER(choice, lb_table_version) INNER(choice, lb_slot) INNER_ARRAY(choice, frontend_address) \
	INNER(choice, frontend_port) INNER(choice, lb_candidates) INNER(choice, lb_reason) INNER(choice, lb_mode) \
	FIELD(error_number) FIELD(flow_state) FIELD(close_cause) FIELD(closed_by) FIELD(command_length) ARRAY(command)

#define TCP_EVENT \
	HEADER CONNECTION FIELD(latency_ns) FIELD(connection_age_ns) FIELD(sequence_begin) FIELD(sequence_end) \
	FIELD(segments) FIELD(segments_in_flight) FIELD(srtt_us) FIELD(rto_us) FIELD(cwnd_segments) FIELD(error_number) \
	FIELD(event_kind) FIELD(retransmit_cause) FIELD(sent_by) FIELD(congestion_state) FIELD(tcp_flags) \
	FIELD(drop_reason) FIELD(reset_reason) FIELD(sample_weight)

#define REQUEST \
	HEADER CONNECTION FIELD(duration_ns) FIELD(request_sent_ns) FIELD(application_read_ns) \
	FIELD(response_start_ns) FIELD(request_bytes) FIELD(response_bytes) FIELD(request_body_bytes) \
	FIELD(response_body_bytes) FIELD(rwnd_limited_us) FIELD(sndbuf_limited_us) FIELD(zero_window_ns) \
	FIELD(request_sequence) FIELD(response_sequence) FIELD(request_index) \
	FIELD(retransmitted_segments) FIELD(fast_retransmits) FIELD(timeouts) \
	FIELD(tail_loss_probes) FIELD(srtt_us) FIELD(max_rtt_us) FIELD(bytes_out_of_order) FIELD(http_status_code) \
	FIELD(http_version) FIELD(request_end) FIELD(close_cause) FIELD(closed_by) FIELD(text_truncated) \
	FIELD(method_length) FIELD(target_length) FIELD(host_length) FIELD(traceparent_length) \
	FIELD(sample_weight) ARRAY(text)

#define CGROUP HEADER FIELD(cgroup_id) FIELD(path_length) FIELD(cgroup_change) ARRAY(path)

#define COUNTER FIELD(wanted) FIELD(lost_ring_full) FIELD(shed)

#define THROTTLE FIELD(request_weight) FIELD(trouble_weight) FIELD(event_weight)

#define PRINT(name, fields) \
	do { \
		struct name record; \
		memset(&record, 0, sizeof(record)); \
		next_byte = 0; \
		separator = ""; \
		printf("{\"name\":\"%s\",\"fields\":{", #name); \
		fields \
		printf("},\"bytes\":\""); \
		for (unsigned long i = 0; i < sizeof(record); i++) \
			printf("%02x", ((unsigned char *)&record)[i]); \
		printf("\"}\n"); \
	} while (0)

int main(void)
{
	PRINT(flow_record, FLOW);
	PRINT(tcp_event_record, TCP_EVENT);
	PRINT(request_record, REQUEST);
	PRINT(cgroup_record, CGROUP);
	PRINT(record_counter, COUNTER);
	PRINT(cgroup_throttle, THROTTLE);
	return 0;
}
