/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Looking at eight bytes at a time. Words are little-endian: the first byte is the lowest. */
#ifndef FLOWSPAN_HTTP_SCAN_BPF_H
#define FLOWSPAN_HTTP_SCAN_BPF_H

#include "http_work.bpf.h"
#include "verifier.bpf.h"
#include "word.bpf.h"

#define LOWER_CASE EACH_BYTE(0x20)

#define BYTE_OF_WORD(byte, index) ((u64)(byte) << (8 * (index)))
#define WORD(a, b, c, d, e, f, g, h)                                                                             \
	(BYTE_OF_WORD(a, 0) | BYTE_OF_WORD(b, 1) | BYTE_OF_WORD(c, 2) | BYTE_OF_WORD(d, 3) | BYTE_OF_WORD(e, 4) | \
	 BYTE_OF_WORD(f, 5) | BYTE_OF_WORD(g, 6) | BYTE_OF_WORD(h, 7))
/* Mask of a word's first bytes, 1 to 8. */
#define FIRST_BYTES(count) (~0ull >> (64 - 8 * (count)))

/* Eight bytes of the window; 0 outside of it. */
static __always_inline u64 word_at(const struct http_work *work, u32 offset)
{
	ONE_REGISTER(offset);
	if (offset > HTTP_WINDOW)
		return 0;
	return *(const u64 *)(work->window + offset);
}

static __always_inline u8 byte_at(const struct http_work *work, u32 offset)
{
	ONE_REGISTER(offset);
	if (offset > HTTP_WINDOW)
		return 0;
	return work->window[offset];
}

/* High bit of each byte that is below `limit` (at most 0x80): exact for the lowest, which is all that is asked for. */
static __always_inline u64 bytes_below(u64 word, u64 limit)
{
	return (word - limit) & ~word & HIGH_BITS;
}

/* Index of the lowest byte whose high bit is set; `marks` is not 0. */
static __always_inline u32 first_marked(u64 marks)
{
	u64 below = (marks & -marks) - 1;

	return (u32)(((below & EACH_BYTE(1)) * EACH_BYTE(1)) >> 56) - 1;
}

/* Offset of the first byte below the limit in the block at `offset`, or of the block's end. */
static __always_inline u32 find_below(const struct http_work *work, u32 offset, u64 limit)
{
	const u64 *words;

	if (offset > HTTP_WINDOW)
		return offset + HTTP_BLOCK;
	words = (const u64 *)(work->window + offset);
#pragma unroll
	for (u32 i = 0; i < HTTP_BLOCK / 8; i++) {
		u64 marks = bytes_below(words[i], limit);

		if (marks)
			return offset + i * 8 + first_marked(marks);
	}
	return offset + HTTP_BLOCK;
}

static __always_inline bool is_blank(u8 byte)
{
	return byte == ' ' || byte == '\t';
}

/* RFC 9110 5.6.2, tchar. */
static __always_inline bool is_token_byte(u8 byte)
{
	const u64 low = 0x03ff6cfa00000000ull;	/* ! # $ % & ' * + - . 0-9 */
	const u64 high = 0x57ffffffc7fffffeull; /* A-Z ^ _ ` a-z | ~ */

	if (byte >= 128)
		return false;
	return (byte < 64 ? low >> byte : high >> (byte - 64)) & 1;
}

/* True if the word's first `count` bytes (1 to 8) are capital letters. */
static __always_inline bool is_upper_case(u64 word, u32 count)
{
	u64 mask = FIRST_BYTES(count);
	u64 letters = (word & mask) | (EACH_BYTE('A') & ~mask);

	if (letters & HIGH_BITS)
		return false;
	return !(bytes_below(letters, EACH_BYTE('A')) | ((letters + EACH_BYTE(0x7f - 'Z')) & HIGH_BITS));
}

#endif
