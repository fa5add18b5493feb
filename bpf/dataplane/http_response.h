/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept of a server's answers on a connection whose requests are judged. No process reads or writes it. */
#ifndef FLOWSPAN_DATAPLANE_HTTP_RESPONSE_H
#define FLOWSPAN_DATAPLANE_HTTP_RESPONSE_H

#include "http_frames.h"

enum http_answering {
	HTTP_ANSWERING_NEW = 0,
	HTTP_ANSWERING_READ = 1,
	HTTP_ANSWERING_SWITCHED = 2,	/* 101: what follows is no HTTP */
	HTTP_ANSWERING_LOST = 3,	/* where an answer ends is not known any more */
};

struct http_responses {
	wire_u32 http_answering;
	wire_u32 next;		/* sequence number of the first byte that was not read */
	wire_u32 answers;	/* whose heads were read, without 1xx but with 101, modulo 2^32 */
	wire_u32 reserved;
	struct http_frames frames;
};

#endif
