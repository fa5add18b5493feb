// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the wire structs' BTF and nothing else: generate.ts reads this object. */
#include "events.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, flow_record);
KEEP(struct, tcp_event_record);
KEEP(struct, request_record);
KEEP(struct, cgroup_record);
KEEP(struct, record_counter);
KEEP(struct, cgroup_throttle);
KEEP(enum, record_kind);
KEEP(enum, observation_point);
KEEP(enum, traffic_direction);
KEEP(enum, application_protocol);
KEEP(enum, verdict);
KEEP(enum, tcp_state);
KEEP(enum, flow_state);
KEEP(enum, close_cause);
KEEP(enum, closed_by);
KEEP(enum, sent_by);
KEEP(enum, event_kind);
KEEP(enum, retransmit_cause);
KEEP(enum, congestion_state);
KEEP(enum, request_end);
KEEP(enum, cgroup_change);
KEEP(enum, lb_mode);
KEEP(enum, lb_reason);
KEEP(enum, discard_reason);
