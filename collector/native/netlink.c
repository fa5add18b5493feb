// SPDX-License-Identifier: Apache-2.0
/*
 * One question to rtnetlink, and all of its answer, in the network namespace of the calling thread. What question and answer
 * mean is known to who asks.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "addon.h"

/* A kernel puts no more than 32 KiB of a list into one datagram. */
#define DATAGRAM_BYTES (64 * 1024)
#define ANSWER_BYTES (64 * 1024 * 1024)
#define PATIENCE_S 5

struct answer {
	uint8_t *data;
	size_t length;
};

static bool append(struct answer *answer, const void *message, size_t length)
{
	uint8_t *data = answer->length + length > ANSWER_BYTES ? NULL : realloc(answer->data, answer->length + length);

	if (data == NULL)
		return false;
	memcpy(data + answer->length, message, length);
	answer->data = data;
	answer->length += length;
	return true;
}

/* Takes a datagram's messages. Returns 1 when there are more to come, 0 at their end, or minus an errno. */
static int take(struct answer *answer, const uint8_t *datagram, size_t length, uint32_t sequence, bool is_list)
{
	const struct nlmsghdr *message = (const void *)datagram;

	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		if (message->nlmsg_seq != sequence)
			continue;
		/* Either may say that it failed. */
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
			return message->nlmsg_len < NLMSG_LENGTH(sizeof(int)) ? -EPROTO : *(const int *)NLMSG_DATA(message);
		if (!append(answer, message, NLMSG_ALIGN(message->nlmsg_len)))
			return -ENOMEM;
		if (!is_list)
			return 0;
	}
	return 1;
}

static int receive(int descriptor, struct answer *answer, uint32_t sequence, bool is_list)
{
	uint8_t *datagram = malloc(DATAGRAM_BYTES);
	int more = datagram == NULL ? -ENOMEM : 1;

	while (more > 0) {
		const ssize_t length = recv(descriptor, datagram, DATAGRAM_BYTES, MSG_TRUNC);

		if (length < 0)
			more = -errno;
		else
			more = length > DATAGRAM_BYTES ? -EMSGSIZE : take(answer, datagram, (size_t)length, sequence, is_list);
	}
	free(datagram);
	return more;
}

static int ask(const struct bytes *question, struct answer *answer)
{
	const struct nlmsghdr *head = (const void *)question->data;
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int on = 1;
	int error = 0;

	if (descriptor < 0)
		return -errno;
	/* Questions are looked at as strictly as answers, where the kernel can (4.20). */
	setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(descriptor, (struct sockaddr *)&kernel, sizeof(kernel)) != 0 ||
	    send(descriptor, question->data, question->length, 0) < 0)
		error = -errno;
	if (error == 0)
		error = receive(descriptor, answer, head->nlmsg_seq, (head->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
	close(descriptor);
	return error;
}

METHOD(ask_routing)
{
	struct answer answer = { 0 };
	struct bytes question;
	napi_value argv[1], result;
	size_t argc = 1;
	int error;

	log_reset();
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || !read_bytes(env, argv[0], "question", &question))
		return NULL;
	if (question.length < NLMSG_HDRLEN)
		return throw_native(env, NATIVE_ARGUMENT, 0, "a question has %zu bytes, it needs a head of %d", question.length,
				    (int)NLMSG_HDRLEN);
	error = ask(&question, &answer);
	result = error == 0 ? make_buffer(env, answer.data, answer.length) :
			      throw_native(env, NATIVE_NETLINK, error, "rtnetlink does not answer");
	free(answer.data);
	return result;
}
