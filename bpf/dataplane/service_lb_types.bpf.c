// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the BTF of load balancing's structs and nothing else: wire/generate.ts reads this object. */
#include "dataplane/service_lb.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, frontend_key);
KEEP(struct, frontend);
KEEP(struct, service);
KEEP(struct, table_head);
KEEP(struct, table_slot);
KEEP(struct, service_backend);
KEEP(struct, service_choice);
KEEP(struct, service_refusal);
KEEP(struct, datagram_key);
KEEP(struct, affinity_key);
KEEP(struct, affinity);
KEEP(struct, service_write);
KEEP(enum, lb_mode);
KEEP(enum, lb_reason);
KEEP(enum, frontend_kind);
KEEP(enum, service_write_target);
