// SPDX-License-Identifier: Apache-2.0
/*
 * Where the kernel's connection tracking has translated a connection's destination to: one netlink question and answer
 * per call, in the network namespace of the thread that opened the handle. Entries of the default zone only.
 *
 * The kernel answers within the call that sends the question (netlink_unicast() runs the receiver), so that the answer
 * is there when send() returns: receiving never waits.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addon.h"
#include "conntrack_message.h"

/* An entry is some 300 bytes; labels, counters and a security context may come with it. */
#define ANSWER_BYTES 4096
/* Answers to questions before ours that may be met: there are none unless a send failed after the kernel had answered. */
#define STALE_ANSWERS 8

struct conntrack_handle {
	struct handle handle;
	int descriptor;
	uint32_t sequence;
};

/* Asks for a connection and writes its backend's address to `out`, v4-mapped; returns its port, 0 or minus an errno. */
static int ask(struct conntrack_handle *conntrack, uint8_t protocol, const struct tuple *asked, uint8_t *out)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[ANSWER_BYTES];
	const struct nlmsghdr *answer = (const void *)buffer;
	const uint8_t *address = NULL;
	struct question question;
	int port;

	write_question(&question, ++conntrack->sequence, protocol, asked);
	if (send(conntrack->descriptor, &question, question.head.nlmsg_len, 0) < 0)
		return -errno;
	for (int i = 0; i <= STALE_ANSWERS; i++) {
		const ssize_t length = recv(conntrack->descriptor, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (length < 0)
			return -errno;
		if ((size_t)length < sizeof(*answer) || answer->nlmsg_len > (size_t)length || answer->nlmsg_len < sizeof(*answer))
			return -EPROTO;
		if (answer->nlmsg_seq != conntrack->sequence)
			continue;
		port = read_answer(answer, asked, &address);
		if (port > 0) {
			memset(out, 0, IPV6_BYTES);
			if (asked->size == IPV4_BYTES)
				memset(out + IPV6_BYTES - IPV4_BYTES - 2, 0xff, 2);
			memcpy(out + IPV6_BYTES - asked->size, address, asked->size);
		}
		return port;
	}
	return -EPROTO;
}

static void conntrack_release(struct handle *handle)
{
	close(((struct conntrack_handle *)handle)->descriptor);
}

METHOD(open_conntrack)
{
	static const uint8_t nowhere[IPV4_BYTES];
	const struct tuple tuple = { nowhere, nowhere, sizeof(nowhere), 0, 0 };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct conntrack_handle *conntrack;
	uint8_t out[IPV6_BYTES];
	napi_value result;
	int descriptor, error;

	(void)info;
	log_reset();
	descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (descriptor < 0)
		return throw_native(env, NATIVE_CONNTRACK, errno, "this kernel has no netfilter netlink");
	if (connect(descriptor, (struct sockaddr *)&kernel, sizeof(kernel)) != 0) {
		error = errno;
		close(descriptor);
		return throw_native(env, NATIVE_CONNTRACK, error, "cannot connect to netfilter");
	}
	conntrack = handle_create(env, HANDLE_CONNTRACK, sizeof(*conntrack), NULL, conntrack_release, &result);
	if (conntrack == NULL) {
		close(descriptor);
		return NULL;
	}
	conntrack->descriptor = descriptor;
	/* The kernel loads its module at the first question, and says only there whether it has it and whether we may ask. */
	error = ask(conntrack, IPPROTO_TCP, &tuple, out);
	if (error >= 0)
		return result;
	handle_close(&conntrack->handle);
	return throw_native(env, NATIVE_CONNTRACK, error, "cannot ask connection tracking");
}

/* The 16 bytes of an address at an offset of the arena; NULL with an exception pending if they are not within it. */
static uint8_t *address_at(napi_env env, const struct bytes *arena, napi_value value, const char *what)
{
	uint32_t offset;

	if (!read_u32(env, value, what, &offset))
		return NULL;
	if (offset <= arena->length && arena->length - offset >= IPV6_BYTES)
		return arena->data + offset;
	throw_native(env, NATIVE_ARGUMENT, 0, "%s %u leaves no %d bytes of %zu", what, offset, IPV6_BYTES, arena->length);
	return NULL;
}

static bool read_below(napi_env env, napi_value value, const char *what, uint32_t limit, uint32_t *number)
{
	if (!read_u32(env, value, what, number))
		return false;
	if (*number >= limit)
		throw_native(env, NATIVE_ARGUMENT, 0, "%s must be below %u", what, limit);
	return *number < limit;
}

METHOD(conntrack_find)
{
	static const uint8_t mapped[IPV6_BYTES - IPV4_BYTES] = { [10] = 0xff, [11] = 0xff };
	napi_value argv[7], result;
	struct conntrack_handle *conntrack = method_begin(env, info, HANDLE_CONNTRACK, 7, argv);
	uint32_t protocol, source_port, destination_port;
	uint8_t *source, *destination, *out;
	size_t skipped = 0;
	struct bytes arena;
	int port;

	if (conntrack == NULL || !read_below(env, argv[0], "protocol", 256, &protocol) ||
	    !read_bytes(env, argv[1], "arena", &arena) ||
	    (source = address_at(env, &arena, argv[2], "source address offset")) == NULL ||
	    !read_below(env, argv[3], "source port", 65536, &source_port) ||
	    (destination = address_at(env, &arena, argv[4], "destination address offset")) == NULL ||
	    !read_below(env, argv[5], "destination port", 65536, &destination_port) ||
	    (out = address_at(env, &arena, argv[6], "out offset")) == NULL)
		return NULL;
	if (memcmp(source, mapped, sizeof(mapped)) == 0 && memcmp(destination, mapped, sizeof(mapped)) == 0)
		skipped = sizeof(mapped);
	port = ask(conntrack, (uint8_t)protocol,
		   &(struct tuple){ source + skipped, destination + skipped, IPV6_BYTES - skipped, (uint16_t)source_port,
				    (uint16_t)destination_port },
		   out);
	/* An integer, because V8 puts a double on its heap. */
	return napi_create_int32(env, port, &result) == napi_ok ? result : NULL;
}
