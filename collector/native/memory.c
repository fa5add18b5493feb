// SPDX-License-Identifier: Apache-2.0
/* Memory that the process has no use for any more, though it counts as resident. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "addon.h"

/*
 * Lets go of the pages of the executable's code: much of it runs only while a process starts. Code is never written to,
 * so what is needed again comes back from the page cache by a minor fault.
 */
static void give_back_code(void)
{
	char executable[512], line[1024];
	ssize_t length = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
	FILE *maps = length < 0 ? NULL : fopen("/proc/self/maps", "re");

	if (maps == NULL)
		return;
	executable[length] = '\0';
	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t begin, end;
		char rights[5];
		int path = 0;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %n", &begin, &end, rights, &path) < 3 ||
		    path == 0 || strcmp(rights, "r-xp") != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line + path, executable) == 0)
			madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	fclose(maps);
}

napi_value give_back_memory(napi_env env, napi_callback_info info)
{
	(void)env;
	(void)info;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	give_back_code();
	return NULL;
}
