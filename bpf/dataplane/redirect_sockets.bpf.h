/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the redirect tells the observer. Two objects have these maps: the observer takes up the redirect's. */
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

/*
 * The observer's reader of messages that go past TCP, at 0: a sk_msg program that returns SK_PASS. The collector puts it there
 * and takes it away; without one nothing is read. It is called last, in place of redirect_message: what it returns stands.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} redirect_readers SEC(".maps");

#endif
