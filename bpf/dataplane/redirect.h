/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the redirect keeps in maps. The rules of wire/events.h hold here, too: fixed-width little-endian fields, natural
 * alignment, explicit padding. The TypeScript side is generated: redirect.gen.ts.
 */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_H
#define FLOWSPAN_DATAPLANE_REDIRECT_H

#include "wire/events.h"

/* Of a pod. Pods that only observe are in no map; what two of them do is what the more careful of them does. */
enum redirect_mode {
	REDIRECT_MODE_OBSERVE = 0,
	REDIRECT_MODE_AUDIT = 1,	/* what would be done is counted */
	REDIRECT_MODE_ENFORCE = 2,
};

/*
 * One end of a TCP connection. Both kernels, or one twice, draw a sequence number for it that nobody can guess: two ends
 * that name the same addresses, ports and numbers, crosswise, are the two ends of one connection, whatever namespaces they
 * are in and however often the addresses are in use. Where something between them rewrites any of it, they are not.
 */
struct redirect_end {
	wire_u8 local_address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u8 remote_address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u32 sent_begin DOC("Sequence number of the first byte that this end sends.");
	wire_u32 received_begin DOC("Sequence number of the first byte that the other end sends.");
	wire_u16 local_port DOC("Port of this end.");
	wire_u16 remote_port DOC("Port of the other end.");
};

/* Why what an end writes goes through TCP from now on. */
enum redirect_stop {
	REDIRECT_STOP_NONE = 0,
	REDIRECT_STOP_NO_PEER = 1,	/* the other end did not opt in, is gone, or was not there yet */
	REDIRECT_STOP_UNREAD = 2,	/* the other end's reader is behind: TCP holds the writer back */
	REDIRECT_STOP_OPTED_OUT = 3,
	REDIRECT_STOP_IN_TCP = 4,	/* its first bytes went unseen */
	REDIRECT_STOP_MAX = 5,
};

/* Places of redirect_counters. Of ends that stopped: as in enum redirect_stop. */
enum redirect_counter {
	REDIRECT_COUNTER_MESSAGES = 0,	/* that went past TCP */
	REDIRECT_COUNTER_NO_PEER = 1,
	REDIRECT_COUNTER_UNREAD = 2,
	REDIRECT_COUNTER_OPTED_OUT = 3,
	REDIRECT_COUNTER_IN_TCP = 4,
	REDIRECT_COUNTER_BYTES = 5,	/* in those messages */
	REDIRECT_COUNTER_JOINED = 6,	/* connections both ends of which go all the way */
	REDIRECT_COUNTER_AUDITED = 7,	/* connections both ends of which opted in, and one is only audited */
	REDIRECT_COUNTER_JUDGED = 8,	/* connections that were left to TCP, since policies judge their requests there */
	REDIRECT_COUNTER_MAX = 9,
};

/* What is kept of a socket that opted in. Freed by the kernel with the socket. */
struct redirect_socket {
	struct redirect_end peer; /* as the other end calls itself */
	wire_u32 own_begin DOC("Sequence number of the first byte that this end sends.");
	wire_u64 cgroup_id DOC("Cgroup by which it opted in.");
	wire_u64 messages DOC("Messages that were handed to the other end past TCP.");
	wire_u64 bytes DOC("Bytes in them, at most: the other end may have gone while one was on its way.");
	wire_u8 stop DOC("Why what it writes goes through TCP from now on (enum redirect_stop); 0: it does not.");
	wire_u8 reserved[7];
};

#endif
