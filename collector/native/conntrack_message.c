// SPDX-License-Identifier: Apache-2.0
/* Writing a question to connection tracking, reading its answer; nothing of an answer is believed unchecked. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "conntrack_message.h"

#define MESSAGE(type) (NFNL_SUBSYS_CTNETLINK << 8 | (type))

static struct nlattr *append(struct question *question, uint16_t type, const void *data, size_t length)
{
	struct nlattr *attribute = (void *)((uint8_t *)question + question->head.nlmsg_len);

	attribute->nla_type = type;
	attribute->nla_len = (uint16_t)(NLA_HDRLEN + length);
	if (length > 0)
		memcpy((uint8_t *)attribute + NLA_HDRLEN, data, length);
	question->head.nlmsg_len += NLA_ALIGN(attribute->nla_len);
	return attribute;
}

static void nest_end(const struct question *question, struct nlattr *nest)
{
	nest->nla_len = (uint16_t)((const uint8_t *)question + question->head.nlmsg_len - (uint8_t *)nest);
}

static void append_port(struct question *question, uint16_t type, uint16_t port)
{
	const uint16_t in_network_order = htons(port);

	append(question, type, &in_network_order, sizeof(in_network_order));
}

void write_question(struct question *question, uint32_t sequence, uint8_t protocol, uint16_t direction,
		    const struct tuple *tuple)
{
	const bool is_ipv4 = tuple->size == IPV4_BYTES;
	struct nlattr *whole, *part;

	memset(question, 0, sizeof(*question));
	question->head.nlmsg_len = NLMSG_HDRLEN + sizeof(question->about);
	question->head.nlmsg_type = MESSAGE(IPCTNL_MSG_CT_GET);
	question->head.nlmsg_flags = NLM_F_REQUEST;
	question->head.nlmsg_seq = sequence;
	question->about.nfgen_family = is_ipv4 ? AF_INET : AF_INET6;
	question->about.version = NFNETLINK_V0;
	whole = append(question, direction | NLA_F_NESTED, NULL, 0);
	part = append(question, CTA_TUPLE_IP | NLA_F_NESTED, NULL, 0);
	append(question, is_ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, tuple->source, tuple->size);
	append(question, is_ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, tuple->destination, tuple->size);
	nest_end(question, part);
	part = append(question, CTA_TUPLE_PROTO | NLA_F_NESTED, NULL, 0);
	append(question, CTA_PROTO_NUM, &protocol, sizeof(protocol));
	append_port(question, CTA_PROTO_SRC_PORT, tuple->source_port);
	append_port(question, CTA_PROTO_DST_PORT, tuple->destination_port);
	nest_end(question, part);
	nest_end(question, whole);
}

/* The attribute `type` among `length` bytes of attributes, with at least `size` bytes of payload; NULL if there is none. */
static const struct nlattr *attribute_of(const uint8_t *data, size_t length, uint16_t type, size_t size)
{
	while (length >= (size_t)NLA_HDRLEN) {
		const struct nlattr *attribute = (const void *)data;
		const size_t whole = NLA_ALIGN(attribute->nla_len);

		if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > length)
			return NULL;
		if ((attribute->nla_type & NLA_TYPE_MASK) == type)
			return attribute->nla_len >= NLA_HDRLEN + size ? attribute : NULL;
		if (whole >= length)
			return NULL;
		data += whole;
		length -= whole;
	}
	return NULL;
}

static const uint8_t *payload(const struct nlattr *attribute)
{
	return (const uint8_t *)attribute + NLA_HDRLEN;
}

static const struct nlattr *within(const struct nlattr *nest, uint16_t type, size_t size)
{
	return nest == NULL ? NULL : attribute_of(payload(nest), nest->nla_len - NLA_HDRLEN, type, size);
}

static uint16_t port_of(const struct nlattr *attribute)
{
	uint16_t in_network_order;

	memcpy(&in_network_order, payload(attribute), sizeof(in_network_order));
	return ntohs(in_network_order);
}

static bool read_tuple(const struct nlattr *nest, size_t size, struct tuple *tuple)
{
	const struct nlattr *addresses = within(nest, CTA_TUPLE_IP, 0), *ports = within(nest, CTA_TUPLE_PROTO, 0);
	const struct nlattr *source = within(addresses, size == IPV4_BYTES ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, size);
	const struct nlattr *destination = within(addresses, size == IPV4_BYTES ? CTA_IP_V4_DST : CTA_IP_V6_DST, size);
	const struct nlattr *source_port = within(ports, CTA_PROTO_SRC_PORT, sizeof(uint16_t));
	const struct nlattr *destination_port = within(ports, CTA_PROTO_DST_PORT, sizeof(uint16_t));

	if (source == NULL || destination == NULL || source_port == NULL || destination_port == NULL)
		return false;
	*tuple = (struct tuple){ payload(source), payload(destination), size, port_of(source_port), port_of(destination_port) };
	return true;
}

static bool same(const struct tuple *one, const struct tuple *other)
{
	return one->source_port == other->source_port && one->destination_port == other->destination_port &&
	       memcmp(one->source, other->source, one->size) == 0 &&
	       memcmp(one->destination, other->destination, one->size) == 0;
}

int read_answer(const struct nlmsghdr *answer, uint16_t direction, const struct tuple *asked, struct tuple *other)
{
	const uint8_t *attributes = (const uint8_t *)NLMSG_DATA(answer) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	const uint16_t opposite = direction == CTA_TUPLE_ORIG ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG;
	const size_t head = NLMSG_SPACE(sizeof(struct nfgenmsg));
	struct tuple found;

	if (answer->nlmsg_type == NLMSG_ERROR && answer->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
		const int error = ((const struct nlmsgerr *)NLMSG_DATA(answer))->error;

		return error == -ENOENT ? 0 : error < 0 ? error : -EPROTO;
	}
	if (answer->nlmsg_type != MESSAGE(IPCTNL_MSG_CT_NEW) || answer->nlmsg_len < head)
		return -EPROTO;
	if (!read_tuple(attribute_of(attributes, answer->nlmsg_len - head, direction, 0), asked->size, &found) ||
	    !read_tuple(attribute_of(attributes, answer->nlmsg_len - head, opposite, 0), asked->size, other))
		return -EPROTO;
	/* The kernel looks in both directions: an entry that has the tuple in the other one is another connection. */
	return same(&found, asked);
}
