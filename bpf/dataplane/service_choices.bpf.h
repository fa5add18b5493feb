/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What load balancing tells the observer. Two objects have these maps: the observer takes up the data plane's. */
#ifndef FLOWSPAN_DATAPLANE_SERVICE_CHOICES_BPF_H
#define FLOWSPAN_DATAPLANE_SERVICE_CHOICES_BPF_H

#include "include/kernel.h"
#include "dataplane/service_lb.h"

/* The choice made at a socket's connect. Written there; read by the observer. Freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct service_choice);
} service_choices SEC(".maps");

/* Choices of UDP sockets that are not connected, which may talk to many services; as sent, and as answered. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct datagram_key);
	__type(value, struct service_choice);
} service_datagrams SEC(".maps");

/* The last refusals, by socket cookie: most of these sockets are closed at once. The observer takes them away. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct service_refusal);
} service_refusals SEC(".maps");

#endif
