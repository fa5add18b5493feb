/* SPDX-License-Identifier: Apache-2.0 */
/* The netlink messages of connection tracking (linux/netfilter/nfnetlink_conntrack.h). */
#ifndef FLOWSPAN_NATIVE_CONNTRACK_MESSAGE_H
#define FLOWSPAN_NATIVE_CONNTRACK_MESSAGE_H

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#define IPV4_BYTES 4
#define IPV6_BYTES 16

/* One direction of an entry; addresses as `size` bytes (one of the two above) in network order. */
struct tuple {
	const uint8_t *source;
	const uint8_t *destination;
	size_t size;
	uint16_t source_port;
	uint16_t destination_port;
};

struct question {
	struct nlmsghdr head;
	struct nfgenmsg about;
	/* A tuple of IPv6: three nests, two addresses, protocol and ports. */
	uint8_t attributes[3 * 4 + 2 * (4 + IPV6_BYTES) + 3 * 8];
};

/* The question for the entry that has `tuple` in a direction: CTA_TUPLE_ORIG, or CTA_TUPLE_REPLY, the way back. */
void write_question(struct question *question, uint32_t sequence, uint8_t protocol, uint16_t direction,
		    const struct tuple *tuple);
/*
 * Reads the answer to it. Returns 1, the entry's other direction in *other, which points into the answer; 0 if there is no
 * such entry; minus an errno if the answer says neither.
 */
int read_answer(const struct nlmsghdr *answer, uint16_t direction, const struct tuple *asked, struct tuple *other);

#endif
