/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* cgroups that begin and end, told before their first packet. */
#include "record.bpf.h"

static __always_inline void write_cgroup(struct cgroup *cgroup, const char *path, u8 change)
{
	struct cgroup_record *record;
	long length;

	/* Hierarchy 0 is cgroup v2; those of v1 number their cgroups for themselves. */
	if (cgroup->root->hierarchy_id)
		return;
	record = record_reserve(RECORD_KIND_CGROUP, sizeof(*record), bpf_ktime_get_boot_ns());
	if (!record)
		return;
	record->cgroup_id = cgroup->kn->id;
	record->cgroup_change = change;
	__builtin_memset(record->reserved, 0, sizeof(record->reserved));
	length = bpf_probe_read_kernel_str(record->path, sizeof(record->path), path);
	record->path_length = length > 0 ? length - 1 : 0;
	record->header.length = offsetof(struct cgroup_record, path) + record->path_length;
	record_submit(record, sizeof(*record));
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	write_cgroup(cgroup, path, CGROUP_CHANGE_CREATED);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
	write_cgroup(cgroup, path, CGROUP_CHANGE_REMOVED);
	return 0;
}
