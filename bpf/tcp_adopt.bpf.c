/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Finds the connections that were open before we came. */
#include "tcp_adopt.bpf.h"

/* Run once at the start, before the first snapshot. */
SEC("iter/task_file")
int adopt_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket_state *state;
	struct socket *socket;
	struct tcp_sock *tp;
	struct sock *sk;
	u8 tcp_state;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	tcp_state = sk->__sk_common.skc_state;
	if (tcp_state == TCP_STATE_LISTEN) {
		struct listener_key key = {.netns = socket_netns(sk), .port = local_port(sk)};
		u8 one = 1;

		bpf_map_update_elem(&listeners, &key, &one, BPF_ANY);
		return 0;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !is_connected(tcp_state))
		return 0;
	state = socket_state_create(sk);
	if (!state)
		return 0;
	if (!state->opened_ns)
		adopt_connection(state, sk, tp, bpf_get_socket_cookie(sk), bpf_ktime_get_boot_ns());
	if (!state->connection.pid) {
		state->connection.pid = task->tgid;
		state->connection.owner_cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
		BPF_CORE_READ_STR_INTO(&state->command, task, group_leader, comm);
	}
	return 0;
}
