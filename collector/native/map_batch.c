// SPDX-License-Identifier: Apache-2.0
/* Maps, many entries at a time: by batch where the kernel has it for the map type, one by one elsewhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"

/* First guess of entries per call; a hash bucket that is longer makes the kernel ask for more. */
#define BATCH_ENTRIES 4096
/* The kernel's own errno for "this map type has no such operation"; not in user-space headers. */
#define KERNEL_ENOTSUPP 524
/* Bound of a walk over maps that are not made for a number of entries, such as storage per cgroup. */
#define UNSIZED_ENTRIES (1u << 20)

struct entries {
	uint8_t *keys;
	uint8_t *values;
	size_t count;
	size_t capacity;
};

static bool lacks_batch(int error)
{
	return error == -KERNEL_ENOTSUPP || error == -EOPNOTSUPP || error == -EINVAL;
}

static bool entries_reserve(struct entries *entries, const struct map_handle *map, size_t more)
{
	size_t capacity = entries->capacity;
	uint8_t *keys, *values;

	if (capacity - entries->count >= more)
		return true;
	capacity = capacity * 2 > entries->count + more ? capacity * 2 : entries->count + more;
	keys = realloc(entries->keys, capacity * map->key_size);
	if (keys != NULL)
		entries->keys = keys;
	values = realloc(entries->values, capacity * map->value_stride);
	if (values != NULL)
		entries->values = values;
	if (keys == NULL || values == NULL)
		return false;
	entries->capacity = capacity;
	return true;
}

static int read_by_batch(const struct map_handle *map, struct entries *entries)
{
	/* The position is a bucket number or a key, whichever is larger. */
	uint8_t position[2][512];
	bool begun = false;
	__u32 want = BATCH_ENTRIES, count;
	int error;

	if (map->key_size > sizeof(position[0]))
		return -EOPNOTSUPP;
	for (;;) {
		if (!entries_reserve(entries, map, want))
			return -ENOMEM;
		count = want;
		error = bpf_map_lookup_batch(map->descriptor, begun ? position[0] : NULL, position[1],
					     entries->keys + entries->count * map->key_size,
					     entries->values + entries->count * map->value_stride, &count, NULL);
		if (error == -ENOSPC && want < bpf_map__max_entries(map->map)) {
			want *= 2;
			continue;
		}
		if (error != 0 && error != -ENOENT)
			return error;
		entries->count += count;
		if (error == -ENOENT)
			return 0;
		memcpy(position[0], position[1], sizeof(position[0]));
		begun = true;
	}
}

static int read_one_by_one(const struct map_handle *map, struct entries *entries)
{
	/* A key that is deleted under the walk sends it back to the start: bound it by what the map can hold. */
	const __u32 sized = bpf_map__max_entries(map->map);
	const __u32 most = sized == 0 ? UNSIZED_ENTRIES : sized;
	const void *previous = NULL;
	uint8_t *key = malloc(map->key_size * 2);
	int error = key == NULL ? -ENOMEM : 0;

	for (__u32 step = 0; error == 0 && step < most; step++) {
		error = bpf_map_get_next_key(map->descriptor, previous, key + map->key_size);
		if (error != 0)
			break;
		memcpy(key, key + map->key_size, map->key_size);
		previous = key;
		if (!entries_reserve(entries, map, 1)) {
			error = -ENOMEM;
			break;
		}
		memcpy(entries->keys + entries->count * map->key_size, key, map->key_size);
		error = bpf_map_lookup_elem(map->descriptor, key, entries->values + entries->count * map->value_stride);
		if (error == 0)
			entries->count++;
		else if (error == -ENOENT)
			error = 0;
	}
	free(key);
	return error == -ENOENT ? 0 : error;
}

METHOD(map_entries)
{
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 0, NULL);
	struct entries entries = {};
	napi_value result = NULL;
	int error;

	if (map == NULL)
		return NULL;
	error = read_by_batch(map, &entries);
	if (lacks_batch(error)) {
		entries.count = 0;
		error = read_one_by_one(map, &entries);
	}
	if (error != 0) {
		map_failed(env, map, error, "read");
	} else if (napi_create_object(env, &result) == napi_ok) {
		set_property(env, result, "keys", make_buffer(env, entries.keys, entries.count * map->key_size));
		set_property(env, result, "values", make_buffer(env, entries.values, entries.count * map->value_stride));
		set_property(env, result, "count", make_number(env, (double)entries.count));
	}
	free(entries.keys);
	free(entries.values);
	return result;
}

/* Not an error of the caller: the table has as many entries as it may have, or the kernel has no memory for another. */
static bool lacks_room(int error)
{
	return error == -E2BIG || error == -ENOMEM;
}

METHOD(map_update_batch)
{
	napi_value argv[3];
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 3, argv);
	struct bytes keys, values;
	uint32_t flags = 0;
	int error;

	if (map == NULL || !read_bytes(env, argv[0], "keys", &keys) || !read_bytes(env, argv[1], "values", &values) ||
	    (!is_absent(env, argv[2]) && !read_u32(env, argv[2], "flags", &flags)))
		return NULL;

	size_t total = map->key_size == 0 ? 0 : keys.length / map->key_size;
	__u32 count = (__u32)total;
	LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = flags);

	if (total * map->key_size != keys.length || total * map->value_stride != values.length)
		return throw_native(env, NATIVE_ARGUMENT, 0, "%zu bytes of keys and %zu of values are not as many entries",
				    keys.length, values.length);
	if (total == 0)
		return make_number(env, 0);
	error = bpf_map_update_batch(map->descriptor, keys.data, values.data, &count, &options);
	if (lacks_batch(error)) {
		error = 0;
		for (count = 0; count < total; count++) {
			error = bpf_map_update_elem(map->descriptor, keys.data + count * map->key_size,
						    values.data + count * map->value_stride, flags);
			if (error != 0)
				break;
		}
	}
	return error == 0 || lacks_room(error) ? make_number(env, count) : map_failed(env, map, error, "update");
}

METHOD(map_delete_batch)
{
	napi_value argv[1];
	struct map_handle *map = method_begin(env, info, HANDLE_MAP, 1, argv);
	struct bytes keys;
	uint32_t deleted = 0;

	if (map == NULL || !read_bytes(env, argv[0], "keys", &keys))
		return NULL;
	if (map->key_size == 0 || keys.length % map->key_size != 0)
		return throw_native(env, NATIVE_ARGUMENT, 0, "%zu bytes are not whole keys", keys.length);
	/* The kernel's batch stops at the first key that is gone already; gone is what the caller wants. */
	for (size_t i = 0; i < keys.length / map->key_size; i++) {
		int error = bpf_map_delete_elem(map->descriptor, keys.data + i * map->key_size);

		if (error == 0)
			deleted++;
		else if (error != -ENOENT)
			return map_failed(env, map, error, "delete from");
	}
	return make_number(env, deleted);
}
