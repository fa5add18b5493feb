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
	_Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
};

/*
 * Asks for the entry that has `asked` in a direction. Returns 1, its other direction in *other, which holds until the next
 * question; 0 if there is none; or minus an errno.
 */
static int ask(struct conntrack_handle *conntrack, uint8_t protocol, uint16_t direction, const struct tuple *asked,
	       struct tuple *other)
{
	const struct nlmsghdr *answer = (const void *)conntrack->answer;
	struct question question;

	write_question(&question, ++conntrack->sequence, protocol, direction, asked);
	if (send(conntrack->descriptor, &question, question.head.nlmsg_len, 0) < 0)
		return -errno;
	for (int i = 0; i <= STALE_ANSWERS; i++) {
		const ssize_t length = recv(conntrack->descriptor, conntrack->answer, ANSWER_BYTES, MSG_DONTWAIT);

		if (length < 0)
			return -errno;
		if ((size_t)length < sizeof(*answer) || answer->nlmsg_len > (size_t)length || answer->nlmsg_len < sizeof(*answer))
			return -EPROTO;
		if (answer->nlmsg_seq == conntrack->sequence)
			return read_answer(answer, direction, asked, other);
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
	struct tuple other;
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
	error = ask(conntrack, IPPROTO_TCP, CTA_TUPLE_ORIG, &tuple, &other);
	if (error >= 0)
		return result;
	handle_close(&conntrack->handle);
	return throw_native(env, NATIVE_CONNTRACK, error, "cannot ask connection tracking");
}

/* `size` bytes at an offset of the arena; NULL with an exception pending if they are not within it. */
static uint8_t *bytes_at(napi_env env, const struct bytes *arena, napi_value value, const char *what, size_t size)
{
	uint32_t offset;

	if (!read_u32(env, value, what, &offset))
		return NULL;
	if (offset <= arena->length && arena->length - offset >= size)
		return arena->data + offset;
	throw_native(env, NATIVE_ARGUMENT, 0, "%s %u leaves no %zu bytes of %zu", what, offset, size, arena->length);
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

static const uint8_t mapped[IPV6_BYTES - IPV4_BYTES] = { [10] = 0xff, [11] = 0xff };

static void write_address(uint8_t *out, const uint8_t *address, size_t size)
{
	if (size == IPV4_BYTES)
		memcpy(out, mapped, sizeof(mapped));
	memcpy(out + IPV6_BYTES - size, address, size);
}

static bool is_same(const uint8_t *address, uint16_t port, const uint8_t *other, uint16_t other_port, size_t size)
{
	return port == other_port && memcmp(address, other, size) == 0;
}

/* A method's arguments: protocol, arena, offset and port of both ends, offset of what is written. */
struct call {
	struct conntrack_handle *conntrack;
	uint8_t protocol;
	struct tuple asked;
	uint8_t *out;
};

static bool read_call(napi_env env, napi_callback_info info, size_t out_size, struct call *call)
{
	uint32_t protocol, source_port, destination_port;
	const uint8_t *source, *destination;
	size_t skipped = 0;
	struct bytes arena;
	napi_value argv[7];

	call->conntrack = method_begin(env, info, HANDLE_CONNTRACK, 7, argv);
	if (call->conntrack == NULL || !read_below(env, argv[0], "protocol", 256, &protocol) ||
	    !read_bytes(env, argv[1], "arena", &arena) ||
	    (source = bytes_at(env, &arena, argv[2], "first address offset", IPV6_BYTES)) == NULL ||
	    !read_below(env, argv[3], "first port", 65536, &source_port) ||
	    (destination = bytes_at(env, &arena, argv[4], "second address offset", IPV6_BYTES)) == NULL ||
	    !read_below(env, argv[5], "second port", 65536, &destination_port) ||
	    (call->out = bytes_at(env, &arena, argv[6], "out offset", out_size)) == NULL)
		return false;
	if (memcmp(source, mapped, sizeof(mapped)) == 0 && memcmp(destination, mapped, sizeof(mapped)) == 0)
		skipped = sizeof(mapped);
	call->protocol = (uint8_t)protocol;
	call->asked = (struct tuple){ source + skipped, destination + skipped, IPV6_BYTES - skipped,
				      (uint16_t)source_port, (uint16_t)destination_port };
	return true;
}

/* An integer, because V8 puts a double on its heap. */
static napi_value make_integer(napi_env env, int number)
{
	napi_value value = NULL;

	napi_create_int32(env, number, &value);
	return value;
}

METHOD(conntrack_find)
{
	struct tuple back;
	struct call call;
	int answer;

	if (!read_call(env, info, IPV6_BYTES, &call))
		return NULL;
	answer = ask(call.conntrack, call.protocol, CTA_TUPLE_ORIG, &call.asked, &back);
	if (answer <= 0 || is_same(back.source, back.source_port, call.asked.destination, call.asked.destination_port,
				   back.size))
		return make_integer(env, answer < 0 ? answer : 0);
	write_address(call.out, back.source, back.size);
	return make_integer(env, back.source_port);
}

METHOD(conntrack_find_original)
{
	struct tuple there;
	struct call call;
	int answer;

	if (!read_call(env, info, 2 * (IPV6_BYTES + sizeof(uint16_t)), &call))
		return NULL;
	answer = ask(call.conntrack, call.protocol, CTA_TUPLE_REPLY, &call.asked, &there);
	if (answer <= 0 || (is_same(there.source, there.source_port, call.asked.destination, call.asked.destination_port,
				    there.size) &&
			    is_same(there.destination, there.destination_port, call.asked.source, call.asked.source_port,
				    there.size)))
		return make_integer(env, answer < 0 ? answer : 0);
	write_address(call.out, there.source, there.size);
	write_address(call.out + IPV6_BYTES, there.destination, there.size);
	memcpy(call.out + 2 * IPV6_BYTES, &there.source_port, sizeof(uint16_t));
	memcpy(call.out + 2 * IPV6_BYTES + sizeof(uint16_t), &there.destination_port, sizeof(uint16_t));
	return make_integer(env, 1);
}
