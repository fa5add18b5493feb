/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Bytes that came before those in front of them: kept, bounded, until their turn. */
#ifndef FLOWSPAN_HTTP_REORDER_BPF_H
#define FLOWSPAN_HTTP_REORDER_BPF_H

#include "http_parse.bpf.h"

struct http_keeping {
	struct http_cursor *cursor;
	u32 offset;	/* in the packet */
	u32 bytes;
	u32 sequence;
	u8 full;
};

/* Room for a piece, with nothing in it. */
static __always_inline struct http_piece *allocate_piece(struct http_connection *connection)
{
	struct http_key key = {.connection_id = connection->id, .number = connection->pieces};
	struct http_piece *empty;
	u32 zero = 0;

	if (connection->pieces >= HTTP_PIECES_MAX)
		return NULL;
	empty = bpf_map_lookup_elem(&http_empty_piece, &zero);
	if (!empty || bpf_map_update_elem(&http_pieces, &key, empty, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&http_pieces, &key);
}

static long keep_one_piece(u32 index, struct http_keeping *keeping)
{
	struct http_connection *connection = keeping->cursor->connection;
	u32 bytes = keeping->bytes < HTTP_PIECE ? keeping->bytes : HTTP_PIECE;
	struct http_piece *piece = allocate_piece(connection);

	keeping->full = 1;
	if (!piece || !is_from_one_to(&bytes, HTTP_PIECE) ||
	    bpf_skb_load_bytes(keeping->cursor->skb, keeping->offset, piece->data, bytes))
		return 1;
	piece->sequence = keeping->sequence;
	piece->bytes = bytes;
	connection->pieces++;
	keeping->full = 0;
	keeping->offset += bytes;
	keeping->sequence += bytes;
	keeping->bytes -= bytes;
	return keeping->bytes == 0;
}

/* Keeps the segment in `work` for later. False if there is no room. */
static __noinline bool keep_pieces(struct http_cursor *cursor)
{
	const struct http_segment *segment = &cursor->work->segment;
	struct http_keeping keeping = {
		.cursor = cursor,
		.offset = segment->offset + segment->skip,
		.bytes = segment->bytes - segment->skip,
		.sequence = segment->sequence + segment->skip,
	};

	bpf_loop(HTTP_PIECES_MAX + 1, keep_one_piece, &keeping, 0);
	return !keeping.full;
}

struct http_search {
	u64 connection_id;
	u32 sequence;
	u32 found;	/* number + 1 */
};

static long match_piece(u32 index, struct http_search *search)
{
	struct http_key key = {.connection_id = search->connection_id, .number = index};
	struct http_piece *piece = bpf_map_lookup_elem(&http_pieces, &key);

	if (!piece || before(search->sequence, piece->sequence) ||
	    !before(search->sequence, piece->sequence + piece->bytes))
		return 0;
	search->found = index + 1;
	return 1;
}

/* The piece that holds the byte with this sequence number, or NULL. */
static __noinline struct http_piece *find_piece(struct http_connection *connection, u32 sequence)
{
	struct http_search search = {.connection_id = connection->id, .sequence = sequence};
	struct http_key key = {.connection_id = connection->id};

	if (!connection->pieces)
		return NULL;
	bpf_loop(HTTP_PIECES_MAX, match_piece, &search, 0);
	if (!search.found)
		return NULL;
	key.number = search.found - 1;
	return bpf_map_lookup_elem(&http_pieces, &key);
}

static long drop_piece(u32 index, u64 *connection_id)
{
	struct http_key key = {.connection_id = *connection_id, .number = index};

	bpf_map_delete_elem(&http_pieces, &key);
	return 0;
}

static __always_inline void drop_pieces(struct http_connection *connection)
{
	u64 connection_id = connection->id;
	u32 pieces = connection->pieces;

	connection->pieces = 0;
	connection->hole = 0;
	connection->passed = 0;
	if (pieces)
		bpf_loop(pieces, drop_piece, &connection_id, 0);
}

#endif
