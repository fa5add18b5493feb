/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the policies tell the observer of a socket. Two objects have this map: the observer takes up the data plane's. */
#ifndef FLOWSPAN_DATAPLANE_POLICY_CONNECTIONS_BPF_H
#define FLOWSPAN_DATAPLANE_POLICY_CONNECTIONS_BPF_H

#include "include/kernel.h"
#include "dataplane/policy.h"

/* What was decided about a TCP socket's connection. Freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct policy_flow);
} policy_connections SEC(".maps");

#endif
