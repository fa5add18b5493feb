// SPDX-License-Identifier: Apache-2.0
/* Entry point: the classes and functions that addon.ts types and documents. */
#include <stdlib.h>

#include "addon.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define METHOD_PROPERTY(js_name, function) { .utf8name = js_name, .method = function, .attributes = napi_default_method }
#define GETTER_PROPERTY(js_name, function) { .utf8name = js_name, .getter = function, .attributes = napi_enumerable }
#define CLOSE_PROPERTY(kind) \
	{ .utf8name = "close", .method = handle_close_method, .attributes = napi_default_method, .data = (void *)kind }

static const napi_property_descriptor object_properties[] = {
	METHOD_PROPERTY("load", object_load),
	METHOD_PROPERTY("setGlobal", object_set_global),
	METHOD_PROPERTY("getGlobal", object_get_global),
	METHOD_PROPERTY("setAutoload", object_set_autoload),
	METHOD_PROPERTY("setMaxEntries", object_set_max_entries),
	METHOD_PROPERTY("programs", object_programs),
	METHOD_PROPERTY("maps", object_maps),
	METHOD_PROPERTY("attach", object_attach),
	METHOD_PROPERTY("attachCgroup", object_attach_cgroup),
	METHOD_PROPERTY("attachIterator", object_attach_iterator),
	METHOD_PROPERTY("attachDevice", object_attach_device),
	METHOD_PROPERTY("attachFilter", object_attach_filter),
	METHOD_PROPERTY("attachMap", object_attach_map),
	METHOD_PROPERTY("iterate", object_iterate),
	METHOD_PROPERTY("openIterator", object_open_iterator),
	METHOD_PROPERTY("testRun", object_test_run),
	METHOD_PROPERTY("programStats", object_program_stats),
	METHOD_PROPERTY("map", object_map),
	METHOD_PROPERTY("mapLayout", object_map_layout),
	METHOD_PROPERTY("reuseMap", object_reuse_map),
	METHOD_PROPERTY("pinMap", object_pin_map),
	METHOD_PROPERTY("pinProgram", object_pin_program),
	CLOSE_PROPERTY(HANDLE_OBJECT),
};

static const napi_property_descriptor link_properties[] = {
	METHOD_PROPERTY("pin", link_pin),
	METHOD_PROPERTY("update", link_update),
	METHOD_PROPERTY("info", link_info),
	CLOSE_PROPERTY(HANDLE_LINK),
};

static const napi_property_descriptor map_properties[] = {
	METHOD_PROPERTY("lookup", map_lookup),
	METHOD_PROPERTY("take", map_take),
	METHOD_PROPERTY("update", map_update),
	METHOD_PROPERTY("delete", map_delete),
	METHOD_PROPERTY("setProgram", map_set_program),
	METHOD_PROPERTY("freeze", map_freeze),
	METHOD_PROPERTY("entries", map_entries),
	METHOD_PROPERTY("updateBatch", map_update_batch),
	METHOD_PROPERTY("deleteBatch", map_delete_batch),
	CLOSE_PROPERTY(HANDLE_MAP),
};

static const napi_property_descriptor ring_properties[] = {
	METHOD_PROPERTY("drain", ring_drain),
	METHOD_PROPERTY("onReadable", ring_on_readable),
	METHOD_PROPERTY("ref", ring_ref),
	METHOD_PROPERTY("unref", ring_unref),
	GETTER_PROPERTY("waiting", ring_waiting),
	GETTER_PROPERTY("malformed", ring_malformed),
	CLOSE_PROPERTY(HANDLE_RING),
};

static const napi_property_descriptor stats_properties[] = { CLOSE_PROPERTY(HANDLE_STATS) };

static const napi_property_descriptor kernel_types_properties[] = {
	METHOD_PROPERTY("enumValues", kernel_types_enum_values),
	METHOD_PROPERTY("has", kernel_types_has),
	CLOSE_PROPERTY(HANDLE_KERNEL_TYPES),
};

static const napi_property_descriptor conntrack_properties[] = {
	METHOD_PROPERTY("find", conntrack_find),
	METHOD_PROPERTY("findOriginal", conntrack_find_original),
	CLOSE_PROPERTY(HANDLE_CONNTRACK),
};

static void environment_ends(void *data)
{
	handles_close_all(data);
}

static void instance_free(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	free(data);
}

static bool define_classes(napi_env env)
{
	return handle_define_class(env, HANDLE_OBJECT, object_properties, COUNT(object_properties)) &&
	       handle_define_class(env, HANDLE_LINK, link_properties, COUNT(link_properties)) &&
	       handle_define_class(env, HANDLE_MAP, map_properties, COUNT(map_properties)) &&
	       handle_define_class(env, HANDLE_RING, ring_properties, COUNT(ring_properties)) &&
	       handle_define_class(env, HANDLE_STATS, stats_properties, COUNT(stats_properties)) &&
	       handle_define_class(env, HANDLE_KERNEL_TYPES, kernel_types_properties, COUNT(kernel_types_properties)) &&
	       handle_define_class(env, HANDLE_CONNTRACK, conntrack_properties, COUNT(conntrack_properties));
}

NAPI_MODULE_INIT()
{
	const napi_property_descriptor functions[] = {
		METHOD_PROPERTY("openObject", open_object),
		METHOD_PROPERTY("openLink", open_link),
		METHOD_PROPERTY("detachFilter", detach_filter),
		METHOD_PROPERTY("networkNamespaceCookie", network_namespace_cookie),
		METHOD_PROPERTY("openRing", open_ring),
		METHOD_PROPERTY("enableStats", enable_stats),
		METHOD_PROPERTY("openKernelTypes", open_kernel_types),
		METHOD_PROPERTY("openConntrack", open_conntrack),
		METHOD_PROPERTY("askRouting", ask_routing),
		METHOD_PROPERTY("giveBackMemory", give_back_memory),
		METHOD_PROPERTY("giveBackPages", give_back_pages),
		{ .utf8name = "possibleCpus", .value = make_number(env, libbpf_num_possible_cpus()),
		  .attributes = napi_enumerable },
	};
	struct instance *instance = calloc(1, sizeof(*instance));

	log_install();
	if (instance == NULL)
		return throw_native(env, NATIVE_MEMORY, 0, "no memory for the addon");
	instance->env = env;
	if (napi_set_instance_data(env, instance, instance_free, NULL) != napi_ok) {
		free(instance);
		return throw_native(env, NATIVE_MEMORY, 0, "cannot keep the addon's data");
	}
	if (napi_add_env_cleanup_hook(env, environment_ends, instance) != napi_ok || !define_classes(env) ||
	    napi_define_properties(env, exports, COUNT(functions), functions) != napi_ok)
		return throw_native(env, NATIVE_MEMORY, 0, "cannot set up the addon");
	return exports;
}
