// SPDX-License-Identifier: Apache-2.0
/* Errors as data: code, errno, cause, next step, and the tail of what libbpf and the verifier said during this call. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* The verifier writes megabytes; the reason stands at the end. */
#define LOG_TAIL_BYTES 65536

static const struct {
	const char *code;
	const char *next_step;
} errors[] = {
#define X(name, next_step) [NATIVE_##name] = { "FLOW_NATIVE_" #name, next_step },
	NATIVE_ERRORS(X)
#undef X
};

/* libbpf has one print function for the process; workers load at the same time, so each thread keeps its own tail. */
static __thread char log_tail[LOG_TAIL_BYTES];
static __thread size_t log_length;

static void log_append(const char *text, size_t length)
{
	if (length >= LOG_TAIL_BYTES) {
		text += length - LOG_TAIL_BYTES;
		length = LOG_TAIL_BYTES;
	}
	if (log_length + length > LOG_TAIL_BYTES) {
		size_t kept = LOG_TAIL_BYTES - length;

		memmove(log_tail, log_tail + log_length - kept, kept);
		log_length = kept;
	}
	memcpy(log_tail + log_length, text, length);
	log_length += length;
}

static int log_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *line;
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	length = vasprintf(&line, format, arguments);
	if (length < 0)
		return 0;
	log_append(line, length);
	free(line);
	return length;
}

void log_install(void)
{
	libbpf_set_print(log_print);
}

void log_reset(void)
{
	log_length = 0;
}

static napi_value log_text(napi_env env)
{
	napi_value text = NULL;
	size_t start = 0;

	/* A cut in the middle of a line would show half a sentence as if it were whole. */
	if (log_length == LOG_TAIL_BYTES) {
		while (start < log_length && log_tail[start] != '\n')
			start++;
		start = start < log_length ? start + 1 : 0;
	}
	napi_create_string_utf8(env, log_tail + start, log_length - start, &text);
	return text;
}

napi_value throw_native(napi_env env, enum native_error what, int error_number, const char *format, ...)
{
	char message[1024], cause[256] = "";
	napi_value error = NULL;
	bool pending = true;
	va_list arguments;
	int length;

	if (error_number < 0)
		error_number = -error_number;
	if (error_number != 0)
		libbpf_strerror(error_number, cause, sizeof(cause));
	va_start(arguments, format);
	length = vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < sizeof(message) && cause[0] != '\0')
		snprintf(message + length, sizeof(message) - length, ": %s", cause);

	/* What JavaScript threw while it was called from here (a getter, a callback) says more than we could. */
	if (napi_is_exception_pending(env, &pending) != napi_ok || pending)
		return NULL;
	if (what == NATIVE_ARGUMENT)
		napi_create_type_error(env, make_text(env, errors[what].code), make_text(env, message), &error);
	else
		napi_create_error(env, make_text(env, errors[what].code), make_text(env, message), &error);
	if (error == NULL)
		return NULL;
	set_property(env, error, "errno", make_number(env, error_number));
	set_property(env, error, "cause", make_text(env, cause));
	set_property(env, error, "nextStep", make_text(env, errors[what].next_step));
	set_property(env, error, "log", log_text(env));
	napi_throw(env, error);
	return NULL;
}
