// SPDX-License-Identifier: Apache-2.0
/* What the programs cost: run counts and times, counted by the kernel while somebody holds a stats handle. */
#include <unistd.h>

#include "addon.h"

struct stats_handle {
	struct handle handle;
	int descriptor;
};

static void stats_release(struct handle *handle)
{
	close(((struct stats_handle *)handle)->descriptor);
}

METHOD(enable_stats)
{
	struct stats_handle *stats;
	napi_value result;
	int descriptor;

	(void)info;
	log_reset();
	descriptor = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (descriptor < 0)
		return throw_native(env, NATIVE_STATS, descriptor, "cannot enable program statistics");
	stats = handle_create(env, HANDLE_STATS, sizeof(*stats), NULL, stats_release, &result);
	if (stats == NULL) {
		close(descriptor);
		return NULL;
	}
	stats->descriptor = descriptor;
	return result;
}

METHOD(object_program_stats)
{
	struct object_handle *object = method_begin(env, info, HANDLE_OBJECT, 0, NULL);
	struct bpf_program *program;
	napi_value list, entry;
	uint32_t index = 0;

	if (object == NULL || napi_create_array(env, &list) != napi_ok)
		return NULL;
	bpf_object__for_each_program(program, object->object) {
		struct bpf_prog_info details = {};
		__u32 size = sizeof(details);
		int error;

		if (bpf_program__fd(program) < 0)
			continue;
		error = bpf_obj_get_info_by_fd(bpf_program__fd(program), &details, &size);
		if (error != 0)
			return throw_native(env, NATIVE_STATS, error, "cannot read statistics of %s",
					    bpf_program__name(program));
		if (napi_create_object(env, &entry) != napi_ok)
			return NULL;
		set_property(env, entry, "name", make_text(env, bpf_program__name(program)));
		set_property(env, entry, "id", make_number(env, details.id));
		set_property(env, entry, "runCount", make_bigint(env, details.run_cnt));
		set_property(env, entry, "runTimeNs", make_bigint(env, details.run_time_ns));
		set_property(env, entry, "recursionMisses", make_bigint(env, details.recursion_misses));
		set_property(env, entry, "verifiedInstructions", make_number(env, details.verified_insns));
		napi_set_element(env, list, index++, entry);
	}
	return list;
}
