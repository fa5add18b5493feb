/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Writing requests out. A request stays until TCP has what ends it (the peer's acknowledgement of the response's last
 * byte at the server, its acceptance at the client), so that a lost tail is told with the request that it delayed.
 */
#ifndef FLOWSPAN_HTTP_RELEASE_BPF_H
#define FLOWSPAN_HTTP_RELEASE_BPF_H

#include "http_header.bpf.h"
#include "http_request.bpf.h"
#include "tcp_counters.bpf.h"
#include "throttle.bpf.h"

static __always_inline void read_evidence(const struct tcp_sock *tp, const struct socket_state *state,
					  struct http_evidence *evidence, u64 now)
{
	u32 busy;

	read_chrono(tp, &busy, &evidence->rwnd_limited_jiffies, &evidence->sndbuf_limited_jiffies);
	evidence->zero_window_ns = state->zero_window_ns;
	if (state->zero_window_since_ns)
		evidence->zero_window_ns += now - state->zero_window_since_ns;
	evidence->retransmitted_segments = tp->total_retrans;
	evidence->fast_retransmits = state->fast_retransmits;
	evidence->timeouts = read_timeouts(tp, state);
	evidence->tail_loss_probes = state->tail_loss_probes;
}

static __always_inline void read_facts(const struct tcp_sock *tp, const struct socket_state *state,
				       struct http_facts *facts, u64 now)
{
	facts->now = now;
	read_evidence(tp, state, &facts->end, now);
	facts->rtt_sent_us = tp->rack.mstamp;
	facts->rtt_us = tp->rack.rtt_us;
	facts->srtt_us = tp->srtt_us >> 3;
	facts->tcp_state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
}

/*
 * The latest sample, if its segment is younger than the request; and the sample that the kernel will take from the
 * acknowledgement in hand, by its own rule: none if anything was sent again.
 */
static __always_inline void note_rtt(struct http_connection *connection, const struct http_request *request,
				     const struct http_facts *facts)
{
	u64 last_us = (facts->now - request->response_last_ns) / 1000;

	if (facts->rtt_sent_us > connection->rtt_floor_us && facts->rtt_us > connection->max_rtt_us)
		connection->max_rtt_us = facts->rtt_us;
	if (facts->by_acknowledgement && facts->end.retransmitted_segments == request->begin.retransmitted_segments &&
	    last_us > connection->max_rtt_us)
		connection->max_rtt_us = last_us;
}

static __always_inline u64 since(u64 begin, u64 end)
{
	return end > begin ? end - begin : 0;
}

/* An answer may be over before the request is: then that ends the exchange. */
static __always_inline u64 exchange_end(const struct http_request *request)
{
	u64 request_end = request->request_last_ns, response_end = request->response_last_ns;

	return response_end > request_end ? response_end : request_end;
}

static __always_inline void fill_evidence(struct request_record *record, const struct http_evidence *begin,
					  const struct http_evidence *end)
{
	u32 rwnd_limited = end->rwnd_limited_jiffies - begin->rwnd_limited_jiffies;
	u32 sndbuf_limited = end->sndbuf_limited_jiffies - begin->sndbuf_limited_jiffies;

	record->rwnd_limited_us = rwnd_limited ? jiffies_to_us(rwnd_limited) : 0;
	record->sndbuf_limited_us = sndbuf_limited ? jiffies_to_us(sndbuf_limited) : 0;
	record->zero_window_ns = end->zero_window_ns - begin->zero_window_ns;
	record->bytes_out_of_order = end->out_of_order_bytes - begin->out_of_order_bytes;
	record->retransmitted_segments = end->retransmitted_segments - begin->retransmitted_segments;
	record->fast_retransmits = end->fast_retransmits - begin->fast_retransmits;
	record->timeouts = end->timeouts - begin->timeouts;
	record->tail_loss_probes = end->tail_loss_probes - begin->tail_loss_probes;
}

/* All of the record but its header, its text and its weight. */
static __always_inline void fill_request(struct request_record *record, struct http_connection *connection,
					 const struct http_request *request, const struct socket_state *state,
					 const struct http_facts *facts)
{
	u8 end = request->request_end;
	bool by_close = end == REQUEST_END_CONNECTION_CLOSED || end == REQUEST_END_CONNECTION_RESET ||
			end == REQUEST_END_TIMEOUT;

	__builtin_memcpy(&record->connection, &state->connection, sizeof(record->connection));
	record->connection.tcp_state = facts->tcp_state;
	record->duration_ns = since(request->first_ns, exchange_end(request));
	record->request_sent_ns = since(request->first_ns, request->request_last_ns);
	record->application_read_ns = since(request->first_ns, request->read_ns);
	record->response_start_ns = since(request->first_ns, request->response_first_ns);
	record->request_bytes = request->request_bytes;
	record->response_bytes = request->response_bytes;
	record->request_body_bytes = request->request_body_bytes;
	record->response_body_bytes = request->response_body_bytes;
	fill_evidence(record, &request->begin, &facts->end);
	record->request_sequence = request->request_sequence;
	record->response_sequence = request->response_sequence;
	record->request_index = connection->released;
	note_rtt(connection, request, facts);
	record->srtt_us = facts->srtt_us;
	record->max_rtt_us = connection->max_rtt_us;
	record->http_status_code = request->status_code;
	record->http_version = request->http_version;
	record->request_end = end == REQUEST_END_COMPLETE && request->sight_lost ? REQUEST_END_LOST_SIGHT : end;
	record->close_cause = by_close ? state->close_cause : CLOSE_CAUSE_NONE;
	record->closed_by = by_close ? state->closed_by : CLOSED_BY_NONE;
	record->text_truncated = request->text_truncated;
	record->method_length = request->method_length;
	record->target_length = request->target_length;
	record->host_length = request->host_length;
	record->traceparent_length = request->traceparent_length;
}

/* Whether it went past TCP, on a connection some of whose bytes did. TCP measured nothing of what went past it. */
__noinline int http_tell_redirect(struct request_record *record, u32 past_tcp)
{
	if (!record)
		return 0;
	if (!past_tcp) {
		record->connection.verdict = VERDICT_FORWARDED;
		return 0;
	}
	if (record->connection.verdict == VERDICT_FORWARDED)
		record->connection.verdict = VERDICT_REDIRECTED;
	record->rwnd_limited_us = 0;
	record->sndbuf_limited_us = 0;
	record->zero_window_ns = 0;
	record->bytes_out_of_order = 0;
	record->retransmitted_segments = 0;
	record->fast_retransmits = 0;
	record->timeouts = 0;
	record->tail_loss_probes = 0;
	record->srtt_us = 0;
	record->max_rtt_us = 0;
	return 0;
}

/* Copies one text of the request behind those before it. The limits are constants: the verifier needs them. */
static __always_inline u32 add_text(struct request_record *record, u32 to, u32 to_limit,
				    const struct http_request *request, u32 from, u32 from_limit, u32 bytes, u32 limit)
{
	ONE_REGISTER(to);
	ONE_REGISTER(from);
	ONE_REGISTER(bytes);
	if (to > to_limit || from > from_limit || bytes > limit)
		return to;
	if (bytes > HTTP_SHORT_TEXT)
		bpf_probe_read_kernel(record->text + to, bytes, request->text + from);
	else
		copy_short_text((u8 *)record->text + to, (const u8 *)request->text + from);
	return to + bytes;
}

#define HTTP_START_TEXT_MAX (HTTP_METHOD_MAX + HTTP_TARGET_MAX)

/* Method and target, host, traceparent. Returns where the last one begins. */
static __always_inline u32 fill_text(struct request_record *record, const struct http_request *request)
{
	u32 start = request->method_length + request->target_length, to;

	to = add_text(record, 0, 0, request, 0, 0, start, HTTP_START_TEXT_MAX);
	to = add_text(record, to, HTTP_START_TEXT_MAX, request, request->host_at, HTTP_HOST_AT_MAX,
		      request->host_length, HTTP_HOST_MAX);
	add_text(record, to, HTTP_TRACEPARENT_AT_MAX, request, request->traceparent_at, HTTP_TRACEPARENT_AT_MAX,
		 request->traceparent_length, HTTP_TRACEPARENT_MAX);
	return to;
}

static __always_inline void write_request(struct request_record *record, const struct http_request *request)
{
	u32 traceparent_at = fill_text(record, request), weight, length;
	struct record_counter *counter;

	weight = is_throttling() ? throttled_request_weight(record, traceparent_at) : 1;
	if (!weight)
		return;
	record->sample_weight = weight;
	counter = count_wanted(RECORD_KIND_REQUEST);
	length = offsetof(struct request_record, text) + traceparent_at + request->traceparent_length;
	fill_header(&record->header, RECORD_KIND_REQUEST, length, exchange_end(request));
	ONE_REGISTER(length);
	if (length > sizeof(*record))
		return;
	if (bpf_ringbuf_output(&request_records, record, length, wakeup_flag(&request_records, length)) && counter)
		__sync_fetch_and_add(&counter->lost_ring_full, 1);
}

/* The answer's last byte had come before others: only now it is whole, or it never will be. */
static __always_inline void end_late_response(struct http_request *request, const struct http_facts *facts)
{
	request->response_last_ns = facts->now;
	if (before(facts->confirmed, request->response_end))
		request->request_end = facts->request_end;
}

/* Writes out the oldest request. 1 if there is none, or it has to wait. */
__noinline int http_release_oldest(struct http_connection *connection, struct socket_state *state,
				   struct http_work *work)
{
	const struct http_facts *facts;
	struct http_request *request;

	if (!connection || !state || !work || connection->released == connection->answered)
		return 1;
	facts = &work->facts;
	request = request_at(connection, connection->released);
	if (request) {
		if (!facts->everything &&
		    (!request->request_over || before(facts->confirmed, request->response_end)))
			return 1;
		if (request->response_late)
			end_late_response(request, facts);
		if (request->start_line_read) {
			fill_request(&work->record, connection, request, state, facts);
			if (request->past_tcp || work->record.connection.verdict == VERDICT_REDIRECTED)
				http_tell_redirect(&work->record, request->past_tcp);
			write_request(&work->record, request);
		}
		free_request(connection, connection->released);
	}
	connection->released++;
	return 0;
}

struct http_release {
	struct http_connection *connection;
	struct socket_state *state;
	struct http_work *work;
};

static long release_oldest(u32 index, struct http_release *release)
{
	int wait = http_release_oldest(release->connection, release->state, release->work);

	ONE_REGISTER(wait); /* the verifier does not know what the compiler does: it is 0 or 1 */
	return wait != 0;
}

static __always_inline bool has_answers(const struct http_connection *connection)
{
	return connection->released != connection->answered;
}

/* Caller owns `releasing` and has filled the facts. */
static __always_inline void release_by_facts(struct http_connection *connection, struct socket_state *state,
					     struct http_work *work)
{
	struct http_release release = {.connection = connection, .state = state, .work = work};

	work->facts.end.out_of_order_bytes = connection->out_of_order_bytes;
	if (!http_release_oldest(connection, state, work) && has_answers(connection))
		bpf_loop(HTTP_PIPELINE_MAX, release_oldest, &release, 0);
}

/*
 * Writes out what is answered and safe. Whoever finds it busy leaves: what the owner does not see any more is taken
 * with the next packet, or at the end.
 */
static __always_inline void release_safe(struct http_connection *connection, struct socket_state *state,
					 const struct tcp_sock *tp, u32 confirmed, bool by_acknowledgement, u64 now)
{
	struct http_work *work;

	if (!has_answers(connection) || !try_lock(&connection->releasing))
		return;
	work = take_work();
	if (work) {
		read_facts(tp, state, &work->facts, now);
		work->facts.confirmed = confirmed;
		work->facts.by_acknowledgement = by_acknowledgement;
		work->facts.everything = 0;
		release_by_facts(connection, state, work);
		unlock(&work->busy);
	}
	unlock(&connection->releasing);
}

/* Writes out all that is answered: nothing more can happen to it. */
static __always_inline void release_all(struct http_connection *connection, struct socket_state *state,
					const struct tcp_sock *tp, u32 confirmed, u8 request_end, u64 now)
{
	struct http_work *work;

	if (!has_answers(connection) || !wait_lock(&connection->releasing))
		return;
	work = take_work();
	if (work) {
		read_facts(tp, state, &work->facts, now);
		work->facts.confirmed = confirmed;
		work->facts.request_end = request_end;
		work->facts.by_acknowledgement = 0;
		work->facts.everything = 1;
		release_by_facts(connection, state, work);
		unlock(&work->busy);
	} else {
		count_discard(DISCARD_REASON_HTTP_STORAGE);
	}
	unlock(&connection->releasing);
}

#endif
