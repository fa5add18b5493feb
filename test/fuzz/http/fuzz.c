/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's HTTP parser under libFuzzer: whatever the bytes, it reads nothing beyond them, keeps what it keeps
 * bounded, writes records that fit, and says the same of the same bytes however they are split, delayed and repeated.
 */
#include "exchange.h"

struct row {
	u32 length;
	struct request_record record;
};

#define ROWS_MAX 512
static struct row expected[ROWS_MAX];

/* What may differ between two deliveries of the same bytes. */
static struct row comparable(size_t index)
{
	struct row row = {.length = shim_records[index].length};

	memcpy(&row.record, shim_records[index].bytes, row.length);
	row.record.bytes_out_of_order = 0;
	return row;
}

static void say_difference(const char *how, size_t index)
{
	fprintf(stderr, "FUZZ: %s: record %zu of %zu differs from the one of the bytes in one piece\n", how, index,
		shim_record_count);
	abort();
}

static void compare(const char *how, size_t count, u32 protocol, u32 expected_protocol)
{
	if (protocol != expected_protocol || shim_record_count != count)
		say_difference(how, shim_record_count);
	for (size_t i = 0; i < count && i < ROWS_MAX; i++) {
		struct row row = comparable(i);

		if (memcmp(&row, &expected[i], sizeof(row)))
			say_difference(how, i);
	}
}

/* Segments of anything anywhere, TCP saying anything: only what is kept and written must hold. */
static void play_hostile(const struct exchange *exchange)
{
	u32 seed = exchange->seed;

	begin_connection();
	for (u32 i = 0; i < 24; i++) {
		struct bytes stream = exchange->streams[chance(&seed, 2)];
		u32 at = chance(&seed, stream.length + 1), length = chance(&seed, stream.length - at + 1);
		u32 sequence = chance(&seed, 3) ? at : chance(&seed, 4096), direction = chance(&seed, 2);
		u32 accepted = chance(&seed, 2) ? sequence : chance(&seed, 4096);

		tell_payload(direction, chance(&seed, 2), sequence, accepted, (struct bytes){stream.at + at, length});
	}
	close_connection();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t length)
{
	struct exchange exchange = exchange_of(data, length);
	u32 protocol = play(&exchange, 0, -1);
	size_t count = shim_record_count;

	for (size_t i = 0; i < count && i < ROWS_MAX; i++)
		expected[i] = comparable(i);
	compare("cut anywhere", count, play(&exchange, 1, -1), protocol);
	if (length <= 512)
		compare("byte by byte", count, play(&exchange, 2, -1), protocol);
	compare("requests late and twice", count, play(&exchange, 1, HTTP_REQUEST), protocol);
	compare("responses late and twice", count, play(&exchange, 1, HTTP_RESPONSE), protocol);
	play_hostile(&exchange);
	return 0;
}
