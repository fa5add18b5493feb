// SPDX-License-Identifier: Apache-2.0
/* BPF_PROG_TEST_RUN: packet or context in, verdict, packet and context out. */
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* Room for what a program may push in front of a packet, encapsulation included. */
#define HEADROOM_BYTES 512

/* Programs that are given their context as it is, and that the kernel lets return nothing but a number. */
static bool returns_number_only(const struct bpf_program *program)
{
	switch (bpf_program__type(program)) {
	case BPF_PROG_TYPE_SYSCALL:
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
	case BPF_PROG_TYPE_TRACING:
		return true;
	default:
		return false;
	}
}

static bool optional_bytes(napi_env env, napi_value options, const char *name, struct bytes *bytes)
{
	napi_value value;

	if (napi_get_named_property(env, options, name, &value) != napi_ok)
		return false;
	return is_absent(env, value) || read_bytes(env, value, name, bytes);
}

static bool read_run(napi_env env, napi_value options, struct bytes *data, struct bytes *context, uint32_t *repeat)
{
	napi_valuetype type = napi_undefined;
	napi_value value;

	if (is_absent(env, options))
		return true;
	napi_typeof(env, options, &type);
	if (type != napi_object) {
		throw_native(env, NATIVE_ARGUMENT, 0, "options must be an object with data, ctx or repeat");
		return false;
	}
	if (!optional_bytes(env, options, "data", data) || !optional_bytes(env, options, "ctx", context) ||
	    napi_get_named_property(env, options, "repeat", &value) != napi_ok)
		return false;
	return is_absent(env, value) || read_u32(env, value, "repeat", repeat);
}

static napi_value run_result(napi_env env, const struct bpf_test_run_opts *run, const void *context, size_t context_size)
{
	napi_value result;

	if (napi_create_object(env, &result) != napi_ok)
		return NULL;
	set_property(env, result, "retval", make_number(env, run->retval));
	set_property(env, result, "durationNs", make_number(env, run->duration));
	set_property(env, result, "data", make_buffer(env, run->data_out, run->data_size_out));
	set_property(env, result, "ctx", make_buffer(env, context, context_size));
	return result;
}

METHOD(object_test_run)
{
	napi_value argv[2], result = NULL;
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 2, argv);
	LIBBPF_OPTS(bpf_test_run_opts, run);
	struct bytes data = {}, context = {};
	uint8_t *context_in, *context_out, *data_out;
	struct bpf_program *program;
	uint32_t repeat = 0;
	int error;

	if (object == NULL || (program = find_loaded_program(env, object, argv[0])) == NULL ||
	    !read_run(env, argv[1], &data, &context, &repeat))
		return NULL;
	/* A syscall program's changes come back into the very bytes it was given: give it a copy. */
	context_in = malloc(context.length + 1);
	context_out = calloc(1, context.length + 1);
	data_out = malloc(data.length + HEADROOM_BYTES);
	if (context_in == NULL || context_out == NULL || data_out == NULL) {
		throw_native(env, NATIVE_MEMORY, 0, "no memory for a test run");
		goto out;
	}
	memcpy(context_in, context.data == NULL ? (const uint8_t *)"" : context.data, context.length);
	run.repeat = (int)repeat;
	if (context.length > 0) {
		run.ctx_in = context_in;
		run.ctx_size_in = (__u32)context.length;
	}
	if (data.length > 0) {
		run.data_in = data.data;
		run.data_size_in = (__u32)data.length;
	}
	if (!returns_number_only(program)) {
		run.data_out = data.length > 0 ? data_out : NULL;
		run.data_size_out = data.length > 0 ? (__u32)(data.length + HEADROOM_BYTES) : 0;
		run.ctx_out = context.length > 0 ? context_out : NULL;
		run.ctx_size_out = (__u32)context.length;
	}
	error = bpf_prog_test_run_opts(bpf_program__fd(program), &run);
	if (error != 0)
		throw_native(env, NATIVE_TEST_RUN, error, "cannot test-run %s", bpf_program__name(program));
	else if (returns_number_only(program))
		result = run_result(env, &run, context_in, context.length);
	else
		result = run_result(env, &run, context_out, run.ctx_size_out);
out:
	free(context_in);
	free(context_out);
	free(data_out);
	return result;
}
