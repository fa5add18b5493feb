/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Refuses a local port that is a node port: its clients on this node would reach the service instead. */
#include "dataplane/service_choose.bpf.h"

#define EADDRINUSE 98

/* @return 0: refused */
static __always_inline int refuse_node_port(struct bpf_sock *sk, u64 address_low)
{
	struct frontend_key bound = {
		.address_low = address_low,
		.port = sk->src_port,
		.protocol = sk->protocol,
		.frontend_kind = FRONTEND_KIND_NODE_PORT,
	};
	struct service_choice choice = {.frontend_low = address_low, .lb_reason = LB_REASON_NODE_PORT_BOUND};
	const struct frontend *frontend;
	const struct service *service;
	u32 index;

	if (!is_of_node(sk))
		return 1;
	frontend = bpf_map_lookup_elem(&service_frontends, &bound);
	if (!frontend)
		return 1;
	index = frontend->service;
	service = bpf_map_lookup_elem(&services, &index);
	if (!service || service->lb_mode == LB_MODE_OBSERVE)
		return 1;
	choice.service_id = service->service_id;
	choice.socket_cookie = bpf_get_socket_cookie(sk);
	choice.frontend_port = bound.port;
	choice.protocol = bound.protocol;
	choice.slot = LB_NO_SLOT;
	choice.lb_mode = service->lb_mode;
	account_choice(&choice);
	if (choice.lb_mode != LB_MODE_ENFORCE)
		return 1;
	bpf_set_retval(-EADDRINUSE);
	return 0;
}

SEC("cgroup/post_bind4")
int service_post_bind4(struct bpf_sock *sk)
{
	return refuse_node_port(sk, V4_MAPPED);
}

SEC("cgroup/post_bind6")
int service_post_bind6(struct bpf_sock *sk)
{
	bool is_any = !(sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3]);

	/* A socket of any address takes IPv4 as well; whether it was told not to, this hook cannot see. */
	return refuse_node_port(sk, 0) && (!is_any || refuse_node_port(sk, V4_MAPPED));
}
