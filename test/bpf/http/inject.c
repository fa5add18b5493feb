/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that, beside its own request, puts a forged copy on the wire that the server's TCP must refuse:
 *   inject DEVICE SERVER PORT KIND
 * KIND: checksum (damaged), window (far ahead), acknowledgement (of bytes never sent), timestamp (too old), none, or
 * listener (data for a connection that does not exist). The forged request asks for /forged/KIND, its own for
 * /own/KIND and then /second/KIND. Run as root in a network namespace whose DEVICE leads to SERVER.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define FRAME_MAX 2048
#define FAR_AHEAD 50000000
#define TIMESTAMP_OPTION 0x0101080a

struct frame {
	unsigned char bytes[FRAME_MAX];
	size_t length;
};

static void fail(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long add_words(const unsigned char *bytes, size_t length, unsigned long sum)
{
	for (size_t i = 0; i < length; i += 2)
		sum += (unsigned long)bytes[i] << 8 | (i + 1 < length ? bytes[i + 1] : 0);
	return sum;
}

static unsigned short fold(unsigned long sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((unsigned short)~sum);
}

static int open_device(const char *device)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct timeval patience = {.tv_sec = 2};
	int raw = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	address.sll_ifindex = (int)if_nametoindex(device);
	if (raw < 0 || bind(raw, (struct sockaddr *)&address, sizeof(address)))
		fail(device);
	setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return raw;
}

/* The last packet of our own handshake: its headers fit what comes next. */
static void catch_handshake(int raw, unsigned short port, struct frame *frame)
{
	for (;;) {
		ssize_t length = recv(raw, frame->bytes, FRAME_MAX, 0);
		struct iphdr *ip = (struct iphdr *)(frame->bytes + ETH_HLEN);
		struct tcphdr *tcp = (struct tcphdr *)(frame->bytes + ETH_HLEN + 20);

		if (length < 0)
			fail("no handshake was seen");
		if (length < ETH_HLEN + 40 || ip->version != 4 || ip->protocol != IPPROTO_TCP ||
		    tcp->source != port || tcp->syn)
			continue;
		frame->length = ETH_HLEN + 20 + (size_t)tcp->doff * 4;
		return;
	}
}

static void send_forged(int raw, struct frame frame, const char *kind)
{
	struct iphdr *ip = (struct iphdr *)(frame.bytes + ETH_HLEN);
	struct tcphdr *tcp = (struct tcphdr *)(frame.bytes + ETH_HLEN + 20);
	uint32_t *options = (uint32_t *)(tcp + 1);
	size_t header = frame.length, segment;
	unsigned long sum;

	/* Longer than what the kernel checks at once. */
	frame.length += (size_t)snprintf((char *)frame.bytes + header, FRAME_MAX - header,
					 "GET /forged/%s HTTP/1.1\r\nHost: forged\r\nX-Pad: %0100d\r\n\r\n", kind, 0);
	segment = frame.length - ETH_HLEN - 20;
	tcp->psh = 1;
	if (!strcmp(kind, "window"))
		tcp->seq = htonl(ntohl(tcp->seq) + FAR_AHEAD);
	if (!strcmp(kind, "acknowledgement"))
		tcp->ack_seq = htonl(ntohl(tcp->ack_seq) + FAR_AHEAD);
	if (!strcmp(kind, "timestamp") && options[0] == htonl(TIMESTAMP_OPTION))
		options[1] = htonl(ntohl(options[1]) - FAR_AHEAD);
	if (!strcmp(kind, "listener"))
		tcp->source = htons(1);
	ip->tot_len = htons((unsigned short)(frame.length - ETH_HLEN));
	ip->check = 0;
	ip->check = fold(add_words((unsigned char *)ip, 20, 0));
	tcp->check = 0;
	sum = add_words((unsigned char *)&ip->saddr, 8, IPPROTO_TCP + segment);
	tcp->check = fold(add_words((unsigned char *)tcp, segment, sum));
	if (!strcmp(kind, "checksum"))
		tcp->check ^= htons(0x0100);
	if (send(raw, frame.bytes, frame.length, 0) < 0)
		fail("send");
	usleep(20000);
}

static void ask(int connection, const char *what, const char *kind)
{
	char text[512];
	int length = snprintf(text, sizeof(text), "GET /%s/%s HTTP/1.1\r\nHost: own\r\n\r\n", what, kind);

	if (send(connection, text, (size_t)length, 0) != length || recv(connection, text, sizeof(text), 0) <= 0)
		fail(what);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = {.sin_family = AF_INET}, own;
	socklen_t size = sizeof(own);
	struct frame frame;
	int raw, connection, one = 1;

	if (argc != 5 || inet_pton(AF_INET, argv[2], &server.sin_addr) != 1) {
		fprintf(stderr, "usage: inject DEVICE SERVER PORT KIND\n");
		return 2;
	}
	server.sin_port = htons((unsigned short)atoi(argv[3]));
	raw = open_device(argv[1]);
	connection = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(connection, (struct sockaddr *)&server, sizeof(server)))
		fail("connect");
	getsockname(connection, (struct sockaddr *)&own, &size);
	catch_handshake(raw, own.sin_port, &frame);
	if (strcmp(argv[4], "none"))
		send_forged(raw, frame, argv[4]);
	ask(connection, "own", argv[4]);
	ask(connection, "second", argv[4]);
	return 0;
}
