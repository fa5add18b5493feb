/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* An input as two streams, and ways in which a network delivers them. */
#ifndef FLOWSPAN_FUZZ_EXCHANGE_H
#define FLOWSPAN_FUZZ_EXCHANGE_H

#include "connection.h"

/* Stands between requests and responses of an input; without it there are no responses. */
#define SEPARATOR "\n@@@@@@@@\n"
#define SEPARATOR_BYTES (sizeof(SEPARATOR) - 1)
#define SEGMENTS_MAX 16384
/* Places by which a segment comes late at most: what waits then fits what the parser keeps. */
#define LATE_MAX 6

struct exchange {
	struct bytes streams[2];
	u32 seed;
};

struct segment {
	u32 at, length, place;
};

static struct segment segments[SEGMENTS_MAX];

/* Pseudo-random number below `below` (xorshift). */
static u32 chance(u32 *seed, u32 below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

static struct exchange exchange_of(const u8 *data, size_t length)
{
	struct exchange exchange = {.streams = {{data, length}, {data + length, 0}}, .seed = 2166136261u};

	for (size_t i = 0; i < length; i++)
		exchange.seed = (exchange.seed ^ data[i]) * 16777619u;
	exchange.seed |= 1;
	for (size_t i = 0; i + SEPARATOR_BYTES <= length; i++) {
		if (memcmp(data + i, SEPARATOR, SEPARATOR_BYTES))
			continue;
		exchange.streams[HTTP_REQUEST].length = i;
		exchange.streams[HTTP_RESPONSE] =
			(struct bytes){data + i + SEPARATOR_BYTES, length - i - SEPARATOR_BYTES};
		break;
	}
	return exchange;
}

/* Cuts a stream: 0 whole, 1 anywhere, 2 into bytes. Returns how many segments. */
static u32 cut(struct bytes stream, int how, u32 *seed)
{
	u32 count = 0;

	for (size_t at = 0; at < stream.length && count < SEGMENTS_MAX / 2;) {
		size_t most = stream.length - at, length = most;

		if (how == 2)
			length = 1;
		else if (how == 1)
			length = 1 + chance(seed, chance(seed, 3) ? 40 : 1448);
		if (length > most)
			length = most;
		if (length > PAYLOAD_MAX)
			length = PAYLOAD_MAX;
		segments[count] = (struct segment){at, length, count};
		at += length;
		count++;
	}
	return count;
}

static int by_place(const void *a, const void *b)
{
	const struct segment *one = a, *other = b;

	if (one->place != other->place)
		return one->place < other->place ? -1 : 1;
	return one->at < other->at ? -1 : one->at > other->at;
}

/* Delays some segments, and sends some twice. */
static u32 disorder(u32 count, u32 *seed)
{
	u32 more = count;

	for (u32 i = 0; i < count; i++) {
		if (chance(seed, 10) == 0) {
			segments[more] = segments[i];
			segments[more++].place += chance(seed, LATE_MAX + 1);
		}
		if (chance(seed, 4) == 0)
			segments[i].place += chance(seed, LATE_MAX + 1);
	}
	qsort(segments, more, sizeof(*segments), by_place);
	return more;
}

/* Sends one stream. Returns the first enum application_protocol that the parser named. */
static u32 send_stream(struct bytes stream, u32 direction, u32 count, bool ingress, bool in_order)
{
	u8 *arrived = calloc(1, stream.length + 1);
	u32 accepted = 0, protocol = 0;

	for (u32 i = 0; i < count; i++) {
		struct segment segment = segments[i];
		u32 told = tell_payload(direction, ingress, segment.at, in_order ? segment.at : accepted,
					(struct bytes){stream.at + segment.at, segment.length});

		if (!protocol)
			protocol = told;
		memset(arrived + segment.at, 1, segment.length);
		while (arrived[accepted])
			accepted++;
	}
	/* Our own acknowledgement goes out, and shows what TCP has. */
	if (!in_order)
		tell_payload(direction, ingress, accepted, accepted, nothing);
	free(arrived);
	return protocol;
}

/*
 * Sends both streams and closes. `received`: enum http_direction of the stream that a network delivers late and twice;
 * -1: none. Returns as send_stream().
 */
static u32 play(const struct exchange *exchange, int how, int received)
{
	u32 seed = exchange->seed, protocol = 0;

	begin_connection();
	for (u32 direction = 0; direction < 2; direction++) {
		bool late = (int)direction == received;
		u32 count = cut(exchange->streams[direction], how, &seed), told;

		if (late)
			count = disorder(count, &seed);
		told = send_stream(exchange->streams[direction], direction, count,
				   received < 0 ? direction == HTTP_REQUEST : late, !late);
		if (!protocol)
			protocol = told;
	}
	close_connection();
	check_records(exchange->streams[HTTP_REQUEST]);
	return protocol;
}

#endif
