/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How far the requests of a connection have been answered: an answer of ours can stand only behind all of theirs, and what
 * follows a request for an upgrade is what its answer says. Written where packets go out (http_response.bpf.c); the
 * response is there before the client can have seen it.
 */
#ifndef FLOWSPAN_HTTP_RESPONSE_BPF_H
#define FLOWSPAN_HTTP_RESPONSE_BPF_H

#include "dataplane/http_response.h"
#include "http_frames.bpf.h"

#define TCP_STATE_ESTABLISHED 1
/* Requests that may wait for their answers before sight of which is which is lost. */
#define HTTP_REQUESTS_WAITING 64

/* Freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct http_responses);
} http_responses SEC(".maps");

/* Where the answers stood when a segment came. */
struct http_answers {
	u32 answers;		/* see struct http_responses */
	u32 http_answering;
	u32 end;		/* sequence number behind all that the server has said */
	bool whole;		/* the last answer ends there */
};

static __always_inline void read_answers(struct bpf_sock *sk, const struct tcp_sock *tp, struct http_answers *answers)
{
	struct http_responses *responses = bpf_sk_storage_get(&http_responses, sk, NULL, 0);

	answers->end = tp->write_seq;
	if (sk->state != TCP_STATE_ESTABLISHED) {
		/* It says no more, and nothing can stand behind its end. */
		answers->answers = 0;
		answers->whole = false;
		answers->http_answering = HTTP_ANSWERING_LOST;
		return;
	}
	if (!responses) {
		/* It has said nothing, or what nobody saw. */
		answers->answers = 0;
		answers->whole = tp->write_seq == tp->snd_una - (u32)tp->bytes_acked;
		answers->http_answering = answers->whole ? HTTP_ANSWERING_READ : HTTP_ANSWERING_LOST;
		return;
	}
	answers->answers = responses->answers;
	answers->http_answering = responses->http_answering;
	answers->whole = responses->http_answering == HTTP_ANSWERING_READ && responses->next == tp->write_seq &&
			 http_frames_between(&responses->frames);
}

enum http_turn {
	HTTP_TURN_NOW,		/* all requests were answered, and the client has all answers */
	HTTP_TURN_LATER,
	HTTP_TURN_NEVER,	/* it cannot be told */
};

/* Whether an answer of ours may follow: `requests` were let by, and the client has acknowledged that much. */
static __always_inline u32 http_turn(const struct http_answers *answers, u32 requests, u32 acknowledged)
{
	u32 waiting = requests - answers->answers;

	if (answers->http_answering == HTTP_ANSWERING_LOST || answers->http_answering == HTTP_ANSWERING_SWITCHED ||
	    waiting > HTTP_REQUESTS_WAITING)
		return HTTP_TURN_NEVER;
	return !waiting && answers->whole && acknowledged == answers->end ? HTTP_TURN_NOW : HTTP_TURN_LATER;
}

/* What became of an upgrade that was the last of `requests`. False if that is not known yet. */
static __always_inline bool http_is_answered(const struct http_answers *answers, u32 requests)
{
	return answers->http_answering != HTTP_ANSWERING_READ || requests == answers->answers;
}

#endif
