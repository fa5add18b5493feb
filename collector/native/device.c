// SPDX-License-Identifier: Apache-2.0
/*
 * Programs on network devices, in any network namespace: by a link (tcx, Linux 6.6), or as a filter of the clsact queueing
 * discipline where the kernel knows no such link. A filter has no owner: it stays until it is detached or the device goes.
 */
#include <errno.h>
#include <string.h>

#include "addon.h"

/* Of enum bpf_attach_type, younger than the oldest header that we are built with. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47

/* Each program has a priority of its own; there is one filter at each. */
#define FILTER_HANDLE 1

struct placing {
	int program;
	uint32_t ifindex;
	uint32_t priority;
	bool is_ingress;
	char namespace_path[PATH_SIZE];
};

static bool read_direction(napi_env env, napi_value value, struct placing *placing)
{
	char text[NAME_SIZE];

	if (!read_text(env, value, "direction", text, sizeof(text)))
		return false;
	placing->is_ingress = strcmp(text, "ingress") == 0;
	if (placing->is_ingress || strcmp(text, "egress") == 0)
		return true;
	throw_native(env, NATIVE_ARGUMENT, 0, "direction must be ingress or egress");
	return false;
}

static bool read_namespace(napi_env env, napi_value value, struct placing *placing)
{
	placing->namespace_path[0] = '\0';
	return is_absent(env, value) ||
	       read_text(env, value, "namespace", placing->namespace_path, sizeof(placing->namespace_path));
}

static napi_value placing_failed(napi_env env, const struct placing *placing, int error, const char *doing)
{
	const char *path = placing->namespace_path;

	return throw_native(env, NATIVE_DEVICE, error, "cannot %s device %u%s%s", doing, placing->ifindex,
			    path[0] == '\0' ? "" : " of ", path);
}

static int create_link(void *context)
{
	const struct placing *placing = context;

	return bpf_link_create(placing->program, (int)placing->ifindex,
			       (enum bpf_attach_type)(placing->is_ingress ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS), NULL);
}

/* program, ifindex, direction, namespace */
METHOD(object_attach_device)
{
	napi_value argv[4];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 4, argv);
	struct bpf_program *program;
	struct placing placing = {};
	int descriptor;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL ||
	    !read_u32(env, argv[1], "ifindex", &placing.ifindex) || !read_direction(env, argv[2], &placing) ||
	    !read_namespace(env, argv[3], &placing))
		return NULL;
	placing.program = bpf_program__fd(program);
	descriptor = in_network_namespace(placing.namespace_path, create_link, &placing);
	return descriptor >= 0 ? make_link_of_descriptor(env, &object->handle, descriptor) :
				 placing_failed(env, &placing, descriptor, "attach to");
}

static struct bpf_tc_hook hook_of(const struct placing *placing)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)placing->ifindex,
		.attach_point = placing->is_ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS,
	};
}

static int put_filter(void *context)
{
	const struct placing *placing = context;
	struct bpf_tc_hook hook = hook_of(placing);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = placing->program, .flags = BPF_TC_F_REPLACE,
		    .handle = FILTER_HANDLE, .priority = placing->priority);
	int error = bpf_tc_hook_create(&hook);

	return error != 0 && error != -EEXIST ? error : bpf_tc_attach(&hook, &options);
}

static int remove_filter(void *context)
{
	const struct placing *placing = context;
	struct bpf_tc_hook hook = hook_of(placing);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = placing->priority);

	return bpf_tc_detach(&hook, &options);
}

/* program, ifindex, direction, namespace, priority */
METHOD(object_attach_filter)
{
	napi_value argv[5];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 5, argv);
	struct bpf_program *program;
	struct placing placing = {};
	int error;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL ||
	    !read_u32(env, argv[1], "ifindex", &placing.ifindex) || !read_direction(env, argv[2], &placing) ||
	    !read_namespace(env, argv[3], &placing) || !read_u32(env, argv[4], "priority", &placing.priority))
		return NULL;
	placing.program = bpf_program__fd(program);
	error = in_network_namespace(placing.namespace_path, put_filter, &placing);
	return error == 0 ? NULL : placing_failed(env, &placing, error, "put a filter on");
}

/* ifindex, direction, namespace, priority */
METHOD(detach_filter)
{
	size_t argc = 4;
	napi_value argv[4];
	struct placing placing = {};
	napi_value result;
	int error;

	log_reset();
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !read_u32(env, argv[0], "ifindex", &placing.ifindex) || !read_direction(env, argv[1], &placing) ||
	    !read_namespace(env, argv[2], &placing) || !read_u32(env, argv[3], "priority", &placing.priority))
		return NULL;
	error = in_network_namespace(placing.namespace_path, remove_filter, &placing);
	/* No such device, no such discipline, no such filter. */
	if (error != 0 && error != -ENODEV && error != -EINVAL && error != -ENOENT)
		return placing_failed(env, &placing, error, "take a filter off");
	napi_get_boolean(env, error == 0, &result);
	return result;
}

/* program, map */
METHOD(object_attach_map)
{
	napi_value argv[2];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 2, argv);
	struct bpf_program *program;
	struct bpf_map *map;
	int error;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL ||
	    (map = find_loaded_map(env, object, argv[1])) == NULL)
		return NULL;
	error = bpf_prog_attach(bpf_program__fd(program), bpf_map__fd(map),
				bpf_program__type(program) == BPF_PROG_TYPE_SK_MSG ? BPF_SK_MSG_VERDICT : BPF_SK_SKB_VERDICT, 0);
	return error == 0 ? NULL : throw_native(env, NATIVE_ATTACH, error, "cannot attach %s to map %s",
						bpf_program__name(program), bpf_map__name(map));
}
