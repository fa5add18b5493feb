// SPDX-License-Identifier: Apache-2.0
/* Lifetimes: who keeps a handle alive, who closes it, and in which order. */
#include <stdlib.h>

#include "addon.h"

static const char *const kind_names[HANDLE_KINDS] = {
	[HANDLE_OBJECT] = "BpfObject",
	[HANDLE_LINK] = "Link",
	[HANDLE_MAP] = "BpfMap",
	[HANDLE_RING] = "Ring",
	[HANDLE_STATS] = "Stats",
	[HANDLE_KERNEL_TYPES] = "KernelTypes",
	[HANDLE_CONNTRACK] = "Conntrack",
};

/* Marks JavaScript objects as ours, so that a method called on a foreign `this` cannot read foreign memory. */
static napi_type_tag tag_of(enum handle_kind kind)
{
	return (napi_type_tag){ .lower = 0x666c6f777370616eULL, .upper = 0x9a3c5e1700000000ULL + kind };
}

const char *handle_kind_name(enum handle_kind kind)
{
	return kind_names[kind];
}

struct instance *instance_of(napi_env env)
{
	void *instance = NULL;

	napi_get_instance_data(env, &instance);
	return instance;
}

static void handle_drop(struct handle *handle)
{
	struct handle *owner = handle->owner;

	if (--handle->references > 0)
		return;
	free(handle);
	if (owner != NULL)
		handle_drop(owner);
}

void handle_close(struct handle *handle)
{
	struct instance *instance = handle->instance;
	napi_ref self = handle->self;
	struct handle *other;

	if (handle->closed)
		return;
	handle->closed = true;
	for (other = instance->newest; other != NULL;) {
		if (other->owner == handle && !other->closed) {
			handle_close(other);
			other = instance->newest;
		} else {
			other = other->older;
		}
	}
	if (handle->newer != NULL)
		handle->newer->older = handle->older;
	else
		instance->newest = handle->older;
	if (handle->older != NULL)
		handle->older->newer = handle->newer;
	handle->self = NULL;
	handle->release(handle);
	if (self != NULL)
		napi_delete_reference(instance->env, self);
}

void handles_close_all(struct instance *instance)
{
	while (instance->newest != NULL)
		handle_close(instance->newest);
}

static void handle_finalize(napi_env env, void *data, void *hint)
{
	struct handle *handle = data;

	(void)env;
	(void)hint;
	handle_close(handle);
	handle_drop(handle);
}

static napi_value construct_refused(napi_env env, napi_callback_info info)
{
	napi_value target = NULL, self = NULL;
	void *token = NULL;

	/* Only handle_create() may make one: it passes an external that no script can have. */
	size_t argc = 1;
	napi_value argument;
	napi_get_new_target(env, info, &target);
	napi_get_cb_info(env, info, &argc, &argument, &self, NULL);
	if (target != NULL && argc == 1 && napi_get_value_external(env, argument, &token) == napi_ok &&
	    token == instance_of(env))
		return self;
	return throw_native(env, NATIVE_ARGUMENT, 0, "handles are made by openObject() and its siblings, not by new");
}

bool handle_define_class(napi_env env, enum handle_kind kind, const napi_property_descriptor *properties, size_t count)
{
	napi_value constructor;

	return napi_define_class(env, kind_names[kind], NAPI_AUTO_LENGTH, construct_refused, NULL, count, properties,
				 &constructor) == napi_ok &&
	       napi_create_reference(env, constructor, 1, &instance_of(env)->constructors[kind]) == napi_ok;
}

void *handle_create(napi_env env, enum handle_kind kind, size_t size, struct handle *owner,
		    void (*release)(struct handle *), napi_value *result)
{
	struct instance *instance = instance_of(env);
	napi_type_tag tag = tag_of(kind);
	napi_value constructor, token;
	struct handle *handle = calloc(1, size);

	if (handle == NULL) {
		throw_native(env, NATIVE_MEMORY, 0, "no memory for a %s", kind_names[kind]);
		return NULL;
	}
	handle->instance = instance;
	handle->kind = kind;
	handle->owner = owner;
	handle->release = release;
	handle->references = 1;
	if (napi_create_external(env, instance, NULL, NULL, &token) != napi_ok ||
	    napi_get_reference_value(env, instance->constructors[kind], &constructor) != napi_ok ||
	    napi_new_instance(env, constructor, 1, &token, result) != napi_ok ||
	    napi_type_tag_object(env, *result, &tag) != napi_ok ||
	    (kind != HANDLE_MAP && napi_create_reference(env, *result, 1, &handle->self) != napi_ok) ||
	    napi_wrap(env, *result, handle, handle_finalize, NULL, NULL) != napi_ok) {
		if (handle->self != NULL)
			napi_delete_reference(env, handle->self);
		free(handle);
		throw_native(env, NATIVE_MEMORY, 0, "cannot make a %s", kind_names[kind]);
		return NULL;
	}
	if (owner != NULL)
		owner->references++;
	handle->older = instance->newest;
	if (handle->older != NULL)
		handle->older->newer = handle;
	instance->newest = handle;
	return handle;
}

static struct handle *handle_of_kind(napi_env env, napi_value value, enum handle_kind kind)
{
	napi_type_tag tag = tag_of(kind);
	bool tagged = false;
	void *handle = NULL;

	if (napi_check_object_type_tag(env, value, &tag, &tagged) != napi_ok || !tagged ||
	    napi_unwrap(env, value, &handle) != napi_ok)
		throw_native(env, NATIVE_ARGUMENT, 0, "not a %s", kind_names[kind]);
	return handle;
}

void *handle_from(napi_env env, napi_value value, enum handle_kind kind)
{
	struct handle *handle = handle_of_kind(env, value, kind);

	if (handle == NULL)
		return NULL;
	if (handle->closed) {
		throw_native(env, NATIVE_CLOSED, 0, "this %s is closed", kind_names[kind]);
		return NULL;
	}
	return handle;
}

void *method_begin(napi_env env, napi_callback_info info, enum handle_kind kind, size_t argc, napi_value *argv)
{
	napi_value self;

	log_reset();
	if (napi_get_cb_info(env, info, &argc, argv, &self, NULL) != napi_ok)
		return NULL;
	return handle_from(env, self, kind);
}

napi_value handle_close_method(napi_env env, napi_callback_info info)
{
	struct handle *handle;
	napi_value self;
	void *kind = NULL;

	log_reset();
	if (napi_get_cb_info(env, info, NULL, NULL, &self, &kind) != napi_ok)
		return NULL;
	handle = handle_of_kind(env, self, (enum handle_kind)(uintptr_t)kind);
	if (handle != NULL)
		handle_close(handle);
	return NULL;
}
