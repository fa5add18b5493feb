/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where one direction of an HTTP/1 connection stands: it is messages, one behind the other. */
#ifndef FLOWSPAN_DATAPLANE_HTTP_FRAMES_H
#define FLOWSPAN_DATAPLANE_HTTP_FRAMES_H

#include "http_unit.h"

/* What comes next. */
enum http_part {
	HTTP_PART_HEAD = 0,
	HTTP_PART_BODY = 1,	/* `left` bytes, then a head */
	HTTP_PART_CHUNKED = 2,	/* chunks and trailers, then a head */
	HTTP_PART_UPGRADE = 3,	/* what the answer to a request for an upgrade makes of it: a head, or WebSocket */
	HTTP_PART_OPAQUE = 4,	/* what is not read: WebSocket, a body that ends with the connection */
};

/*
 * All zeros: from the stream's first byte. It may be copied: a copy stands where it was taken. The head that was read last
 * can be looked at until one reads on.
 */
struct http_frames {
	struct http_judgement judgement;
	wire_u64 left DOC("Bytes of the body, or of the chunk, that follow");
	wire_u32 heads DOC("Heads that were read and looked at, modulo 2^32");
	wire_u8 http_part DOC("What comes next, if the head that was read last is done with");
	wire_u8 reserved[3];
};

#endif
