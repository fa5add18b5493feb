/* SPDX-License-Identifier: Apache-2.0 */
/* What map.c and map_batch.c share. */
#ifndef FLOWSPAN_NATIVE_MAP_H
#define FLOWSPAN_NATIVE_MAP_H

#include "addon.h"

struct map_handle {
	struct handle handle;
	struct bpf_map *map;
	int descriptor;
	size_t key_size;
	size_t value_stride;	/* bytes user space exchanges with the kernel per value */
};

/* Throws FLOW_NATIVE_MAP_ACCESS: "cannot <doing> map <name>". */
napi_value map_failed(napi_env env, const struct map_handle *map, int error, const char *doing);

#endif
