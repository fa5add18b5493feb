/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept of refused connections in maps. */
#ifndef FLOWSPAN_DATAPLANE_REFUSE_H
#define FLOWSPAN_DATAPLANE_REFUSE_H

/* What the client is told. */
enum refusal_answer {
	REFUSAL_ANSWER_NONE = 0,
	REFUSAL_ANSWER_RESET = 1,
	REFUSAL_ANSWER_FORBIDDEN = 2,	/* 403 and the end of the stream; a reset where a response has begun */
};

/* A verdict on a socket: what arrives from now on is refused. Written by who judges. */
struct refusal {
	unsigned char answer;		/* enum refusal_answer */
	unsigned char reserved[3];
	/*
	 * Bytes that the server had written when its last response was whole: where a 403 may stand. TCP cannot tell: a
	 * response that is half written, and all of it acknowledged, looks the same.
	 */
	unsigned int answered_bytes;
};

struct refused_connection {
	unsigned char client_address[16]; /* IPv4 as v4-mapped IPv6 */
	unsigned char server_address[16];
	unsigned short client_port;
	unsigned short server_port;
};

/* What a client was told after its server's socket was gone. Sequence numbers of the server's stream. */
struct refused_answer {
	unsigned int begin;
	unsigned int end;		/* behind the FIN */
};

/* What became of packets. */
enum refuse_counter {
	REFUSE_RESET = 0,
	REFUSE_FORBIDDEN = 1,
	REFUSE_FORBIDDEN_AGAIN = 2,	/* the answer was lost */
	REFUSE_DROPPED = 3,		/* could not be answered: IP options, extension headers, no memory */
	REFUSE_COUNTER_MAX = 4,
};

#endif
