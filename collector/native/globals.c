// SPDX-License-Identifier: Apache-2.0
/* Global variables of an object by name: found through the object's own BTF, in .rodata, .data and .bss. */
#include <bpf/btf.h>
#include <string.h>

#include "addon.h"

struct global {
	uint8_t *data;
	size_t size;
};

static bool global_in_map(const struct btf *btf, struct bpf_map *map, const char *name, struct global *global)
{
	const struct btf_type *section = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	const struct btf_var_secinfo *variable;
	size_t section_size = 0;
	uint8_t *section_data;

	if (section == NULL || !btf_is_datasec(section))
		return false;
	/* libbpf hands out its own, writable image of the section; const is its promise for other uses. */
	section_data = (uint8_t *)bpf_map__initial_value(map, &section_size);
	if (section_data == NULL)
		return false;
	variable = btf_var_secinfos(section);
	for (int i = 0; i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(btf, variable->type);

		if (type == NULL || strcmp(btf__name_by_offset(btf, type->name_off), name) != 0)
			continue;
		if ((size_t)variable->offset + variable->size > section_size)
			return false;
		global->data = section_data + variable->offset;
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
	/* After the load .rodata is frozen and mapped read-only: writing would end the process. */
	if (object->load_tried)
		return throw_native(env, NATIVE_ALREADY_LOADED, 0, "%s is fixed once its object was loaded", name);
	if (bytes.length != global.size)
		return throw_native(env, NATIVE_GLOBAL, 0, "%s has %zu bytes, not %zu", name, global.size, bytes.length);
	memcpy(global.data, bytes.data, bytes.length);
	return NULL;
}

METHOD(object_get_global)
{
	napi_value argv[1];
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 1, argv);
	char name[NAME_SIZE];
	struct global global;

	if (object == NULL || !find_global(env, object, argv[0], name, &global))
		return NULL;
	return make_buffer(env, global.data, global.size);
}
