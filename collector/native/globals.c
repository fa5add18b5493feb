// SPDX-License-Identifier: Apache-2.0
/* Global variables of an object by name: found through the object's own BTF, in .rodata, .data and .bss. */
#include <bpf/btf.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"

struct global {
	const struct bpf_map *section;
	uint8_t *image;		/* libbpf's copy of the section, which load() gives to the kernel */
	size_t image_size;
	size_t offset;
	size_t size;
};

static bool global_in_map(const struct btf *btf, struct bpf_map *map, const char *name, struct global *global)
{
	const struct btf_type *section = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	const struct btf_var_secinfo *variable;

	if (section == NULL || !btf_is_datasec(section))
		return false;
	/* Writable, as bpf_map__set_initial_value() writes it too; const only says that its place is libbpf's. */
	global->image = (uint8_t *)bpf_map__initial_value(map, &global->image_size);
	if (global->image == NULL)
		return false;
	variable = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(btf, variable->type);

		if (type == NULL || strcmp(btf__name_by_offset(btf, type->name_off), name) != 0)
			continue;
		if ((size_t)variable->offset + variable->size > global->image_size)
			return false;
		global->section = map;
		global->offset = variable->offset;
		global->size = variable->size;
		return true;
	}
	return false;
}

static bool find_global(napi_env env, struct object_handle *object, napi_value name, char *text, struct global *global)
{
	const struct btf *btf = bpf_object__btf(object->object);
	struct bpf_map *map;

	if (!read_text(env, name, "name", text, NAME_SIZE))
		return false;
	if (btf != NULL) {
		bpf_object__for_each_map(map, object->object) {
			if (bpf_map__is_internal(map) && global_in_map(btf, map, text, global))
				return true;
		}
	}
	throw_native(env, NATIVE_GLOBAL, 0, "no global variable %s in %s", text, bpf_object__name(object->object));
	return false;
}

METHOD(object_set_global)
{
	napi_value argv[2];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 2, argv);
	char name[NAME_SIZE];
	struct global global;
	struct bytes bytes;

	if (object == NULL || !read_bytes(env, argv[1], "value", &bytes) ||
	    !find_global(env, object, argv[0], name, &global))
		return NULL;
	if (object->load_tried)
		return throw_native(env, NATIVE_ALREADY_LOADED, 0, "%s is fixed once its object was loaded", name);
	if (bytes.length != global.size)
		return throw_native(env, NATIVE_GLOBAL, 0, "%s has %zu bytes, not %zu", name, global.size, bytes.length);
	memcpy(global.image + global.offset, bytes.data, bytes.length);
	return NULL;
}

METHOD(object_get_global)
{
	napi_value argv[1];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 1, argv);
	char name[NAME_SIZE];
	const __u32 only_key = 0;
	struct global global;
	napi_value result;
	uint8_t *section;
	int error;

	if (object == NULL || !find_global(env, object, argv[0], name, &global))
		return NULL;
	if (!object->loaded)
		return make_buffer(env, global.image + global.offset, global.size);
	/* From now on the kernel's copy counts; libbpf's image is what it began with. */
	section = malloc(global.image_size);
	if (section == NULL)
		return throw_native(env, NATIVE_MEMORY, 0, "no memory to read %s", name);
	error = bpf_map_lookup_elem(bpf_map__fd(global.section), &only_key, section);
	result = error == 0 ? make_buffer(env, section + global.offset, global.size) :
			      throw_native(env, NATIVE_MAP_ACCESS, error, "cannot read %s", name);
	free(section);
	return result;
}
