// SPDX-License-Identifier: Apache-2.0
/* Maps, one entry at a time. Of a per-CPU map a value is all CPUs' values, each rounded up to eight bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"
#include "map.h"

static void map_release(struct handle *handle)
{
	((struct map_handle *)handle)->map = NULL;
}

static size_t value_stride(const struct bpf_map *map)
{
	size_t size = bpf_map__value_size(map);

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
		return (size + 7) / 8 * 8 * (size_t)libbpf_num_possible_cpus();
	default:
		return size;
	}
}

METHOD(object_map)
{
	napi_value argv[1], result;
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 1, argv);
	struct map_handle *handle;
	struct bpf_map *map;
	const char *type;

	if (object == NULL || (map = find_loaded_map(env, object, argv[0])) == NULL)
		return NULL;
	handle = handle_create(env, HANDLE_MAP, sizeof(*handle), &object->handle, map_release, &result);
	if (handle == NULL)
		return NULL;
	handle->map = map;
	handle->descriptor = bpf_map__fd(map);
	handle->key_size = bpf_map__key_size(map);
	handle->value_stride = value_stride(map);
	type = libbpf_bpf_map_type_str(bpf_map__type(map));
	set_property(env, result, "name", make_text(env, bpf_map__name(map)));
	set_property(env, result, "type", make_text(env, type == NULL ? "unknown" : type));
	set_property(env, result, "keySize", make_number(env, bpf_map__key_size(map)));
	set_property(env, result, "valueSize", make_number(env, bpf_map__value_size(map)));
	set_property(env, result, "valueStride", make_number(env, (double)handle->value_stride));
	set_property(env, result, "maxEntries", make_number(env, bpf_map__max_entries(map)));
	return result;
}

napi_value map_failed(napi_env env, const struct map_handle *map, int error, const char *doing)
{
	return throw_native(env, NATIVE_MAP_ACCESS, error, "cannot %s map %s", doing, bpf_map__name(map->map));
}

/* Reads the value of a key, or reads it and deletes the key. */
static napi_value read_value(napi_env env, napi_callback_info info, int (*read)(int, const void *, void *),
			     const char *doing)
{
	napi_value argv[1], result = NULL;
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 1, argv);
	struct bytes key;
	void *value;
	int error;

	if (map == NULL || !read_exact_bytes(env, argv[0], "key", map->key_size, &key))
		return NULL;
	if (napi_create_buffer(env, map->value_stride, &value, &result) != napi_ok)
		return throw_native(env, NATIVE_MEMORY, 0, "no memory for a value");
	error = read(map->descriptor, key.data, value);
	if (error == -ENOENT) {
		napi_get_null(env, &result);
		return result;
	}
	return error == 0 ? result : map_failed(env, map, error, doing);
}

METHOD(map_lookup)
{
	return read_value(env, info, bpf_map_lookup_elem, "look up in");
}

METHOD(map_take)
{
	return read_value(env, info, bpf_map_lookup_and_delete_elem, "take from");
}

METHOD(map_update)
{
	napi_value argv[3];
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 3, argv);
	struct bytes key, value;
	uint32_t flags = 0;
	int error;

	if (map == NULL || !read_exact_bytes(env, argv[0], "key", map->key_size, &key) ||
	    !read_exact_bytes(env, argv[1], "value", map->value_stride, &value) ||
	    (!is_absent(env, argv[2]) && !read_u32(env, argv[2], "flags", &flags)))
		return NULL;
	error = bpf_map_update_elem(map->descriptor, key.data, value.data, flags);
	return error == 0 ? NULL : map_failed(env, map, error, "update");
}

METHOD(map_delete)
{
	napi_value argv[1], result = NULL;
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 1, argv);
	struct bytes key;
	int error;

	if (map == NULL || !read_exact_bytes(env, argv[0], "key", map->key_size, &key))
		return NULL;
	error = bpf_map_delete_elem(map->descriptor, key.data);
	if (error != 0 && error != -ENOENT)
		return map_failed(env, map, error, "delete from");
	napi_get_boolean(env, error == 0, &result);
	return result;
}

METHOD(map_set_program)
{
	napi_value argv[3];
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 3, argv);
	struct object_handle *object;
	struct bpf_program *program;
	uint32_t index;
	int descriptor, error;

	if (map == NULL || !read_u32(env, argv[0], "index", &index) ||
	    (object = handle_from(env, argv[1], HANDLE_OBJECT)) == NULL ||
	    (program = find_loaded_program(env, object, argv[2])) == NULL)
		return NULL;
	if (bpf_map__type(map->map) != BPF_MAP_TYPE_PROG_ARRAY)
		return throw_native(env, NATIVE_MAP_ACCESS, 0, "map %s is not an array of programs", bpf_map__name(map->map));
	descriptor = bpf_program__fd(program);
	error = bpf_map_update_elem(map->descriptor, &index, &descriptor, 0);
	return error == 0 ? NULL : map_failed(env, map, error, "put a program into");
}

static bool is_frozen(int descriptor)
{
	char line[128], path[64];
	bool frozen = false;
	FILE *facts;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", descriptor);
	facts = fopen(path, "re");
	while (facts != NULL && fgets(line, sizeof(line), facts) != NULL)
		frozen |= strcmp(line, "frozen:\t1\n") == 0;
	if (facts != NULL)
		fclose(facts);
	return frozen;
}

METHOD(map_freeze)
{
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 0, NULL);
	int error;

	if (map == NULL)
		return NULL;
	error = bpf_map_freeze(map->descriptor);
	/* Perhaps whoever had it before has frozen it: the kernel refuses then. */
	return error == 0 || is_frozen(map->descriptor) ? NULL : map_failed(env, map, error, "freeze");
}
