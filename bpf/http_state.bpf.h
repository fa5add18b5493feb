/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the HTTP/1 parser keeps: two streams per connection, and the requests between them. */
#ifndef FLOWSPAN_HTTP_STATE_BPF_H
#define FLOWSPAN_HTTP_STATE_BPF_H

#include "record.bpf.h"

/* Bytes kept of each text; together they fit REQUEST_TEXT_MAX. */
#define HTTP_METHOD_MAX 32
#define HTTP_TARGET_MAX 704
#define HTTP_HOST_MAX 200
#define HTTP_TRACEPARENT_MAX 64
_Static_assert(HTTP_METHOD_MAX + HTTP_TARGET_MAX + HTTP_HOST_MAX + HTTP_TRACEPARENT_MAX <= REQUEST_TEXT_MAX, "text");

/* Bytes kept of a header line that is not over when its segment ends, and, at its end, of what followed. */
#define HTTP_LINE_KEPT 256
#define HTTP_LINE_TAIL 16
/* A first line longer than this is no request line. */
#define HTTP_START_LINE_MAX (64 * 1024)

/* Bytes looked at together, and copied out of the packet at once. */
#define HTTP_WINDOW 2048
#define HTTP_LOAD 1024
#define HTTP_BLOCK 64

/* Requests of one connection that are neither answered nor written. */
#define HTTP_PIPELINE_MAX 64
/* Out-of-order bytes kept of one connection: 64 KiB. */
#define HTTP_PIECE 2048
#define HTTP_PIECES_MAX 32

enum http_direction {
	HTTP_REQUEST = 0,
	HTTP_RESPONSE = 1,
};

/* How a connection's payload was judged. */
enum payload_seen {
	PAYLOAD_NONE = 0,
	PAYLOAD_HTTP = 1,	/* it has a parser */
	PAYLOAD_OPAQUE = 2,	/* nothing in it for us, ever */
	PAYLOAD_JOINED = 3,	/* its beginning was not seen: waiting for a certain start */
};

enum http_state {
	/* Made of lines. */
	HTTP_STATE_START = 0,
	HTTP_STATE_HEADERS,
	HTTP_STATE_CHUNK_SIZE,
	HTTP_STATE_CHUNK_END,
	HTTP_STATE_TRAILERS,
	/* Made of counted bytes. */
	HTTP_STATE_BODY,
	HTTP_STATE_CHUNK_DATA,
	/* Not looked at. */
	HTTP_STATE_UNTIL_CLOSE,
	HTTP_STATE_TUNNEL, /* CONNECT: the response decides what the bytes are */
	HTTP_STATE_STOPPED,	/* another protocol took over */
	HTTP_STATE_LOST,
};

#define HTTP_STATE_LAST_OF_LINES HTTP_STATE_TRAILERS
#define HTTP_STATE_LAST_COUNTED HTTP_STATE_CHUNK_DATA

/* http_stream.flags: of the message. */
#define HTTP_HAS_LENGTH 0x01
#define HTTP_CHUNKED 0x02
#define HTTP_FRAMED (HTTP_HAS_LENGTH | HTTP_CHUNKED)
#define HTTP_INVALID 0x04
#define HTTP_FOLD_MATTERS 0x08	/* the line before may not be continued */
#define HTTP_HAS_HOST 0x10
#define HTTP_HAS_TRACEPARENT 0x20
#define HTTP_IN_MESSAGE 0x40

/* One direction of a connection. Written only by the program that sees its packets, under `busy`. */
struct http_stream {
	u32 busy;
	u32 next_sequence;
	u32 judged_end;		/* behind the last line that was read: up to there content counted */
	u32 bytes_past_tcp;	/* before the first that went through it: http_redirected.bpf.h */
	u64 body_left;
	u64 message_bytes;
	u64 body_bytes;
	u64 first_ns;		/* first byte of the message, boot clock */
	u32 line_bytes;		/* of a line that is not over, kept in `lines` (a request line: in its record) */
	u32 line_dropped;	/* and those not kept */
	u16 first_space;	/* request line: where the method ends */
	u16 status_code;
	u8 spaces;
	u8 state;
	u8 flags;
	u8 version;		/* of the message: 10 or 11 */
};

/* Evidence counters as they stood when a request began. */
struct http_evidence {
	u64 zero_window_ns;
	u64 out_of_order_bytes;
	u32 rwnd_limited_jiffies;
	u32 sndbuf_limited_jiffies;
	u32 retransmitted_segments;
	u32 fast_retransmits;
	u32 timeouts;
	u32 tail_loss_probes;
};

enum http_method {
	HTTP_METHOD_OTHER = 0,
	HTTP_METHOD_HEAD = 1,
	HTTP_METHOD_CONNECT = 2,
};

/*
 * A request as it is read; its record is made of this when it is written out. The second of its three cache lines is
 * what the other direction and the application's read write to.
 */
struct http_request {
	struct http_evidence begin;
	u64 first_ns;
	u64 request_last_ns;
	u64 request_bytes;

	u64 read_ns;
	u64 response_first_ns;
	u64 response_last_ns;
	u64 response_bytes;
	u64 response_body_bytes;
	u32 head_end;			/* place behind the request's head; sequence number behind the response */
	u32 response_end;
	u32 response_sequence;
	u16 status_code;
	u8 method;			/* enum http_method */
	u8 head_read;
	u8 request_end;			/* enum request_end */
	u8 response_late;
	u8 request_late;		/* its last byte was read, and bytes before it are still missing */
	u8 request_over;		/* nothing more is to be learned of the request itself */
	u8 past_tcp;			/* its first byte, or its response's, went past TCP */
	u8 reserved[3];

	u64 request_body_bytes;
	u32 request_sequence;
	u16 target_length;
	u16 host_at;			/* where host and traceparent are in the text */
	u16 host_length;
	u16 traceparent_at;
	u8 method_length;
	u8 traceparent_length;
	u8 http_version;
	u8 text_truncated;
	u8 start_line_read;		/* without it there is nothing to tell */
	u8 sight_lost;			/* bytes of it were never seen: sizes are of what was */
	u8 reserved_end[6];
	char text[REQUEST_TEXT_MAX];	/* method, target; host and traceparent in the order in which they came */
};

/* The ingress stream where TCP had accepted all that was read: a later copy of the same bytes is judged from here. */
struct http_checkpoint {
	u64 body_left;
	u64 message_bytes;
	u64 body_bytes;
	u32 sequence;
	u32 begun;
	u32 answered;
	u8 state;
	u8 flags;
	u8 usable;
	u8 taken;
};

/*
 * Requests are numbered. begun: by the request stream; answered: by the response stream; released: written out, by
 * whoever owns `releasing`. released <= answered <= begun.
 * Storage begins eight bytes before the value: the first 56 bytes, either stream, what follows them and the slot each
 * begin a cache line.
 */
struct http_connection {
	u64 id;
	u64 rtt_floor_us;	/* tcp_sock.tcp_mstamp when the request began: older samples are not its own */
	u32 max_rtt_us;
	u32 begun;
	u32 answered;
	u32 released;
	u32 releasing;
	u32 read;		/* requests that the application has taken */
	u32 slot_owner;		/* number + 1 of the request in `slot`; 0: free. The rest: http_pipelined */
	u8 pieces;		/* kept in http_pieces */
	u8 confirmed;		/* a whole request line was read */
	u8 rejected;		/* what it is instead: enum application_protocol */
	u8 hole;		/* bytes of the ingress stream are missing */
	u8 unverified;		/* ports not yet compared with the socket's */
	u8 joined;		/* started in the middle of a connection, and not yet answered */
	u8 lost_for_good;	/* more was asked than is followed: no later start can be certain */
	u8 passed;		/* passed_end is behind what TCP has */
	u8 told;		/* what the connection's records call it: enum application_protocol */
	u8 lost[2];		/* HTTP_STATE_LOST, where the other direction sees it without a look at this one's stream */
	u8 past_tcp;		/* bytes of requests went past TCP: application_read is kept */
	struct http_stream streams[2];
	struct http_checkpoint checkpoint;
	u64 out_of_order_bytes;
	u32 hole_end;		/* behind the farthest byte that came out of order */
	u32 passed_end;		/* behind the last hole that was passed over: chunk data, whatever it holds */
	u16 peer_port;		/* taken over from the listener: whose first bytes they were */
	u16 local_port;
	u32 application_read;	/* bytes of the request stream that the application took: TCP does not count those past it */
	struct http_request slot;
	u8 lines[2][HTTP_LINE_KEPT];
	u64 abandoned_ns;	/* when the requests that are open were given up */
	u8 abandoned_end;	/* and why: enum request_end */
	u8 reserved_last[7];
};

_Static_assert(offsetof(struct http_connection, streams) % 64 == 56 && sizeof(struct http_stream) == 64 &&
		       offsetof(struct http_connection, slot) % 64 == 56 &&
		       offsetof(struct http_request, read_ns) == 64 &&
		       offsetof(struct http_request, request_body_bytes) == 128,
	       "cache lines");

/* Freed with the socket, or when the connection is over or turns out not to be HTTP. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct http_connection);
} http_connections SEC(".maps");

struct http_key {
	u64 connection_id;
	u32 number;
	u32 reserved;
};

/* Requests sent before the one in front of them was answered. Deleted when written out, or with the connection. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct http_key);
	__type(value, struct http_request);
} http_pipelined SEC(".maps");

struct http_piece {
	u32 sequence;
	u32 bytes;
	u8 data[HTTP_PIECE + HTTP_LOAD]; /* room for a whole load at its last byte; never filled */
};

/* Bytes that came before those in front of them. Deleted when the hole is filled, or with the connection. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct http_key);
	__type(value, struct http_piece);
} http_pieces SEC(".maps");

/* Never written: what a piece starts as. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_piece);
} http_empty_piece SEC(".maps");

/* Never written: what a request in http_pipelined starts as. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_request);
} http_empty_request SEC(".maps");

/* Parser state of first bytes that came to a listener, until the connection exists: same CPU, same softirq. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_connection);
} http_listener_connection SEC(".maps");

#endif
