// SPDX-License-Identifier: Apache-2.0
/* A BPF object: open, choose, load, list. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "addon.h"

static void object_release(struct handle *handle)
{
	struct object_handle *object = (struct object_handle *)handle;

	bpf_object__close(object->object);
	object->object = NULL;
}

/*
 * libbpf wants the kernel's configuration file for `extern CONFIG_HZ __kconfig`, and fails where there is none (in
 * containers, mostly). The coarse clock's resolution is the same fact: one tick.
 */
static void tell_ticks_per_second(char *text, size_t size)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	snprintf(text, size, "CONFIG_HZ=%ld\n", (1000000000L + tick.tv_nsec / 2) / tick.tv_nsec);
}

/*
 * Types that the kernel itself has not, libbpf looks for in its modules, which only CAP_SYS_ADMIN may list: it fails on an
 * older kernel without. Told where the types are, it looks nowhere else.
 */
#define KERNEL_TYPES "/sys/kernel/btf/vmlinux"

METHOD(open_object)
{
	char configuration[32];
	LIBBPF_OPTS(bpf_object_open_opts, options, .kconfig = configuration, .btf_custom_path = KERNEL_TYPES);
	size_t argc = 1;
	napi_value argv[1], result;
	char path[PATH_SIZE];
	struct bpf_object *opened;
	struct object_handle *object;

	log_reset();
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !read_text(env, argv[0], "path", path, sizeof(path)))
		return NULL;
	tell_ticks_per_second(configuration, sizeof(configuration));
	opened = bpf_object__open_file(path, &options);
	if (opened == NULL)
		return throw_native(env, NATIVE_OPEN, errno, "cannot open BPF object %s", path);
	object = handle_create(env, HANDLE_OBJECT, sizeof(*object), NULL, object_release, &result);
	if (object == NULL) {
		bpf_object__close(opened);
		return NULL;
	}
	object->object = opened;
	return result;
}

struct bpf_program *find_program(napi_env env, struct object_handle *object, napi_value name)
{
	char text[NAME_SIZE];
	struct bpf_program *program;

	if (!read_text(env, name, "program", text, sizeof(text)))
		return NULL;
	program = bpf_object__find_program_by_name(object->object, text);
	if (program == NULL)
		throw_native(env, NATIVE_PROGRAM, 0, "no program %s in %s", text, bpf_object__name(object->object));
	return program;
}

struct bpf_program *find_loaded_program(napi_env env, struct object_handle *object, napi_value name)
{
	struct bpf_program *program = find_program(env, object, name);

	if (program != NULL && bpf_program__fd(program) < 0) {
		throw_native(env, NATIVE_NOT_LOADED, 0, "program %s is not loaded", bpf_program__name(program));
		return NULL;
	}
	return program;
}

struct bpf_map *find_map(napi_env env, struct object_handle *object, napi_value name)
{
	char text[NAME_SIZE];
	struct bpf_map *map;

	if (!read_text(env, name, "map", text, sizeof(text)))
		return NULL;
	map = bpf_object__find_map_by_name(object->object, text);
	if (map == NULL)
		throw_native(env, NATIVE_MAP, 0, "no map %s in %s", text, bpf_object__name(object->object));
	return map;
}

struct bpf_map *find_loaded_map(napi_env env, struct object_handle *object, napi_value name)
{
	struct bpf_map *map = find_map(env, object, name);

	if (map != NULL && bpf_map__fd(map) < 0) {
		throw_native(env, NATIVE_NOT_LOADED, 0, "map %s is not loaded", bpf_map__name(map));
		return NULL;
	}
	return map;
}

struct object_handle *unloaded_object(napi_env env, napi_callback_info info, size_t argc, napi_value *argv)
{
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, argc, argv);

	if (object != NULL && object->load_tried) {
		throw_native(env, NATIVE_ALREADY_LOADED, 0, "%s was loaded before", bpf_object__name(object->object));
		return NULL;
	}
	return object;
}

METHOD(object_load)
{
	struct object_handle *object = unloaded_object(env, info, 0, NULL);
	int error;

	if (object == NULL)
		return NULL;
	object->load_tried = true;
	error = bpf_object__load(object->object);
	if (error != 0)
		return throw_native(env, NATIVE_LOAD, error, "cannot load %s", bpf_object__name(object->object));
	object->loaded = true;
	return NULL;
}

METHOD(object_set_autoload)
{
	napi_value argv[2];
	struct object_handle *object = unloaded_object(env, info, 2, argv);
	struct bpf_program *program;
	bool autoload;

	if (object == NULL || (program = find_program(env, object, argv[0])) == NULL ||
	    !read_boolean(env, argv[1], "autoload", &autoload))
		return NULL;
	bpf_program__set_autoload(program, autoload);
	return NULL;
}

METHOD(object_set_max_entries)
{
	napi_value argv[2];
	struct object_handle *object = unloaded_object(env, info, 2, argv);
	struct bpf_map *map;
	uint32_t entries;
	int error;

	if (object == NULL || (map = find_map(env, object, argv[0])) == NULL ||
	    !read_u32(env, argv[1], "entries", &entries))
		return NULL;
	error = bpf_map__set_max_entries(map, entries);
	if (error != 0)
		return throw_native(env, NATIVE_MAP, error, "cannot size map %s", bpf_map__name(map));
	return NULL;
}

METHOD(object_programs)
{
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 0, NULL);
	struct bpf_program *program;
	napi_value list, entry;
	uint32_t index = 0;

	if (object == NULL || napi_create_array(env, &list) != napi_ok)
		return NULL;
	bpf_object__for_each_program(program, object->object) {
		const char *type = libbpf_bpf_prog_type_str(bpf_program__type(program));

		if (napi_create_object(env, &entry) != napi_ok)
			return NULL;
		set_property(env, entry, "name", make_text(env, bpf_program__name(program)));
		set_property(env, entry, "section", make_text(env, bpf_program__section_name(program)));
		set_property(env, entry, "type", make_text(env, type == NULL ? "unknown" : type));
		napi_set_element(env, list, index++, entry);
	}
	return list;
}

METHOD(object_maps)
{
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 0, NULL);
	struct bpf_map *map;
	napi_value list;
	uint32_t index = 0;

	if (object == NULL || napi_create_array(env, &list) != napi_ok)
		return NULL;
	bpf_object__for_each_map(map, object->object) {
		if (!bpf_map__is_internal(map))
			napi_set_element(env, list, index++, make_text(env, bpf_map__name(map)));
	}
	return list;
}
