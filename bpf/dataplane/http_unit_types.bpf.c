// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the BTF of what user space writes into, and reads out of, the data plane's maps: wire/generate.ts reads it. */
#include "http_frames.h"
#include "http_unit.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, http_action);
KEEP(struct, http_unit);
KEEP(struct, http_judgement);
KEEP(struct, http_frames);
KEEP(enum, http_entry);
KEEP(enum, http_limit);
KEEP(enum, http_unit_number);
KEEP(enum, http_field);
KEEP(enum, http_response_field);
KEEP(enum, http_judged);
KEEP(enum, http_unjudged);
KEEP(enum, http_action_kind);
KEEP(enum, http_part);
