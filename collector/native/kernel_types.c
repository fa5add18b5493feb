// SPDX-License-Identifier: Apache-2.0
/* The running kernel's own types: what its enum values are called, and which tracepoints and functions it has. */
#include <bpf/btf.h>
#include <errno.h>
#include <string.h>

#include "addon.h"

struct kernel_types {
	struct handle handle;
	struct btf *btf;
};

static void kernel_types_release(struct handle *handle)
{
	btf__free(((struct kernel_types *)handle)->btf);
}

METHOD(open_kernel_types)
{
	struct kernel_types *types;
	napi_value result;
	struct btf *btf;

	(void)info;
	log_reset();
	btf = btf__load_vmlinux_btf();
	if (btf == NULL)
		return throw_native(env, NATIVE_KERNEL_TYPES, errno, "cannot read the kernel's types");
	types = handle_create(env, HANDLE_KERNEL_TYPES, sizeof(*types), NULL, kernel_types_release, &result);
	if (types == NULL) {
		btf__free(btf);
		return NULL;
	}
	types->btf = btf;
	return result;
}

static void name_value(napi_env env, napi_value names, double value, const char *name)
{
	napi_value key;

	if (napi_create_double(env, value, &key) == napi_ok)
		napi_set_property(env, names, key, make_text(env, name));
}

METHOD(kernel_types_enum_values)
{
	napi_value argv[1], names;
	struct kernel_types *types = method_begin(env, info, HANDLE_KERNEL_TYPES, 1, argv);
	const struct btf_type *type;
	char name[NAME_SIZE];
	int id;

	if (types == NULL || !read_text(env, argv[0], "name", name, sizeof(name)) ||
	    napi_create_object(env, &names) != napi_ok)
		return NULL;
	id = btf__find_by_name_kind(types->btf, name, BTF_KIND_ENUM);
	if (id < 0)
		id = btf__find_by_name_kind(types->btf, name, BTF_KIND_ENUM64);
	if (id < 0)
		return names;
	type = btf__type_by_id(types->btf, (__u32)id);
	for (int i = 0; i < btf_vlen(type); i++) {
		if (btf_is_enum(type)) {
			const struct btf_enum *value = btf_enum(type) + i;

			name_value(env, names, btf_kflag(type) ? (double)value->val : (double)(__u32)value->val,
				   btf__name_by_offset(types->btf, value->name_off));
		} else {
			const struct btf_enum64 *value = btf_enum64(type) + i;
			const __u64 number = btf_enum64_value(value);

			name_value(env, names, btf_kflag(type) ? (double)(__s64)number : (double)number,
				   btf__name_by_offset(types->btf, value->name_off));
		}
	}
	return names;
}

METHOD(kernel_types_has)
{
	static const struct {
		const char *name;
		__u32 kind;
	} kinds[] = {
		{ "typedef", BTF_KIND_TYPEDEF }, { "func", BTF_KIND_FUNC }, { "struct", BTF_KIND_STRUCT },
		{ "enum", BTF_KIND_ENUM },
	};
	napi_value argv[2], answer = NULL;
	struct kernel_types *types = method_begin(env, info, HANDLE_KERNEL_TYPES, 2, argv);
	char kind[NAME_SIZE], name[NAME_SIZE];

	if (types == NULL || !read_text(env, argv[0], "kind", kind, sizeof(kind)) ||
	    !read_text(env, argv[1], "name", name, sizeof(name)))
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, kind) == 0) {
			napi_get_boolean(env, btf__find_by_name_kind(types->btf, name, kinds[i].kind) > 0, &answer);
			return answer;
		}
	}
	return throw_native(env, NATIVE_ARGUMENT, 0, "kind must be typedef, func, struct or enum, not %s", kind);
}
