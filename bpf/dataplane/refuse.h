/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is kept of refused connections in maps. The rules of wire/events.h hold here, too. The TypeScript side is generated:
 * refuse.gen.ts.
 */
#ifndef FLOWSPAN_DATAPLANE_REFUSE_H
#define FLOWSPAN_DATAPLANE_REFUSE_H

#include "wire/events.h"

/* What the client is told. */
enum refusal_answer {
	REFUSAL_ANSWER_NONE = 0,
	REFUSAL_ANSWER_RESET = 1,
	REFUSAL_ANSWER_FORBIDDEN = 2,	/* 403 and the end of the stream; a reset where a response has begun */
};

struct refused_connection {
	wire_u8 client_address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u8 server_address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u16 client_port DOC("Network byte order.");
	wire_u16 server_port DOC("Network byte order.");
};

/* What a client was told after its server's socket was gone. Sequence numbers of the server's stream. */
struct refused_answer {
	wire_u32 begin DOC("Of the answer.");
	wire_u32 end DOC("Behind its FIN.");
};

/* What became of packets. */
enum refuse_counter {
	REFUSE_COUNTER_RESET = 0,
	REFUSE_COUNTER_FORBIDDEN = 1,
	REFUSE_COUNTER_FORBIDDEN_AGAIN = 2,	/* the answer was lost */
	REFUSE_COUNTER_DROPPED = 3,		/* could not be answered: IP options, extension headers, no memory */
	REFUSE_COUNTER_MAX = 4,
};

#endif
