/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the redirect keeps in maps. */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_H
#define FLOWSPAN_DATAPLANE_REDIRECT_H

/*
 * One end of a TCP connection. Both kernels, or one twice, draw a sequence number for it that nobody can guess: two ends
 * that name the same addresses, ports and numbers, crosswise, are the two ends of one connection, whatever namespaces they
 * are in and however often the addresses are in use. Where something between them rewrites any of it, they are not.
 */
struct redirect_end {
	unsigned char local_address[16];  /* IPv4 as v4-mapped IPv6 */
	unsigned char remote_address[16];
	unsigned int sent_begin;	  /* sequence number of the first byte that this end sends */
	unsigned int received_begin;
	unsigned short local_port;
	unsigned short remote_port;
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

/* What is kept of a socket that opted in. Freed by the kernel with the socket. */
struct redirect_socket {
	struct redirect_end peer;	/* as the other end calls itself */
	unsigned long long cgroup_id;	/* by which it opted in */
	unsigned long long messages;	/* handed to the other end past TCP */
	unsigned long long bytes;	/* in them, at most: the other end may have gone while one was on its way */
	unsigned int sent_begin;
	unsigned char stop;		/* enum redirect_stop */
	unsigned char reserved[3];
};

#endif
