/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the addon's parts share. Bytes in, bytes out: nothing here knows what a record or a map value means.
 *
 * Every handle given to JavaScript begins with a `struct handle`. It is closed by close(), by closing its owner, or when
 * its environment (process or worker) ends, whichever comes first; never by garbage collection while it holds a kernel
 * resource. Its memory goes when neither JavaScript nor a dependent handle points to it any more.
 */
#ifndef FLOWSPAN_NATIVE_ADDON_H
#define FLOWSPAN_NATIVE_ADDON_H

#define NAPI_VERSION 8
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Error codes (FLOW_NATIVE_<name>) and what the reader of one can do about it. */
#define NATIVE_ERRORS(X) \
	X(ARGUMENT, "Pass what collector/native/addon.ts documents for this call.") \
	X(CLOSED, "Open it again: a closed handle, or one whose object was closed, cannot be used.") \
	X(OPEN, "Build the BPF object (make build) and pass its path.") \
	X(NOT_LOADED, "Call load() first, with the program's autoload left on.") \
	X(ALREADY_LOADED, "Do this between openObject() and load().") \
	X(LOAD, "Read the verifier's last lines in `log`; check the kernel version and CAP_BPF and CAP_PERFMON.") \
	X(PROGRAM, "Compare the name with programs().") \
	X(MAP, "Compare the name with the maps of the BPF object (bpf/maps.bpf.h).") \
	X(GLOBAL, "Compare name and size with the object's `const volatile` globals (bpf/config.bpf.h).") \
	X(ATTACH, "Read `log`; check that the kernel has the hook, and CAP_PERFMON or CAP_NET_ADMIN.") \
	X(CGROUP, "Pass a directory on the cgroup v2 mount, or a descriptor of one.") \
	X(DEVICE, "Check that the device is there, in the network namespace that was named, and CAP_NET_ADMIN, for another namespace CAP_SYS_ADMIN.") \
	X(NAMESPACE, "Check that the path is a network namespace's (/proc/PID/ns/net), and CAP_SYS_ADMIN.") \
	X(LINK, "Check that the link is open and of the program's type.") \
	X(ITERATE, "Check that the link came from attachIterator() and is open.") \
	X(TEST_RUN, "Check that the kernel can test-run this program type with such data and context.") \
	X(MAP_ACCESS, "Check that the map type allows this operation, and CAP_BPF.") \
	X(PIN, "Check that the path is on a mounted BPF filesystem (mount -t bpf bpf /sys/fs/bpf), and CAP_BPF.") \
	X(RING, "Check that the map is a BPF_MAP_TYPE_RINGBUF and that memory can be mapped.") \
	X(BUFFER, "Pass a buffer that holds at least the largest record, padded to eight bytes.") \
	X(STATS, "Check CAP_SYS_ADMIN or CAP_PERFMON; figures need kernel 5.8.") \
	X(KERNEL_TYPES, "Run a kernel built with CONFIG_DEBUG_INFO_BTF, which shows its types in /sys/kernel/btf/vmlinux.") \
	X(CONNTRACK, "Load the module nf_conntrack_netlink, and run with CAP_NET_ADMIN.") \
	X(NETLINK, "Check CAP_NET_ADMIN; the kernel's reason is in `cause`.") \
	X(MEMORY, "Free memory on this machine or raise the limit of this process.")

enum native_error {
#define X(name, next_step) NATIVE_##name,
	NATIVE_ERRORS(X)
#undef X
};

enum handle_kind {
	HANDLE_OBJECT,
	HANDLE_LINK,
	HANDLE_MAP,
	HANDLE_RING,
	HANDLE_STATS,
	HANDLE_KERNEL_TYPES,
	HANDLE_CONNTRACK,
	HANDLE_KINDS,
};

/* One per environment: the main thread and each worker that loads the addon have their own. */
struct instance {
	napi_env env;
	struct handle *newest;
	napi_ref constructors[HANDLE_KINDS];
};

struct handle {
	struct instance *instance;
	struct handle *older;
	struct handle *newer;
	struct handle *owner;		/* closing the owner closes this one first */
	void (*release)(struct handle *handle);
	napi_ref self;			/* keeps the JavaScript side alive while a kernel resource is held */
	enum handle_kind kind;
	int references;
	bool closed;
};

struct object_handle {
	struct handle handle;
	struct bpf_object *object;
	bool load_tried;
	bool loaded;
};

struct link_handle {
	struct handle handle;
	struct bpf_link *link;		/* NULL: libbpf does not know it, only `descriptor` holds it */
	int descriptor;
	bool is_iterator;
};

struct bytes {
	uint8_t *data;
	size_t length;
};

/* errors.c: each throws and returns NULL, so that a caller can `return` it. error_number may be negative or 0. */
napi_value throw_native(napi_env env, enum native_error what, int error_number, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Begins a call: forgets what libbpf said during the one before. */
void log_reset(void);
void log_install(void);

/* handle.c */
struct instance *instance_of(napi_env env);
bool handle_define_class(napi_env env, enum handle_kind kind, const napi_property_descriptor *properties, size_t count);
/* Gives a zeroed handle of `size` bytes and its JavaScript object; NULL with an exception pending when that fails. */
void *handle_create(napi_env env, enum handle_kind kind, size_t size, struct handle *owner,
		    void (*release)(struct handle *), napi_value *result);
void handle_close(struct handle *handle);
void handles_close_all(struct instance *instance);
/* The open handle behind `value`, or NULL with an exception pending. */
void *handle_from(napi_env env, napi_value value, enum handle_kind kind);
/* Begins a method: `this` as an open handle and up to *argc arguments (missing ones are undefined). */
void *method_begin(napi_env env, napi_callback_info info, enum handle_kind kind, size_t argc, napi_value *argv);
napi_value handle_close_method(napi_env env, napi_callback_info info);
const char *handle_kind_name(enum handle_kind kind);

/* arguments.c: each reads one argument or throws FLOW_NATIVE_ARGUMENT and returns false. */
#define NAME_SIZE 256
#define PATH_SIZE 4096
bool read_text(napi_env env, napi_value value, const char *what, char *text, size_t size);
bool read_bytes(napi_env env, napi_value value, const char *what, struct bytes *bytes);
bool read_exact_bytes(napi_env env, napi_value value, const char *what, size_t length, struct bytes *bytes);
bool read_u32(napi_env env, napi_value value, const char *what, uint32_t *number);
bool read_boolean(napi_env env, napi_value value, const char *what, bool *answer);
bool is_absent(napi_env env, napi_value value);
napi_value make_text(napi_env env, const char *text);
napi_value make_number(napi_env env, double number);
napi_value make_bigint(napi_env env, uint64_t number);
napi_value make_buffer(napi_env env, const void *data, size_t length);
void set_property(napi_env env, napi_value object, const char *name, napi_value value);

/* object.c */
struct bpf_program *find_program(napi_env env, struct object_handle *object, napi_value name);
struct bpf_program *find_loaded_program(napi_env env, struct object_handle *object, napi_value name);
struct bpf_map *find_map(napi_env env, struct object_handle *object, napi_value name);
struct bpf_map *find_loaded_map(napi_env env, struct object_handle *object, napi_value name);
/* `this` as an object whose load has not been tried: libbpf keeps no way back from a load, failed or not. */
struct object_handle *unloaded_object(napi_env env, napi_callback_info info, size_t argc, napi_value *argv);

/* link.c */
int link_descriptor(const struct link_handle *link);
/* Takes over the descriptor of a link, also where it fails. */
napi_value make_link_of_descriptor(napi_env env, struct handle *owner, int descriptor);

/* namespace.c: runs `work` in the network namespace at `path`, on a thread of its own, or here if `path` is empty. */
int in_network_namespace(const char *path, int (*work)(void *context), void *context);

/* One method or function each; addon.c puts them into the exported classes. */
#define METHOD(name) napi_value name(napi_env env, napi_callback_info info)
METHOD(open_object);
METHOD(object_load);
METHOD(object_set_autoload);
METHOD(object_set_max_entries);
METHOD(object_programs);
METHOD(object_maps);
METHOD(object_set_global);
METHOD(object_get_global);
METHOD(object_attach);
METHOD(object_attach_cgroup);
METHOD(object_attach_iterator);
METHOD(object_attach_device);
METHOD(object_attach_filter);
METHOD(object_attach_map);
METHOD(object_iterate);
METHOD(object_open_iterator);
METHOD(object_test_run);
METHOD(object_program_stats);
METHOD(object_map);
METHOD(object_map_layout);
METHOD(object_reuse_map);
METHOD(object_pin_map);
METHOD(object_pin_program);
METHOD(open_link);
METHOD(link_pin);
METHOD(link_update);
METHOD(link_info);
METHOD(detach_filter);
METHOD(network_namespace_cookie);
METHOD(map_lookup);
METHOD(map_take);
METHOD(map_update);
METHOD(map_delete);
METHOD(map_set_program);
METHOD(map_freeze);
METHOD(map_entries);
METHOD(map_update_batch);
METHOD(map_delete_batch);
METHOD(open_ring);
METHOD(ring_drain);
METHOD(ring_waiting);
METHOD(ring_malformed);
METHOD(ring_on_readable);
METHOD(ring_ref);
METHOD(ring_unref);
METHOD(enable_stats);
METHOD(give_back_memory);
METHOD(give_back_pages);
METHOD(open_kernel_types);
METHOD(kernel_types_enum_values);
METHOD(kernel_types_has);
METHOD(open_conntrack);
METHOD(conntrack_find);
METHOD(conntrack_find_original);
METHOD(ask_routing);

#endif
