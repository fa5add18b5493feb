// SPDX-License-Identifier: Apache-2.0
/* Reading JavaScript arguments strictly, and making JavaScript values. */
#include <limits.h>

#include "addon.h"

bool read_text(napi_env env, napi_value value, const char *what, char *text, size_t size)
{
	size_t length = 0;

	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length == 0) {
		throw_native(env, NATIVE_ARGUMENT, 0, "%s must be a non-empty string", what);
		return false;
	}
	if (length >= size) {
		throw_native(env, NATIVE_ARGUMENT, 0, "%s has %zu bytes, at most %zu are possible", what, length, size - 1);
		return false;
	}
	napi_get_value_string_utf8(env, value, text, size, &length);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0') {
			throw_native(env, NATIVE_ARGUMENT, 0, "%s contains a NUL character", what);
			return false;
		}
	}
	return true;
}

bool read_bytes(napi_env env, napi_value value, const char *what, struct bytes *bytes)
{
	napi_typedarray_type type;
	bool is_array = false;
	void *data = NULL;

	if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array ||
	    napi_get_typedarray_info(env, value, &type, &bytes->length, &data, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array) {
		throw_native(env, NATIVE_ARGUMENT, 0, "%s must be a Uint8Array or Buffer", what);
		return false;
	}
	bytes->data = data;
	return true;
}

bool read_exact_bytes(napi_env env, napi_value value, const char *what, size_t length, struct bytes *bytes)
{
	if (!read_bytes(env, value, what, bytes))
		return false;
	if (bytes->length != length) {
		throw_native(env, NATIVE_ARGUMENT, 0, "%s has %zu bytes, %zu are needed", what, bytes->length, length);
		return false;
	}
	return true;
}

bool read_u32(napi_env env, napi_value value, const char *what, uint32_t *number)
{
	double wide;

	if (napi_get_value_double(env, value, &wide) != napi_ok || !(wide >= 0 && wide <= UINT_MAX) ||
	    wide != (double)(uint32_t)wide) {
		throw_native(env, NATIVE_ARGUMENT, 0, "%s must be a whole number from 0 to %u", what, UINT_MAX);
		return false;
	}
	*number = (uint32_t)wide;
	return true;
}

bool read_boolean(napi_env env, napi_value value, const char *what, bool *answer)
{
	if (napi_get_value_bool(env, value, answer) != napi_ok) {
		throw_native(env, NATIVE_ARGUMENT, 0, "%s must be true or false", what);
		return false;
	}
	return true;
}

bool is_absent(napi_env env, napi_value value)
{
	napi_valuetype type = napi_undefined;

	napi_typeof(env, value, &type);
	return type == napi_undefined || type == napi_null;
}

napi_value make_text(napi_env env, const char *text)
{
	napi_value value = NULL;

	napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
	return value;
}

napi_value make_number(napi_env env, double number)
{
	napi_value value = NULL;

	napi_create_double(env, number, &value);
	return value;
}

napi_value make_bigint(napi_env env, uint64_t number)
{
	napi_value value = NULL;

	napi_create_bigint_uint64(env, number, &value);
	return value;
}

napi_value make_buffer(napi_env env, const void *data, size_t length)
{
	napi_value value = NULL;
	void *copy = NULL;

	if (napi_create_buffer_copy(env, length, length == 0 ? "" : data, &copy, &value) != napi_ok)
		return throw_native(env, NATIVE_MEMORY, 0, "no memory for a buffer of %zu bytes", length);
	return value;
}

void set_property(napi_env env, napi_value object, const char *name, napi_value value)
{
	if (value != NULL)
		napi_set_named_property(env, object, name, value);
}
