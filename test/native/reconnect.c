// SPDX-License-Identifier: Apache-2.0
/* A socket with two connections. Usage: reconnect IPV4 PORT; SIGUSR2 ends the first and begins the second. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void connect_and_send(int fd, const struct sockaddr_in *to, size_t bytes)
{
	static char block[4096];

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) || write(fd, block, bytes) != (ssize_t)bytes) {
		perror("reconnect");
		exit(1);
	}
	puts("connected");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	sigset_t signals;
	int which;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	connect_and_send(fd, &to, 4096);
	sigwait(&signals, &which);
	if (connect(fd, &none, sizeof(none)))
		return 1;
	connect_and_send(fd, &to, 16);
	sigwait(&signals, &which);
	return 0;
}
