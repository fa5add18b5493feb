/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Judges the requests in a segment whose bytes are the stream's next, and counts the verdicts. */
#ifndef FLOWSPAN_POLICY_HTTP_JUDGE_BPF_H
#define FLOWSPAN_POLICY_HTTP_JUDGE_BPF_H

#include "dataplane/policy_decide.bpf.h"
#include "dataplane/policy_records.bpf.h"
#include "policy_http_order.bpf.h"

/* Every step takes a byte at least; the largest packet has half a million. */
#define POLICY_STEPS (1 << 20)

/* What becomes of the segment. */
enum policy_outcome {
	POLICY_OUTCOME_PASS,
	POLICY_OUTCOME_CUT,	/* only what was allowed passes: what follows comes again, and is refused then */
	POLICY_OUTCOME_DROP,
	POLICY_OUTCOME_REFUSE,
	POLICY_OUTCOME_NO_SERVER,
};

struct policy_walk {
	struct __sk_buff *skb;
	struct policy_stream *stream;
	struct policy_arrival *arrival;
	u32 offset;	/* in the packet, of the first byte that was not judged */
	u32 bytes;	/* that follow it */
	u32 outcome;
};

static __always_inline u32 payload_offset(const struct segment *segment)
{
	return ETHERNET_BYTES + segment->ip_bytes + (segment->tcp.offset >> 4) * 4;
}

/* Without a branch; there is one. */
static __always_inline u8 lowest_bit(u64 bits)
{
	u32 place = 0;

#pragma unroll
	for (u32 width = 32; width; width /= 2) {
		u32 shift = bits << (64 - width) ? 0 : width;

		bits >>= shift;
		place += shift;
	}
	return place;
}

/*
 * Counts what was said of a head as it is carried out. @offset where it begins in the packet, @bytes of it that are there;
 * none if it began in another
 */
__noinline int policy_tell(struct __sk_buff *skb, struct policy_stream *stream, struct policy_arrival *arrival, u32 offset,
			   u32 bytes)
{
	const struct http_judgement *judgement;
	struct policy_record_count *fresh;
	struct policy_facts *facts;
	u8 connection_verdict;

	if (!stream || !arrival)
		return 0;
	judgement = &stream->frames.judgement;
	/* In maps: with them on the stack it is too large for 6.1. */
	facts = &arrival->facts;
	segment_addresses(&arrival->segment, facts->source, facts->destination);
	facts->source_port = bpf_ntohs(arrival->segment.tcp.source);
	facts->destination_port = bpf_ntohs(arrival->segment.tcp.destination);
	facts->protocol = IPPROTO_TCP;
	facts->http_judged = judgement->http_judged;
	facts->http_unjudged = judgement->http_unjudged;
	facts->http_rule = POLICY_NO_HTTP_RULE;
	connection_verdict = stream->answer.policy_verdict;
	if (judgement->http_judged == HTTP_JUDGED_ALLOWED) {
		facts->http_rule = lowest_bit(judgement->rules);
		stream->answer.policy_verdict = POLICY_VERDICT_ALLOWED;
	} else {
		stream->answer.policy_verdict = arrival->enforced ? POLICY_VERDICT_DENIED : POLICY_VERDICT_AUDITED;
	}
	fresh = policy_count(&stream->answer, facts);
	stream->answer.policy_verdict = connection_verdict;
	if (fresh)
		policy_sample_head(fresh, skb, offset, bytes);
	return 0;
}

/* Asks the policies again if they have changed: a request is judged by those of its own time. */
__noinline int policy_ask_again(struct policy_stream *stream, const struct policy_arrival *arrival)
{
	struct policy_question question = {.protocol = IPPROTO_TCP};
	struct policy_answer answer;
	unsigned char own[16];

	if (!stream || !arrival || current_set().generation == stream->answer.generation)
		return 0;
	question.cgroup_id = stream->cgroup_id;
	question.port = bpf_ntohs(arrival->segment.tcp.destination);
	segment_addresses(&arrival->segment, question.address, own);
	policy_decide(&question, &answer);
	/* A pod that is not known any more is on its way out: its policies stay with it. */
	if (answer.identity)
		stream->answer = answer;
	return 0;
}

/* At a message's first byte. False if no unit judges it. */
static __always_inline bool choose_unit(struct policy_walk *walk)
{
	struct policy_stream *stream = walk->stream;
	const struct policy_answer *answer = &stream->answer;

	policy_ask_again(stream, walk->arrival);
	walk->arrival->enforced = answer->policy_mode == POLICY_MODE_ENFORCE;
	if (walk->arrival->enforced && answer->policy_verdict == POLICY_VERDICT_DENIED) {
		/* The connection stays, as it may; its requests are new. */
		stream->frames.judgement.http_judged = HTTP_JUDGED_DENIED;
		return false;
	}
	if (answer->policy_mode == POLICY_MODE_OBSERVE || !answer->http_unit) {
		stream->policy_following = POLICY_FOLLOWING_LEFT;
		return false;
	}
	stream->unit = answer->http_unit;
	return true;
}

/* Nothing behind what is here is judged. */
static __always_inline void leave_stream(struct policy_walk *walk)
{
	walk->stream->policy_following = POLICY_FOLLOWING_LEFT;
	walk->outcome = POLICY_OUTCOME_PASS;
}

/* What follows in the segment is left to come again. */
static __always_inline void let_by_until(struct policy_walk *walk, u32 end)
{
	u32 payload = payload_offset(&walk->arrival->segment);

	walk->offset = end;
	walk->arrival->kept = end - payload;
	walk->outcome = end == payload + walk->arrival->skip ? POLICY_OUTCOME_DROP : POLICY_OUTCOME_CUT;
}

/* Whether an answer of ours would stand before one that is still to come. */
static __always_inline bool is_early(const struct policy_walk *walk)
{
	const struct policy_arrival *arrival = walk->arrival;

	return walk->stream->answer.refusal_answer == REFUSAL_ANSWER_FORBIDDEN &&
	       http_turn(&arrival->answers, walk->stream->frames.heads, arrival->segment.acknowledged) == HTTP_TURN_LATER;
}

/*
 * What is said of a head that is refused. Where others go before it in the segment, or have not been answered yet, it is
 * left to come again.
 */
static __always_inline void refuse_head(struct policy_walk *walk)
{
	struct policy_stream *stream = walk->stream;
	u32 first = payload_offset(&walk->arrival->segment) + walk->arrival->skip;
	u32 begin = walk->offset - stream->frames.judgement.bytes;
	bool began_here = stream->frames.http_part == HTTP_PART_HEAD && stream->frames.judgement.bytes <= walk->offset - first;

	if (walk->arrival->enforced && began_here && (begin != first || is_early(walk))) {
		__builtin_memset(&stream->frames.judgement, 0, sizeof(stream->frames.judgement));
		let_by_until(walk, begin);
		return;
	}
	/* A body that breaks off its message is refused at once: no answer to that will come to wait for. */
	if (walk->arrival->enforced && !began_here && stream->frames.http_part == HTTP_PART_HEAD && is_early(walk)) {
		/* It was begun in the segment before: that was a place to keep. */
		stream->frames = stream->point[(stream->points - 1) & (POLICY_POINTS - 1)].frames;
		let_by_until(walk, first);
		return;
	}
	policy_tell(walk->skb, stream, walk->arrival, begin, began_here ? walk->offset + walk->bytes - begin : 0);
	stream->policy_following = POLICY_FOLLOWING_REFUSED;
	walk->outcome = POLICY_OUTCOME_REFUSE;
}

/* Its answer, which has the same number, is told by that where it ends. */
static __always_inline void remember_request(struct policy_stream *stream)
{
	u64 bit = 1ull << ((stream->frames.heads + 1) % HTTP_REQUESTS_WAITING);

	if (http_has_seen(&stream->frames.judgement, HTTP_FIELD_METHOD_HEAD))
		stream->head_requests |= bit;
	else
		stream->head_requests &= ~bit;
}

static __always_inline bool http_asked_for_head(const struct policy_stream *stream, u32 number)
{
	return stream->head_requests >> (number % HTTP_REQUESTS_WAITING) & 1;
}

static __always_inline void allow_head(struct policy_walk *walk, struct http_unit *unit)
{
	struct http_frames *frames = &walk->stream->frames;
	u32 first = payload_offset(&walk->arrival->segment) + walk->arrival->skip;
	u32 bytes = frames->judgement.bytes <= walk->offset - first ? frames->judgement.bytes : 0;

	policy_tell(walk->skb, walk->stream, walk->arrival, walk->offset - bytes, bytes);
	remember_request(walk->stream);
	http_frames_follow(frames, unit);
}

/* Behind a request for an upgrade. False if nothing more is judged of the segment. */
static __always_inline bool follow_upgrade(struct policy_walk *walk)
{
	const struct http_answers *answers = &walk->arrival->answers;
	struct http_frames *frames = &walk->stream->frames;

	if (walk->arrival->enforced && !http_is_answered(answers, frames->heads)) {
		let_by_until(walk, walk->offset);
		return false;
	}
	http_frames_upgrade(frames, answers->http_answering == HTTP_ANSWERING_SWITCHED);
	if (frames->http_part == HTTP_PART_OPAQUE)
		leave_stream(walk);
	return frames->http_part != HTTP_PART_OPAQUE;
}

static long judge_step(u32 index, struct policy_walk *walk)
{
	struct policy_stream *stream = walk->stream;
	struct http_frames *frames = &stream->frames;
	struct http_unit *unit;
	u32 taken;

	if (!walk->bytes)
		return 1;
	if (frames->http_part == HTTP_PART_UPGRADE && !follow_upgrade(walk))
		return 1;
	if (http_frames_between(frames) && !choose_unit(walk)) {
		if (stream->policy_following == POLICY_FOLLOWING_LEFT)
			leave_stream(walk);
		else
			refuse_head(walk);
		return 1;
	}
	unit = http_unit_find(stream->unit);
	if (unit) {
		taken = http_frames_read(walk->skb, walk->offset, walk->bytes, unit, frames);
		walk->offset += taken;
		walk->bytes -= taken;
	} else {
		http_leave(&frames->judgement, HTTP_UNJUDGED_NO_UNIT);
	}
	switch (frames->judgement.http_judged) {
	case HTTP_JUDGED_NONE:
		return 0;
	case HTTP_JUDGED_DENIED:
		if (walk->arrival->enforced)
			break;
		/* fallthrough */
	case HTTP_JUDGED_ALLOWED:
		if (!unit)
			break;
		allow_head(walk, unit);
		return 0;
	}
	refuse_head(walk);
	if (!walk->arrival->enforced)
		leave_stream(walk);
	return 1;
}

/* The caller owns the stream, whose next bytes are the segment's from `skip` on. enum policy_outcome */
__noinline int policy_judge(struct __sk_buff *skb, struct policy_stream *stream, struct policy_arrival *arrival)
{
	struct policy_walk walk = {.skb = skb, .stream = stream, .arrival = arrival};
	u32 at, taken;

	if (!stream || !arrival)
		return POLICY_OUTCOME_DROP;
	at = payload_offset(&arrival->segment) + arrival->skip;
	walk.offset = at;
	walk.bytes = arrival->segment.payload_bytes - arrival->skip;
	keep_point(stream);
	bpf_loop(POLICY_STEPS, judge_step, &walk, 0);
	taken = walk.offset - at;
	stream->next += taken;
	stream->confirmed = stream->confirmed > taken ? stream->confirmed - taken : 0;
	stream->passed_ns = arrival->now_ns;
	return walk.outcome;
}

#endif
