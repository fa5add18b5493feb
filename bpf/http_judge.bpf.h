/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Judges a head, and what stands around chunks, by a table (dataplane/http_unit.h): a look-up for each byte, and little
 * else. All that is strict about it is in the table. http_frames.bpf.h goes through a stream with it.
 */
#ifndef FLOWSPAN_HTTP_JUDGE_BPF_H
#define FLOWSPAN_HTTP_JUDGE_BPF_H

#include "dataplane/http_frames.h"
#include "include/kernel.h"
#include "verifier.bpf.h"
#include "word.bpf.h"

/* Bytes that are loaded at once, and bytes that are read in one step of the loop. Powers of two. */
#define HTTP_JUDGE_WINDOW 1024
#define HTTP_JUDGE_STEP 32
/* Text that is passed over in one step, which is not told apart. */
#define HTTP_JUDGE_TEXT 128
/* A chunk whose size has a digit more behind so many bits is larger than any: readers differ in where they give up. */
#define HTTP_CHUNK_SIZE_BITS 52

/* Where the bytes are. A step's bookkeeping is in a map value: on the stack the verifier would follow each of its values. */
struct http_judge_work {
	u8 window[HTTP_JUDGE_WINDOW];
	u64 behind;		/* a word that begins in the window may end here */
	u32 source_offset;	/* of the first byte that is not loaded */
	u32 source_bytes;	/* that are not loaded */
	u32 loaded;		/* bytes in the window */
	u32 position;		/* of the first byte in it that was not read */
	u32 byte;		/* the last that was read */
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct http_judge_work);
} http_judge_work SEC(".maps");

struct http_judge_cursor {
	struct __sk_buff *skb;
	struct http_unit *unit;
	struct http_frames *frames;
	struct http_judge_work *work;
};

static __always_inline bool http_has_seen(const struct http_judgement *judgement, u32 field)
{
	return judgement->seen >> field & 1;
}

static __always_inline void http_leave(struct http_judgement *judgement, u8 why)
{
	judgement->http_judged = HTTP_JUDGED_UNJUDGED;
	judgement->http_unjudged = why;
}

/* The head is whole. */
static __always_inline void http_conclude(const struct http_unit *unit, struct http_judgement *judgement)
{
	bool is_new = http_has_seen(judgement, HTTP_FIELD_VERSION_1_1);
	u64 rules = judgement->rules;

	if (is_new && unit->demanded & ~judgement->seen) {
		http_leave(judgement, HTTP_UNJUDGED_HOST);
		return;
	}
	if (http_has_seen(judgement, HTTP_FIELD_TRANSFER_ENCODING) &&
	    (!is_new || http_has_seen(judgement, HTTP_FIELD_CONTENT_LENGTH))) {
		http_leave(judgement, HTTP_UNJUDGED_FRAMING);
		return;
	}
	/* Without a branch: the verifier would go both ways for each field. */
	for (u32 field = 0; field < HTTP_UNIT_FIELDS; field++)
		rules &= unit->absent[field] | -(u64)(judgement->seen >> field & 1);
	judgement->rules = rules;
	judgement->http_judged = rules ? HTTP_JUDGED_ALLOWED : HTTP_JUDGED_DENIED;
}

/* Of a digit. */
static __always_inline u32 hexadecimal(u32 byte)
{
	return byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
}

/* Does what is to be done at the state that was come to. */
__noinline int http_act(struct http_unit *unit, struct http_judgement *judgement, u32 byte)
{
	const struct http_action *action;
	u32 index;

	if (!unit || !judgement)
		return 0;
	index = unit->transitions[judgement->entry & HTTP_ENTRY_PLACE_MASK] & (HTTP_UNIT_ACTIONS - 1);
	action = &unit->actions[index];
	switch (action->http_action_kind) {
	case HTTP_ACTION_KIND_FIELD:
		if (http_has_seen(judgement, action->http_field & (HTTP_UNIT_FIELDS - 1)))
			http_leave(judgement, HTTP_UNJUDGED_DUPLICATE);
		judgement->seen |= 1u << (action->http_field & (HTTP_UNIT_FIELDS - 1)) | action->also;
		judgement->rules &= action->rules;
		break;
	case HTTP_ACTION_KIND_DIGIT:
		judgement->content_length = judgement->content_length * 10 + byte - '0';
		break;
	case HTTP_ACTION_KIND_END:
		http_conclude(unit, judgement);
		break;
	case HTTP_ACTION_KIND_UNJUDGED:
		http_leave(judgement, action->http_unjudged);
		break;
	case HTTP_ACTION_KIND_CHUNK_DIGIT:
		if (judgement->content_length >> HTTP_CHUNK_SIZE_BITS)
			http_leave(judgement, HTTP_UNJUDGED_CHUNK);
		judgement->content_length = judgement->content_length << 4 | hexadecimal(byte);
		break;
	case HTTP_ACTION_KIND_CHUNK:
		judgement->http_judged = HTTP_JUDGED_CHUNK;
		break;
	case HTTP_ACTION_KIND_OVER:
		judgement->http_judged = HTTP_JUDGED_OVER;
		break;
	}
	return 0;
}

/* Loads more of the packet. False if that was all, or all that is judged. */
static __always_inline bool http_load_window(struct http_judge_cursor *cursor)
{
	struct http_judge_work *work = cursor->work;
	u32 bytes = work->source_bytes;

	if (!bytes)
		return false;
	if (bytes > HTTP_JUDGE_WINDOW)
		bytes = HTTP_JUDGE_WINDOW;
	if (bytes > HTTP_LIMIT_HEAD_BYTES - cursor->frames->judgement.bytes)
		bytes = HTTP_LIMIT_HEAD_BYTES - cursor->frames->judgement.bytes;
	work->position = 0;
	work->loaded = 0;
	if (!is_from_one_to(&bytes, HTTP_JUDGE_WINDOW) ||
	    bpf_skb_load_bytes(cursor->skb, work->source_offset, work->window, bytes)) {
		http_leave(&cursor->frames->judgement, HTTP_UNJUDGED_TOO_LONG);
		return false;
	}
	work->loaded = bytes;
	work->source_offset += bytes;
	work->source_bytes -= bytes;
	return true;
}

/* True if none of the eight bytes is a control character. */
static __always_inline bool http_is_text(u64 word)
{
	u64 low = (word - EACH_BYTE(0x20)) & ~word;
	u64 deletes = word ^ EACH_BYTE(0x7f);

	return !((low | ((deletes - EACH_BYTE(1)) & ~deletes)) & HIGH_BITS);
}

/* Where text ends that begins at `position`, or is cut: up to seven bytes more of it may follow, or a step's bytes. */
static __always_inline u32 http_pass_text(const struct http_judge_work *work, u32 position)
{
#pragma unroll
	for (u32 i = 0; i < HTTP_JUDGE_TEXT / 8; i++) {
		if (position + 8 > work->loaded ||
		    !http_is_text(*(const u64 *)(work->window + (position & (HTTP_JUDGE_WINDOW - 1)))))
			break;
		position += 8;
	}
	return position;
}

/* Reads on in the window: as far as one step goes, or there is something to be done. */
static __always_inline void http_judge_step(struct http_judge_cursor *cursor)
{
	struct http_judge_work *work = cursor->work;
	struct http_judgement *judgement = &cursor->frames->judgement;
	struct http_unit *unit = cursor->unit;
	u32 position = work->position, loaded = work->loaded;
	u64 entry = judgement->entry;

	if (entry >> HTTP_ENTRY_TEXT_SHIFT & 1) {
		position = http_pass_text(work, position);
		if (position == work->position + HTTP_JUDGE_TEXT)
			goto over;
	}
#pragma unroll
	for (u32 i = 0; i < HTTP_JUDGE_STEP; i++) {
		u32 byte = work->window[position & (HTTP_JUDGE_WINDOW - 1)];
		u64 classes = unit->classes[byte], before = entry;
		u64 place = (entry & HTTP_ENTRY_PLACE_MASK) + (classes >> (entry >> HTTP_ENTRY_GROUP_SHIFT & 63) & 0xff);

		if (position >= loaded)
			break;
		entry = unit->transitions[place & HTTP_ENTRY_PLACE_MASK];
		position++;
		if (entry >> HTTP_ENTRY_ACTION_SHIFT) {
			judgement->entry = entry;
			http_act(unit, judgement, byte);
			if (judgement->http_judged)
				break;
		}
		/* Text begins: a step of its own passes over it. */
		if ((entry & ~before) >> HTTP_ENTRY_TEXT_SHIFT & 1)
			break;
	}
over:
	judgement->entry = entry;
	judgement->bytes += position - work->position;
	work->position = position;
}

#endif
