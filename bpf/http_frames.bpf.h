/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Goes through a stream of HTTP/1 messages: heads are judged, bodies passed over by their length, what stands around
 * chunks read by the same table. What a body says is not looked at.
 */
#ifndef FLOWSPAN_HTTP_FRAMES_BPF_H
#define FLOWSPAN_HTTP_FRAMES_BPF_H

#include "http_judge.bpf.h"

/* Every step reads a byte at least, loads a window or passes over a body; the largest packet has half a million bytes. */
#define HTTP_FRAMES_STEPS (1 << 21)

/* Nothing of a message was read: another unit may judge from here on. */
static __always_inline bool http_frames_between(const struct http_frames *frames)
{
	return frames->http_part == HTTP_PART_HEAD && !frames->judgement.bytes && !frames->judgement.http_judged;
}

/* A message is whole. */
static __always_inline void http_frames_end(struct http_frames *frames, const struct http_unit *unit)
{
	bool upgrades = http_has_seen(&frames->judgement, HTTP_FIELD_UPGRADE);

	frames->http_part = upgrades ? HTTP_PART_UPGRADE : HTTP_PART_HEAD;
	__builtin_memset(&frames->judgement, 0, sizeof(frames->judgement));
	frames->judgement.rules = unit->rules;
}

/* A head was looked at, and let by. Here for requests; of responses only who knows the request can say it. */
static __always_inline void http_frames_follow(struct http_frames *frames, const struct http_unit *unit)
{
	struct http_judgement *judgement = &frames->judgement;

	frames->heads++;
	judgement->http_judged = HTTP_JUDGED_NONE;
	judgement->bytes = 0;
	frames->left = judgement->content_length;
	judgement->content_length = 0;
	if (http_has_seen(judgement, HTTP_FIELD_TRANSFER_ENCODING))
		frames->http_part = HTTP_PART_CHUNKED;
	else if (frames->left)
		frames->http_part = HTTP_PART_BODY;
	else
		http_frames_end(frames, unit);
}

/* The request for an upgrade was answered: with 101, or otherwise. */
static __always_inline void http_frames_upgrade(struct http_frames *frames, bool switches)
{
	frames->http_part = switches ? HTTP_PART_OPAQUE : HTTP_PART_HEAD;
}

/* Passes over what is here of a body or a chunk. False if nothing is. */
static __always_inline bool http_pass_body(struct http_frames *frames, struct http_judge_work *work)
{
	u64 in_window = work->loaded - work->position, bytes = in_window + work->source_bytes;

	if (bytes > frames->left)
		bytes = frames->left;
	frames->left -= bytes;
	if (bytes <= in_window) {
		work->position += bytes;
	} else {
		work->position = work->loaded;
		work->source_offset += bytes - in_window;
		work->source_bytes -= bytes - in_window;
	}
	return bytes;
}

static long http_frames_step(u32 index, struct http_judge_cursor *cursor)
{
	struct http_frames *frames = cursor->frames;
	struct http_judge_work *work = cursor->work;

	if (frames->left) {
		if (!http_pass_body(frames, work))
			return 1;
		if (!frames->left && frames->http_part == HTTP_PART_BODY)
			http_frames_end(frames, cursor->unit);
		return frames->http_part == HTTP_PART_UPGRADE;
	}
	if (work->position >= work->loaded)
		return !http_load_window(cursor);
	http_judge_step(cursor);
	switch (frames->judgement.http_judged) {
	case HTTP_JUDGED_NONE:
		return 0;
	case HTTP_JUDGED_CHUNK:
		frames->left = frames->judgement.content_length;
		frames->judgement.content_length = 0;
		frames->judgement.bytes = 0;
		frames->judgement.http_judged = HTTP_JUDGED_NONE;
		return 0;
	case HTTP_JUDGED_OVER:
		http_frames_end(frames, cursor->unit);
		return frames->http_part == HTTP_PART_UPGRADE;
	case HTTP_JUDGED_UNJUDGED:
		return 1;
	default:
		return 1;
	}
}

/*
 * Reads on: `bytes` of the packet at `offset`, which follow those that were read before. Returns how many it took. It stops
 * - behind a head (http_judged says what of it): whoever reads on has looked;
 * - where something is not judged: it takes nothing more, ever (http_judged stays unjudged);
 * - behind a request for an upgrade (HTTP_PART_UPGRADE): it takes nothing more until http_frames_upgrade().
 * Opaque bytes are all taken. The unit is the same from a message's first byte to its last. Not judged is also what no
 * unit was ever written for.
 */
__noinline u32 http_frames_read(struct __sk_buff *skb, u32 offset, u32 bytes, struct http_unit *unit,
				struct http_frames *frames)
{
	struct http_judge_cursor cursor = {.skb = skb, .unit = unit, .frames = frames};
	struct http_judge_work *work;
	u32 zero = 0;

	work = bpf_map_lookup_elem(&http_judge_work, &zero);
	if (!unit || !frames || !work)
		return 0;
	switch (frames->judgement.http_judged) {
	case HTTP_JUDGED_NONE:
		break;
	case HTTP_JUDGED_UNJUDGED:
		return 0;
	default:
		http_frames_follow(frames, unit);
	}
	if (frames->http_part == HTTP_PART_OPAQUE)
		return bytes;
	if (frames->http_part == HTTP_PART_UPGRADE)
		return 0;
	if (http_frames_between(frames))
		frames->judgement.rules = unit->rules;
	work->source_offset = offset;
	work->source_bytes = bytes;
	work->loaded = 0;
	work->position = 0;
	cursor.work = work;
	bpf_loop(HTTP_FRAMES_STEPS, http_frames_step, &cursor, 0);
	return bytes - work->source_bytes - (work->loaded - work->position);
}

#endif
