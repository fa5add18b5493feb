// SPDX-License-Identifier: Apache-2.0
/*
 * Messages over one TCP connection, as fast as they go. `talk serve PORT`, `talk ask HOST PORT BYTES SECONDS` (each message is
 * answered by as many bytes before the next; prints nanoseconds per round trip: median, 99th percentile, and how many there
 * were), `talk pour HOST PORT BYTES SECONDS` (one way; prints bytes per second that the other end has read).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MAX (4u << 20)
#define SAMPLES_MAX (4u << 20)

struct wish {
	uint32_t bytes;
	uint32_t one_way;
};

static char message[BYTES_MAX];
static uint32_t samples[SAMPLES_MAX];

static void check(const char *what, int failed)
{
	if (!failed)
		return;
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* 0 at the end of the stream. */
static int read_whole(int socket, char *into, size_t bytes)
{
	for (size_t have = 0; have < bytes;) {
		ssize_t more = read(socket, into + have, bytes - have);

		/* A blocking read of a socket in a sockmap, behind writes that were held back: see bpf/redirect.bpf.c. */
		if (more < 0 && errno == EAGAIN)
			continue;
		check("read", more < 0);
		if (more == 0)
			return 0;
		have += (size_t)more;
	}
	return 1;
}

static void write_whole(int socket, const char *from, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t more = write(socket, from + done, bytes - done);

		check("write", more < 0);
		done += (size_t)more;
	}
}

static void serve_one(int socket)
{
	uint64_t total = 0;
	struct wish wish;
	ssize_t bytes;

	if (!read_whole(socket, (char *)&wish, sizeof(wish)) || wish.bytes > BYTES_MAX)
		exit(1);
	while (!wish.one_way && read_whole(socket, message, wish.bytes))
		write_whole(socket, message, wish.bytes);
	while (wish.one_way && (bytes = read(socket, message, BYTES_MAX)) > 0)
		total += (uint64_t)bytes;
	if (wish.one_way)
		write_whole(socket, (char *)&total, sizeof(total));
	exit(0);
}

static void serve(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, one;

	signal(SIGCHLD, SIG_IGN);
	check("bind", bind(listener, (struct sockaddr *)&address, sizeof(address)));
	check("listen", listen(listener, 16));
	for (;;) {
		one = accept(listener, NULL, NULL);
		check("accept", one < 0);
		setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (fork() == 0)
			serve_one(one);
		close(one);
	}
}

static int ascending(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static void ask(int socket, uint32_t bytes, uint64_t end)
{
	size_t count = 0;

	while (now_ns() < end && count < SAMPLES_MAX) {
		uint64_t begin = now_ns();

		write_whole(socket, message, bytes);
		if (!read_whole(socket, message, bytes))
			exit(1);
		samples[count++] = (uint32_t)(now_ns() - begin);
	}
	qsort(samples, count, sizeof(samples[0]), ascending);
	printf("%u %u %zu\n", samples[count / 2], samples[count * 99 / 100], count);
}

static void pour(int socket, uint32_t bytes, uint64_t begin, uint64_t end)
{
	uint64_t total;

	while (now_ns() < end)
		write_whole(socket, message, bytes);
	shutdown(socket, SHUT_WR);
	if (!read_whole(socket, (char *)&total, sizeof(total)))
		exit(1);
	printf("%.0f\n", (double)total * 1e9 / (double)(now_ns() - begin));
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct wish wish;
	int on = 1, one;
	uint64_t begin, end;

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	if (argc != 6 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		return 2;
	wish.bytes = (uint32_t)atoi(argv[4]);
	wish.one_way = strcmp(argv[1], "pour") == 0;
	if (wish.bytes == 0 || wish.bytes > BYTES_MAX)
		return 2;
	address.sin_port = htons((uint16_t)atoi(argv[3]));
	one = socket(AF_INET, SOCK_STREAM, 0);
	check("connect", connect(one, (struct sockaddr *)&address, sizeof(address)));
	setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	write_whole(one, (char *)&wish, sizeof(wish));
	begin = now_ns();
	end = begin + (uint64_t)(atof(argv[5]) * 1e9);
	if (wish.one_way)
		pour(one, wish.bytes, begin, end);
	else
		ask(one, wish.bytes, end);
	return 0;
}
