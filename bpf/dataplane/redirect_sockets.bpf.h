/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the redirect tells the observer of a socket. Two objects have this map: the observer takes up the redirect's. */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_SOCKETS_BPF_H
#define FLOWSPAN_DATAPLANE_REDIRECT_SOCKETS_BPF_H

#include "include/kernel.h"
#include "dataplane/redirect.h"

/* Sockets that opted in and whose other end may have. Written by the redirect's programs alone. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct redirect_socket);
} redirect_sockets SEC(".maps");

#endif
