/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The units that policies name. A place in the map is given to another unit only after no set of tables names the one
 * before, and a number is never given twice: a connection that kept an old answer finds nothing, not other rules.
 */
#ifndef FLOWSPAN_DATAPLANE_HTTP_UNITS_BPF_H
#define FLOWSPAN_DATAPLANE_HTTP_UNITS_BPF_H

#include "include/kernel.h"
#include "dataplane/http_unit.h"

/* By place. Written by the collector (collector/src/control/policy/unit_maps.ts), which may load it with 2 to 256. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32);
	__type(key, u32);
	__type(value, struct http_unit);
} http_units SEC(".maps");

/* The unit that reads responses, whatever the rules are. Written by the collector (policy/http/response_unit.ts). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_unit);
} http_response_unit SEC(".maps");

/*
 * The unit of an answer's `http_unit`. NULL where it has gone: where a head begins, ask policy_decide anew. What it names
 * then and is not found (HTTP_UNIT_NUMBER_UNFIT), and a head that was begun, cannot be judged: HTTP_UNJUDGED_NO_UNIT.
 */
static __always_inline struct http_unit *http_unit_find(u32 number)
{
	u32 place = number % HTTP_LIMIT_UNITS;
	struct http_unit *unit = bpf_map_lookup_elem(&http_units, &place);

	return number >= HTTP_LIMIT_UNITS && unit && unit->number == number ? unit : NULL;
}

#endif
