/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One noisy cgroup is throttled here, before its records take the room of others. What is kept of its requests is chosen
 * as collector/src/deliver/spans/probability.ts chooses: by the trace id, else by the sequence numbers, which both ends of
 * a connection see alike.
 */
#ifndef FLOWSPAN_THROTTLE_BPF_H
#define FLOWSPAN_THROTTLE_BPF_H

#include "record.bpf.h"

/* In a traceparent, `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`: where its 56 random bits begin. */
#define TRACEPARENT_LENGTH 55
#define TRACEPARENT_RANDOM 21
/* Bits looked at: as many as the greatest weight needs, and some. */
#define TRACEPARENT_DIGITS 4

/* Whether any cgroup is throttled. */
static __always_inline bool is_throttling(void)
{
	u32 zero = 0, *throttled = bpf_map_lookup_elem(&throttled_cgroups, &zero);

	return throttled && *throttled;
}

/* NULL: everything of its cgroup is written. */
static __always_inline const struct cgroup_throttle *throttle_of(const struct connection *connection)
{
	u64 cgroup;

	if (!is_throttling())
		return NULL;
	cgroup = connection->owner_cgroup_id ?: connection->socket_cgroup_id;
	return bpf_map_lookup_elem(&cgroup_throttles, &cgroup);
}

/* Whether this one of `weight` is kept; `random` is compared from its highest bit on. */
static __always_inline bool is_kept(u32 random, u32 weight)
{
	return (u64)(u32)~random * weight < 1ull << 32;
}

/*
 * What an event that is written stands for; 0: it is shed, and counted. `whose` is NULL where that is not known. As
 * `throttled_request_weight`, the verifier walks it once.
 */
__noinline int event_weight(struct socket_state *whose)
{
	const struct cgroup_throttle *throttle;

	if (!whose)
		return 1;
	throttle = throttle_of(&whose->connection);
	if (!throttle || throttle->event_weight <= 1)
		return 1;
	if (is_kept(bpf_get_prandom_u32(), throttle->event_weight))
		return throttle->event_weight;
	count_shed(RECORD_KIND_TCP_EVENT);
	return 0;
}

static __always_inline u32 rotated(u32 value, u32 bits)
{
	return value << bits | value >> (32 - bits);
}

static __always_inline u32 mixed(u32 hash, u32 word)
{
	return rotated(hash ^ rotated(word * 0xcc9e2d51, 15) * 0x1b873593, 13) * 5 + 0xe6546b64;
}

/* The high lane of its hash of sequence numbers. */
static __always_inline u32 sequences_random(u32 request, u32 response)
{
	u32 hash = mixed(mixed(0x9747b28c, request), response);

	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/*
 * The highest random bits of a trace id; 0 if there is none to be read. Digits are not judged: what they would be, were
 * they hexadecimal, is as good a choice.
 */
static __always_inline u32 trace_random(const char *traceparent, u32 length)
{
	u32 random = 0;

	if (length < TRACEPARENT_LENGTH || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-')
		return 0;
#pragma unroll
	for (int i = 0; i < TRACEPARENT_DIGITS; i++) {
		u8 digit = traceparent[TRACEPARENT_RANDOM + i];

		random = random << 4 | (((digit & 15) + 9 * (digit >> 6)) & 15);
	}
	return random << (32 - 4 * TRACEPARENT_DIGITS);
}

static __always_inline bool met_trouble(const struct request_record *record)
{
	u8 end = record->request_end;

	return record->http_status_code >= 500 || !record->http_status_code || record->retransmitted_segments ||
	       record->timeouts || record->zero_window_ns || record->duration_ns >= slow_request_ns ||
	       (end != REQUEST_END_COMPLETE && end != REQUEST_END_UPGRADED);
}

/*
 * What a request of a throttled cgroup stands for if it is written; 0: it is shed, and counted. A function of its own,
 * which the verifier walks once.
 */
__noinline int throttled_request_weight(struct request_record *record, u32 traceparent_at)
{
	const struct cgroup_throttle *throttle;
	u32 weight, random;

	if (!record || traceparent_at > REQUEST_TEXT_MAX - TRACEPARENT_LENGTH)
		return 1;
	throttle = throttle_of(&record->connection);
	if (!throttle)
		return 1;
	weight = met_trouble(record) ? throttle->trouble_weight : throttle->request_weight;
	if (weight <= 1)
		return 1;
	random = trace_random(record->text + traceparent_at, record->traceparent_length) ?:
			 sequences_random(record->request_sequence, record->response_sequence);
	if (is_kept(random, weight))
		return weight;
	count_shed(RECORD_KIND_REQUEST);
	return 0;
}

#endif
