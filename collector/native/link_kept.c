// SPDX-License-Identifier: Apache-2.0
/* Links that outlive this process: kept by a name, opened by it, and given another program without a moment between. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "addon.h"

/* Of enum bpf_link_type and of struct bpf_link_info, what is younger than the oldest header that we are built with. */
#define LINK_TYPE_TCX 11
#define LINK_INFO_BYTES 256

/* Any pinned thing can be opened by its name; only the descriptor's own name tells which it is. */
static bool is_link(int descriptor)
{
	char path[64], target[64] = "";
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	length = readlink(path, target, sizeof(target) - 1);
	return length > 0 && (strstr(target, "bpf_link") != NULL || strstr(target, "bpf-link") != NULL);
}

METHOD(open_link)
{
	size_t argc = 1;
	napi_value argv[1], result;
	char path[PATH_SIZE];
	int descriptor;

	log_reset();
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !read_text(env, argv[0], "path", path, sizeof(path)))
		return NULL;
	descriptor = bpf_obj_get(path);
	if (descriptor < 0 && descriptor != -ENOENT)
		return throw_native(env, NATIVE_PIN, descriptor, "cannot open %s", path);
	if (descriptor >= 0 && is_link(descriptor))
		return make_link_of_descriptor(env, NULL, descriptor);
	if (descriptor >= 0)
		close(descriptor);
	napi_get_null(env, &result);
	return result;
}

METHOD(link_pin)
{
	napi_value argv[1];
	struct link_handle *link = method_begin(env, info, HANDLE_LINK, 1, argv);
	char path[PATH_SIZE];
	int error;

	if (link == NULL || !read_text(env, argv[0], "path", path, sizeof(path)))
		return NULL;
	error = bpf_obj_pin(link_descriptor(link), path);
	return error == 0 ? NULL : throw_native(env, NATIVE_PIN, error, "cannot keep a link at %s", path);
}

METHOD(link_update)
{
	napi_value argv[2];
	struct link_handle *link = method_begin(env, info, HANDLE_LINK, 2, argv);
	struct object_handle *object;
	struct bpf_program *program;
	int error;

	if (link == NULL || (object = handle_from(env, argv[0], HANDLE_OBJECT)) == NULL ||
	    (program = find_loaded_program(env, object, argv[1])) == NULL)
		return NULL;
	error = bpf_link_update(link_descriptor(link), bpf_program__fd(program), NULL);
	return error == 0 ? NULL :
			    throw_native(env, NATIVE_LINK, error, "cannot put %s into a link", bpf_program__name(program));
}

METHOD(link_info)
{
	struct link_handle *link = method_begin(env, info, HANDLE_LINK, 0, NULL);
	/* The kernel writes as much as it knows: more, perhaps, than the header that we are built with. */
	union {
		struct bpf_link_info info;
		uint8_t room[LINK_INFO_BYTES];
	} told = {};
	__u32 length = sizeof(told);
	napi_value result;
	int error;

	if (link == NULL)
		return NULL;
	error = bpf_obj_get_info_by_fd(link_descriptor(link), &told.info, &length);
	if (error != 0)
		return throw_native(env, NATIVE_LINK, error, "cannot tell what a link is");
	if (napi_create_object(env, &result) != napi_ok)
		return NULL;
	set_property(env, result, "id", make_number(env, told.info.id));
	set_property(env, result, "programId", make_number(env, told.info.prog_id));
	if (told.info.type == BPF_LINK_TYPE_CGROUP)
		set_property(env, result, "cgroupId", make_bigint(env, told.info.cgroup.cgroup_id));
	if (told.info.type == LINK_TYPE_TCX)
		set_property(env, result, "ifindex", make_number(env, told.info.xdp.ifindex));
	return result;
}
