/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept of connections whose requests are judged. No process reads or writes it. */
#ifndef FLOWSPAN_DATAPLANE_POLICY_HTTP_H
#define FLOWSPAN_DATAPLANE_POLICY_HTTP_H

#include "dataplane/http_response.h"
#include "dataplane/policy.h"

/* A power of two. */
#define POLICY_POINTS 4

enum policy_following {
	POLICY_FOLLOWING_NEW = 0,
	POLICY_FOLLOWING_JUDGED = 1,
	POLICY_FOLLOWING_LEFT = 2,	/* not judged any more: WebSocket, policies that ask no more, audit that lost sight */
	POLICY_FOLLOWING_REFUSED = 3,
};

/* Where the reading stood at a sequence number. */
struct policy_point {
	wire_u32 sequence;
	wire_u32 unit;
	struct http_frames frames;
};

/* What a client sends on one connection, as far as it was judged. */
struct policy_stream {
	wire_u32 busy;
	wire_u8 policy_following;
	wire_u8 reserved[3];
	wire_u64 cgroup_id;	/* of the pod */
	wire_u64 passed_ns;	/* when a segment that was judged was last let through */
	wire_u64 confirmed;	/* bytes from `next` on that are a body whose head TCP has taken: they may come in any order */
	struct policy_answer answer;
	wire_u64 head_requests;	/* bits of those requests whose answers have no body, by number modulo HTTP_REQUESTS_WAITING */
	struct http_frames frames;
	wire_u32 unit;		/* of the message that is being read */
	wire_u32 next;		/* sequence number of the first byte that was not judged */
	wire_u32 points;	/* that were kept since TCP had all that was judged; the last POLICY_POINTS of them are here */
	wire_u32 reserved2;
	struct policy_point point[POLICY_POINTS];
};

/* A connection that has no socket yet: the sequence numbers tell one from another in all network namespaces. */
struct policy_request_key {
	wire_u8 client_address[16];
	wire_u8 server_address[16];
	wire_u16 client_port;
	wire_u16 server_port;
	wire_u32 client_begin;	/* sequence number of the first byte */
	wire_u32 server_begin;
};

#endif
