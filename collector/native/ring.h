/* SPDX-License-Identifier: Apache-2.0 */
/* What ring.c and ring_poll.c share. */
#ifndef FLOWSPAN_NATIVE_RING_H
#define FLOWSPAN_NATIVE_RING_H

#include "addon.h"

struct ring_poll;

struct ring {
	struct handle handle;
	int descriptor;			/* our own duplicate: the ring outlives its object's descriptor */
	size_t size;			/* bytes of data, a power of two */
	size_t page_size;
	unsigned long *consumer;	/* position we write */
	const unsigned long *producer;	/* position the kernel writes; its page comes before the data */
	const uint8_t *data;		/* mapped once: a record may go on at the beginning */
	uint64_t malformed;
	struct ring_poll *poll;
};

/* Stops watching for good and gives the callback back; safe to call when nothing is watched. */
void ring_poll_close(struct ring *ring);

#endif
