// SPDX-License-Identifier: Apache-2.0
/* Memory that the process has no use for any more, though it counts as resident. */
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addon.h"

/*
 * Lets go of the pages of executable and libraries that nobody writes to: code and constants, of which much is used only
 * while a process starts. What is needed again comes back from the page cache by a minor fault. A mapping with a page of
 * its own (Anonymous: addresses that the linker filled in) is left alone.
 */
static void give_back_files(void)
{
	uintptr_t begin = 0, end = 0;
	bool is_read_only_file = false;
	FILE *mappings = fopen("/proc/self/smaps", "re");
	char line[1024];

	if (mappings == NULL)
		return;
	while (fgets(line, sizeof(line), mappings) != NULL) {
		uintptr_t from, to;
		unsigned long kib;
		char rights[5];
		int path = 0;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %n", &from, &to, rights, &path) >= 3) {
			begin = from;
			end = to;
			is_read_only_file = path > 0 && line[path] == '/' && rights[1] == '-' && rights[3] == 'p';
		} else if (is_read_only_file && sscanf(line, "Anonymous: %lu", &kib) == 1 && kib == 0) {
			madvise((void *)begin, end - begin, MADV_DONTNEED);
		}
	}
	fclose(mappings);
}

napi_value give_back_memory(napi_env env, napi_callback_info info)
{
	(void)env;
	(void)info;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	give_back_files();
	return NULL;
}

METHOD(give_back_pages)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t argc = 1;
	napi_value argv[1];
	struct bytes bytes;
	uintptr_t begin, end;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok || !read_bytes(env, argv[0], "memory", &bytes))
		return NULL;
	begin = ((uintptr_t)bytes.data + page - 1) & ~(page - 1);
	end = ((uintptr_t)bytes.data + bytes.length) & ~(page - 1);
	if (begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
	return NULL;
}
