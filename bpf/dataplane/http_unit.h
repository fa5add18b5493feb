/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * HTTP rules as a table that judges a request's head byte by byte. The collector writes it
 * (collector/src/control/policy/http/); what the numbers mean is said here, and read there out of BTF.
 */
#ifndef FLOWSPAN_DATAPLANE_HTTP_UNIT_H
#define FLOWSPAN_DATAPLANE_HTTP_UNIT_H

#include "../wire/events.h"

#define HTTP_UNIT_FIELDS 32
/* Powers of two: an index is cut to its range, not compared with it. */
#define HTTP_UNIT_ACTIONS 512
#define HTTP_UNIT_TRANSITIONS 65536

/* Parts of an entry of the table. */
enum http_entry {
	HTTP_ENTRY_PLACE_MASK = HTTP_UNIT_TRANSITIONS - 1, /* where the row of the next state begins */
	HTTP_ENTRY_GROUP_SHIFT = 24,			   /* bits to shift the classes of a byte by, for that state */
	HTTP_ENTRY_TEXT_SHIFT = 30,			   /* that state stays as long as no control character comes */
	HTTP_ENTRY_ACTION_SHIFT = 31,			   /* there is something to do at that state */
};

enum http_limit {
	HTTP_LIMIT_HEAD_BYTES = 16384, /* longest head that is judged, longest trailers */
	HTTP_LIMIT_UNITS = 256,	       /* units that there can be: a unit's number modulo this is its place in http_units */
};

/* Numbers of units that are no unit's; those that are begin at HTTP_LIMIT_UNITS. */
enum http_unit_number {
	HTTP_UNIT_NUMBER_NONE = 0,  /* no request is left to judge */
	HTTP_UNIT_NUMBER_UNFIT = 1, /* there are rules, and no room for them: no request can be judged */
};

/* Fields of a request's head, as bits of what was seen of it. Headers that rules name follow. */
enum http_field {
	HTTP_FIELD_METHOD = 0,
	HTTP_FIELD_TARGET = 1,
	HTTP_FIELD_VERSION_1_1 = 2,	/* seen in HTTP/1.1 requests */
	HTTP_FIELD_HOST = 3,
	HTTP_FIELD_CONTENT_LENGTH = 4,
	HTTP_FIELD_TRANSFER_ENCODING = 5,
	HTTP_FIELD_UPGRADE = 6,
	HTTP_FIELD_METHOD_HEAD = 7,	/* seen in requests whose method is HEAD: what answers them has no body */
	HTTP_FIELD_FIRST_HEADER = 8,
};

/* Fields of a response's head beside those that both have: version, Content-Length, Transfer-Encoding. */
enum http_response_field {
	HTTP_RESPONSE_FIELD_STATUS = 0,
	HTTP_RESPONSE_FIELD_INFORMATIONAL = 8,	/* seen in 1xx: another response follows, but for 101 */
	HTTP_RESPONSE_FIELD_SWITCHES = 9,	/* seen in 101 */
	HTTP_RESPONSE_FIELD_BODILESS = 10,	/* seen in 1xx, 204, 304 */
};

enum http_judged {
	HTTP_JUDGED_NONE = 0,		/* what is being read goes on */
	HTTP_JUDGED_ALLOWED = 1,
	HTTP_JUDGED_DENIED = 2,
	HTTP_JUDGED_UNJUDGED = 3,	/* readers might read it differently */
	HTTP_JUDGED_CHUNK = 4,		/* a chunk follows, of content_length bytes */
	HTTP_JUDGED_OVER = 5,		/* the last chunk was read, and the trailers */
};

/* Why a head is not judged. */
enum http_unjudged {
	HTTP_UNJUDGED_NONE = 0,
	HTTP_UNJUDGED_METHOD = 1,	  /* is no capital letters, `-` and `_` */
	HTTP_UNJUDGED_TARGET_FORM = 2,	  /* begins with no slash: absolute-form, authority-form, asterisk-form */
	HTTP_UNJUDGED_TARGET_BYTE = 3,	  /* no visible ASCII character, or `#` or a backslash */
	HTTP_UNJUDGED_TARGET_SLASHES = 4, /* two in a row */
	HTTP_UNJUDGED_TARGET_DOTS = 5,	  /* a segment `.` or `..`, also with a parameter behind it */
	HTTP_UNJUDGED_TARGET_ESCAPE = 6,  /* `%` without two digits, or of / . % ? # \ or a control character */
	HTTP_UNJUDGED_VERSION = 7,	  /* neither HTTP/1.0 nor HTTP/1.1 */
	HTTP_UNJUDGED_LINE_END = 8,	  /* CR or LF alone, or an empty line before the request */
	HTTP_UNJUDGED_FOLDED = 9,	  /* a header that goes on in the next line */
	HTTP_UNJUDGED_HEADER_NAME = 10,	  /* is no token, or has a blank behind it */
	HTTP_UNJUDGED_HEADER_VALUE = 11,  /* has a control character, or one that decides a tab */
	HTTP_UNJUDGED_DUPLICATE = 12,	  /* a header that decides is there twice */
	HTTP_UNJUDGED_HOST = 13,	  /* none in HTTP/1.1, or no host and port */
	HTTP_UNJUDGED_FRAMING = 14,	  /* a Content-Length that is no number, a Transfer-Encoding that is not chunked, both */
	HTTP_UNJUDGED_UPGRADE = 15,	  /* to anything but WebSocket */
	HTTP_UNJUDGED_TOO_LONG = 16,	  /* more than HTTP_LIMIT_HEAD_BYTES */
	HTTP_UNJUDGED_CHUNK = 17,	  /* a chunk's size or end, an extension or a trailer that is not as RFC 9112 says */
	HTTP_UNJUDGED_NO_UNIT = 18,	  /* the rules do not fit into a table, or it went while the head was read */
	HTTP_UNJUDGED_UNSEEN = 19,	  /* bytes came where they were not seen, or in an order in which they cannot be read */
};

enum http_action_kind {
	HTTP_ACTION_KIND_FIELD = 0,
	HTTP_ACTION_KIND_DIGIT = 1,	/* of Content-Length */
	HTTP_ACTION_KIND_END = 2,
	HTTP_ACTION_KIND_UNJUDGED = 3,
	HTTP_ACTION_KIND_CHUNK_DIGIT = 4, /* of a chunk's size */
	HTTP_ACTION_KIND_CHUNK = 5,
	HTTP_ACTION_KIND_OVER = 6,
};

/* What is to be done when a state is come to. */
struct http_action {
	wire_u64 rules DOC("Rules that the value of the field satisfies, as bits");
	wire_u8 http_action_kind DOC("What is to be done");
	wire_u8 http_field DOC("The field that is over");
	wire_u8 http_unjudged DOC("Why the head is not judged");
	wire_u8 reserved;
	wire_u32 also DOC("Fields that are seen with it, as bits");
};

struct http_unit {
	wire_u64 classes[256] DOC("Columns of each byte, 1 or more, a byte for each group: loaded before the group is known");
	struct http_action actions[HTTP_UNIT_ACTIONS] DOC("What is to be done, by the first entry of a state's row");
	wire_u64 absent[HTTP_UNIT_FIELDS] DOC("Rules that demand nothing of a field, by field");
	wire_u64 rules DOC("All rules of the unit");
	wire_u32 number DOC("Number by which it is asked for, never given twice; 0: none");
	wire_u32 demanded DOC("Fields without which an HTTP/1.1 head is malformed, as bits");
	wire_u32 transitions[HTTP_UNIT_TRANSITIONS] DOC("Rows of states: index of an action, then an entry for each column; the first row is where a head begins");
};

/* How far a head was read. All zeros but the rules: from its first byte. */
struct http_judgement {
	wire_u64 rules DOC("Rules that are left; in the end those that allow the request, as bits");
	wire_u64 content_length DOC("Content-Length, bytes; 0 if there is none. Behind the head: size of the chunk");
	wire_u32 entry DOC("Entry of the table that led to the state");
	wire_u32 seen DOC("Fields that were seen, bits by enum http_field");
	wire_u32 bytes DOC("Bytes of the head that were read; of what stands between two chunks; of trailers");
	wire_u8 http_judged DOC("What is said of it");
	wire_u8 http_unjudged DOC("Why it is not judged");
	wire_u8 reserved[2];
};

#endif
