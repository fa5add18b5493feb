// SPDX-License-Identifier: Apache-2.0
/* Running an iterator: one walk over what its link covers, at once or step by step. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "addon.h"

/* What the kernel's iterator gives at most per read anyway (its seq buffer is eight pages). */
#define READ_BYTES 32768

struct walk {
	int descriptor;
	int error_number;
	uint8_t *output;
	size_t length;
	size_t capacity;
};

/* Begins a walk; the descriptor lives on its own, so closing the link meanwhile does no harm. */
static bool walk_begin(napi_env env, napi_callback_info info, struct walk *walk)
{
	napi_value argv[1];
	struct link_handle *link;

	if (method_begin(env, info, HANDLE_OBJECT, 1, argv) == NULL ||
	    (link = handle_from(env, argv[0], HANDLE_LINK)) == NULL)
		return false;
	if (!link->is_iterator) {
		throw_native(env, NATIVE_ITERATE, 0, "this link is not an iterator's");
		return false;
	}
	walk->descriptor = bpf_iter_create(link_descriptor(link));
	if (walk->descriptor < 0)
		throw_native(env, NATIVE_ITERATE, walk->descriptor, "cannot begin the iterator");
	return walk->descriptor >= 0;
}

static void walk_to_end(struct walk *walk)
{
	for (;;) {
		ssize_t count;

		if (walk->capacity - walk->length < READ_BYTES) {
			size_t capacity = walk->capacity * 2 + READ_BYTES;
			uint8_t *larger = realloc(walk->output, capacity);

			if (larger == NULL) {
				walk->error_number = ENOMEM;
				break;
			}
			walk->output = larger;
			walk->capacity = capacity;
		}
		count = read(walk->descriptor, walk->output + walk->length, READ_BYTES);
		if (count == 0)
			break;
		if (count > 0) {
			walk->length += (size_t)count;
		} else if (errno != EAGAIN && errno != EINTR) {
			/* EAGAIN: the kernel rests after a million objects without output, and goes on with the next read. */
			walk->error_number = errno;
			break;
		}
	}
	close(walk->descriptor);
	walk->descriptor = -1;
}

METHOD(object_iterate)
{
	struct walk walk = {};
	napi_value result = NULL;

	if (!walk_begin(env, info, &walk))
		return NULL;
	walk_to_end(&walk);
	if (walk.error_number != 0)
		throw_native(env, NATIVE_ITERATE, walk.error_number, "the iterator failed");
	else
		result = make_buffer(env, walk.output, walk.length);
	free(walk.output);
	return result;
}

/* The descriptor of a walk that the caller reads step by step, and closes. */
METHOD(object_open_iterator)
{
	struct walk walk = {};

	return walk_begin(env, info, &walk) ? make_number(env, walk.descriptor) : NULL;
}
