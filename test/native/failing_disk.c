// SPDX-License-Identifier: Apache-2.0
/*
 * A fake of a broken disk, for LD_PRELOAD: reads, writes and syncs of files below the folder FAILING_DISK fail, as the
 * file FAILING_DISK_HOW says: letters of what fails (r, w, s) and the error's number, such as "rw 5". No such file: all
 * works. Nothing here shows what a kernel does with its caches when a real disk fails.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_below(int fd, const char *folder)
{
	char link[64], path[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return 0;
	path[length] = '\0';
	return strncmp(path, folder, strlen(folder)) == 0;
}

/* Whether a call on this file is to fail; errno is set if so. */
static int fails(int fd, char what)
{
	const char *folder = getenv("FAILING_DISK");
	const char *how = getenv("FAILING_DISK_HOW");
	char letters[8] = "";
	int number = EIO;

	if (!folder || !how || !is_below(fd, folder))
		return 0;
	FILE *file = fopen(how, "re");
	if (!file)
		return 0;
	int known = fscanf(file, "%7s %d", letters, &number);
	fclose(file);
	if (known < 1 || !strchr(letters, what))
		return 0;
	errno = number;
	return 1;
}

#define REAL(name) \
	static __typeof__(&name) real; \
	if (!real) \
		real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WRAP(name, letter, parameters, ...) \
	ssize_t name parameters \
	{ \
		REAL(name); \
		return fails(fd, letter) ? -1 : real(__VA_ARGS__); \
	}

WRAP(pread64, 'r', (int fd, void *to, size_t bytes, off64_t at), fd, to, bytes, at)
WRAP(pread, 'r', (int fd, void *to, size_t bytes, off_t at), fd, to, bytes, at)
WRAP(preadv64, 'r', (int fd, const struct iovec *to, int count, off64_t at), fd, to, count, at)
WRAP(preadv, 'r', (int fd, const struct iovec *to, int count, off_t at), fd, to, count, at)
WRAP(pwrite64, 'w', (int fd, const void *from, size_t bytes, off64_t at), fd, from, bytes, at)
WRAP(pwrite, 'w', (int fd, const void *from, size_t bytes, off_t at), fd, from, bytes, at)
WRAP(pwritev64, 'w', (int fd, const struct iovec *from, int count, off64_t at), fd, from, count, at)
WRAP(pwritev, 'w', (int fd, const struct iovec *from, int count, off_t at), fd, from, count, at)

int fdatasync(int fd)
{
	REAL(fdatasync);
	return fails(fd, 's') ? -1 : real(fd);
}

int fsync(int fd)
{
	REAL(fsync);
	return fails(fd, 's') ? -1 : real(fd);
}
