// SPDX-License-Identifier: Apache-2.0
/*
 * Attaching programs. A link holds until it is closed, and the kernel detaches what a dead process had; one that was given
 * a name in a BPF filesystem holds until the name is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "addon.h"

static void link_release(struct handle *handle)
{
	struct link_handle *link = (struct link_handle *)handle;

	if (link->link != NULL)
		bpf_link__destroy(link->link);
	else
		close(link->descriptor);
	link->link = NULL;
}

int link_descriptor(const struct link_handle *link)
{
	return link->link == NULL ? link->descriptor : bpf_link__fd(link->link);
}

napi_value make_link_of_descriptor(napi_env env, struct handle *owner, int descriptor)
{
	napi_value result;
	struct link_handle *link = handle_create(env, HANDLE_LINK, sizeof(*link), owner, link_release, &result);

	if (link == NULL) {
		close(descriptor);
		return NULL;
	}
	link->descriptor = descriptor;
	return result;
}

static napi_value make_link(napi_env env, struct object_handle *object, struct bpf_program *program,
			    struct bpf_link *attached, bool is_iterator)
{
	struct link_handle *link;
	napi_value result;

	if (attached == NULL)
		return throw_native(env, NATIVE_ATTACH, errno, "cannot attach %s (%s)", bpf_program__name(program),
				    bpf_program__section_name(program));
	link = handle_create(env, HANDLE_LINK, sizeof(*link), &object->handle, link_release, &result);
	if (link == NULL) {
		bpf_link__destroy(attached);
		return NULL;
	}
	link->link = attached;
	link->is_iterator = is_iterator;
	return result;
}

METHOD(object_attach)
{
	napi_value argv[1];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 1, argv);
	struct bpf_program *program;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL)
		return NULL;
	return make_link(env, object, program, bpf_program__attach(program), false);
}

METHOD(object_attach_cgroup)
{
	napi_value argv[2];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 2, argv);
	napi_valuetype type = napi_undefined;
	struct bpf_program *program;
	struct bpf_link *attached;
	char path[PATH_SIZE];
	uint32_t number;
	int directory;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL)
		return NULL;
	napi_typeof(env, argv[1], &type);
	if (type == napi_number) {
		if (!read_u32(env, argv[1], "cgroup", &number))
			return NULL;
		return make_link(env, object, program, bpf_program__attach_cgroup(program, (int)number), false);
	}
	if (!read_text(env, argv[1], "cgroup", path, sizeof(path)))
		return NULL;
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return throw_native(env, NATIVE_CGROUP, errno, "cannot open cgroup %s", path);
	attached = bpf_program__attach_cgroup(program, directory);
	number = (uint32_t)errno;
	close(directory);
	errno = (int)number;
	return make_link(env, object, program, attached, false);
}

METHOD(object_attach_iterator)
{
	napi_value argv[2];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 2, argv);
	union bpf_iter_link_info target = {};
	LIBBPF_OPTS(bpf_iter_attach_opts, options);
	struct bpf_program *program;
	struct bpf_map *map;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL)
		return NULL;
	if (!is_absent(env, argv[1])) {
		map = find_loaded_map(env, object, argv[1]);
		if (map == NULL)
			return NULL;
		target.map.map_fd = (__u32)bpf_map__fd(map);
		options.link_info = &target;
		options.link_info_len = sizeof(target);
	}
	return make_link(env, object, program, bpf_program__attach_iter(program, &options), true);
}
