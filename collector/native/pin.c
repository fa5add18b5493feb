// SPDX-License-Identifier: Apache-2.0
/* What outlives this process: kept by a name in a BPF filesystem, and taken up again by the next one. */
#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addon.h"

/* A map in words: its kind and size, and its value type in C, with every type that it is made of. */
struct layout {
	char *text;
	size_t length;
	bool failed;
};

static void layout_append_list(void *context, const char *format, va_list arguments)
{
	struct layout *layout = context;
	char *piece, *longer;
	int length = vasprintf(&piece, format, arguments);

	if (length < 0) {
		layout->failed = true;
		return;
	}
	longer = realloc(layout->text, layout->length + (size_t)length + 1);
	if (longer == NULL) {
		layout->failed = true;
	} else {
		memcpy(longer + layout->length, piece, (size_t)length + 1);
		layout->text = longer;
		layout->length += (size_t)length;
	}
	free(piece);
}

static void __attribute__((format(printf, 2, 3))) layout_append(struct layout *layout, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	layout_append_list(layout, format, arguments);
	va_end(arguments);
}

static int write_layout(const struct btf *types, __u32 type, struct layout *layout)
{
	struct btf_dump *dump = btf_dump__new(types, layout_append_list, layout, NULL);
	int error;

	if (dump == NULL)
		return -errno;
	error = btf_dump__dump_type(dump, type);
	btf_dump__free(dump);
	return layout->failed ? -ENOMEM : error;
}

METHOD(object_map_layout)
{
	napi_value argv[1], result;
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 1, argv);
	struct layout layout = {};
	struct bpf_map *map;
	int error;

	if (object == NULL || (map = find_map(env, object, argv[0])) == NULL)
		return NULL;
	layout_append(&layout, "type %d, flags %u, %u entries, keys of %u bytes, values of %u\n", bpf_map__type(map),
		      bpf_map__map_flags(map), bpf_map__max_entries(map), bpf_map__key_size(map), bpf_map__value_size(map));
	error = write_layout(bpf_object__btf(object->object), bpf_map__btf_value_type_id(map), &layout);
	result = error == 0 ? make_text(env, layout.text == NULL ? "" : layout.text) :
			      throw_native(env, NATIVE_MAP, error, "cannot tell the types of map %s", bpf_map__name(map));
	free(layout.text);
	return result;
}

/* Whether what was kept is a map such as this object would make. */
static bool is_same_kind(const struct bpf_map *map, int descriptor)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(descriptor, &info, &length) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map) && info.map_flags == bpf_map__map_flags(map);
}

METHOD(object_reuse_map)
{
	napi_value argv[2], result;
	struct object_handle *object = unloaded_object(env, info, 2, argv);
	char path[PATH_SIZE];
	struct bpf_map *map;
	int descriptor, error = 0;
	bool same;

	if (object == NULL || (map = find_map(env, object, argv[0])) == NULL ||
	    !read_text(env, argv[1], "path", path, sizeof(path)))
		return NULL;
	descriptor = bpf_obj_get(path);
	if (descriptor < 0 && descriptor != -ENOENT)
		return throw_native(env, NATIVE_PIN, descriptor, "cannot open %s", path);
	same = descriptor >= 0 && is_same_kind(map, descriptor);
	if (same)
		error = bpf_map__reuse_fd(map, descriptor);
	if (descriptor >= 0)
		close(descriptor);
	if (error != 0)
		return throw_native(env, NATIVE_PIN, error, "cannot take up %s", path);
	napi_get_boolean(env, same, &result);
	return result;
}

METHOD(object_pin_map)
{
	napi_value argv[2];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 2, argv);
	char path[PATH_SIZE];
	struct bpf_map *map;
	int error;

	if (object == NULL || (map = find_loaded_map(env, object, argv[0])) == NULL ||
	    !read_text(env, argv[1], "path", path, sizeof(path)))
		return NULL;
	/* Not bpf_map__pin(): it remembers the path, and would refuse to have a map that was taken up under another one. */
	error = bpf_obj_pin(bpf_map__fd(map), path);
	return error == 0 ? NULL : throw_native(env, NATIVE_PIN, error, "cannot keep map %s at %s", bpf_map__name(map), path);
}

METHOD(object_pin_program)
{
	napi_value argv[2];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 2, argv);
	char path[PATH_SIZE];
	struct bpf_program *program;
	int error;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL ||
	    !read_text(env, argv[1], "path", path, sizeof(path)))
		return NULL;
	error = bpf_obj_pin(bpf_program__fd(program), path);
	return error == 0 ? NULL : throw_native(env, NATIVE_PIN, error, "cannot keep program %s at %s",
						bpf_program__name(program), path);
}
