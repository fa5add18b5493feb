// SPDX-License-Identifier: Apache-2.0
/* Work in another network namespace: on a thread that nobody else uses, since a namespace is a thread's. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addon.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

struct errand {
	int namespace_descriptor;
	int (*work)(void *context);
	void *context;
	int result;
};

static void *run_errand(void *argument)
{
	struct errand *errand = argument;

	errand->result = setns(errand->namespace_descriptor, CLONE_NEWNET) == 0 ? errand->work(errand->context) : -errno;
	return NULL;
}

int in_network_namespace(const char *path, int (*work)(void *context), void *context)
{
	struct errand errand = { .work = work, .context = context };
	pthread_t thread;
	int error;

	if (path[0] == '\0')
		return work(context);
	errand.namespace_descriptor = open(path, O_RDONLY | O_CLOEXEC);
	if (errand.namespace_descriptor < 0)
		return -errno;
	error = pthread_create(&thread, NULL, run_errand, &errand);
	if (error == 0)
		error = pthread_join(thread, NULL);
	close(errand.namespace_descriptor);
	return error == 0 ? errand.result : -error;
}

static int read_cookie(void *context)
{
	int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(uint64_t);
	int error;

	if (descriptor < 0)
		return -errno;
	error = getsockopt(descriptor, SOL_SOCKET, SO_NETNS_COOKIE, context, &length) == 0 ? 0 : -errno;
	close(descriptor);
	return error;
}

METHOD(network_namespace_cookie)
{
	size_t argc = 1;
	napi_value argv[1];
	char path[PATH_SIZE] = "";
	uint64_t cookie = 0;
	int error;

	log_reset();
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    (!is_absent(env, argv[0]) && !read_text(env, argv[0], "path", path, sizeof(path))))
		return NULL;
	error = in_network_namespace(path, read_cookie, &cookie);
	return error == 0 ? make_bigint(env, cookie) :
			    throw_native(env, NATIVE_NAMESPACE, error, "cannot tell the cookie of network namespace %s",
					 path[0] == '\0' ? "of this process" : path);
}
