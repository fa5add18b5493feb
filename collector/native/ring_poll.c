// SPDX-License-Identifier: Apache-2.0
/* Readiness of a ring through the event loop: libuv watches the ring's descriptor, no thread and no timer of ours. */
#include <stdlib.h>
#include <uv.h>

#include "ring.h"

/* Outlives its ring until libuv has let go of the watcher, which it does in a later turn of the loop. */
struct ring_poll {
	uv_poll_t watcher;
	napi_env env;
	napi_ref callback;
	napi_async_context context;
	napi_async_cleanup_hook_handle cleanup;
	bool closing;
};

static void poll_let_go(uv_handle_t *watcher)
{
	struct ring_poll *poll = watcher->data;

	napi_remove_async_cleanup_hook(poll->cleanup);
	free(poll);
}

static void poll_close(struct ring_poll *poll)
{
	if (poll->closing)
		return;
	poll->closing = true;
	napi_delete_reference(poll->env, poll->callback);
	napi_async_destroy(poll->env, poll->context);
	uv_close((uv_handle_t *)&poll->watcher, poll_let_go);
}

/* The environment waits with its end until the watcher is gone. */
static void poll_environment_ends(napi_async_cleanup_hook_handle cleanup, void *data)
{
	(void)cleanup;
	poll_close(data);
}

void ring_poll_close(struct ring *ring)
{
	if (ring->poll != NULL)
		poll_close(ring->poll);
	ring->poll = NULL;
}

static void poll_readable(uv_poll_t *watcher, int status, int events)
{
	struct ring_poll *poll = watcher->data;
	napi_env env = poll->env;
	napi_handle_scope scope;
	napi_value callback, self, error;

	(void)events;
	if (status < 0 || napi_open_handle_scope(env, &scope) != napi_ok)
		return;
	if (napi_get_reference_value(env, poll->callback, &callback) == napi_ok && napi_get_global(env, &self) == napi_ok &&
	    napi_make_callback(env, poll->context, self, callback, 0, NULL, NULL) == napi_pending_exception &&
	    napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
	napi_close_handle_scope(env, scope);
}

static napi_value poll_start(napi_env env, struct ring *ring, napi_value callback)
{
	struct ring_poll *poll = calloc(1, sizeof(*poll));
	uv_loop_t *loop = NULL;
	int error;

	if (poll == NULL)
		return throw_native(env, NATIVE_MEMORY, 0, "no memory for a watcher");
	poll->env = env;
	napi_get_uv_event_loop(env, &loop);
	error = uv_poll_init(loop, &poll->watcher, ring->descriptor);
	if (error != 0) {
		free(poll);
		return throw_native(env, NATIVE_RING, error, "cannot watch the ring");
	}
	poll->watcher.data = poll;
	ring->poll = poll;
	napi_create_reference(env, callback, 1, &poll->callback);
	napi_async_init(env, NULL, make_text(env, "flowspan:ring"), &poll->context);
	napi_add_async_cleanup_hook(env, poll_environment_ends, poll, &poll->cleanup);
	error = uv_poll_start(&poll->watcher, UV_READABLE, poll_readable);
	if (error != 0) {
		ring_poll_close(ring);
		return throw_native(env, NATIVE_RING, error, "cannot watch the ring");
	}
	return NULL;
}

METHOD(ring_on_readable)
{
	napi_value argv[1];
	struct ring *ring = method_begin(env, info, HANDLE_RING, 1, argv);
	napi_valuetype type = napi_undefined;

	if (ring == NULL)
		return NULL;
	napi_typeof(env, argv[0], &type);
	if (type != napi_function && type != napi_null)
		return throw_native(env, NATIVE_ARGUMENT, 0, "callback must be a function, or null to stop");
	ring_poll_close(ring);
	return type == napi_null ? NULL : poll_start(env, ring, argv[0]);
}

static napi_value ring_hold(napi_env env, napi_callback_info info, void (*hold)(uv_handle_t *))
{
	struct ring *ring = method_begin(env, info, HANDLE_RING, 0, NULL);

	if (ring != NULL && ring->poll != NULL)
		hold((uv_handle_t *)&ring->poll->watcher);
	return NULL;
}

METHOD(ring_ref)
{
	return ring_hold(env, info, uv_ref);
}

METHOD(ring_unref)
{
	return ring_hold(env, info, uv_unref);
}
