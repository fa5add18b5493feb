/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a socket's state is filled from: its two ends, its role, its owner. */
#ifndef FLOWSPAN_SOCKET_BPF_H
#define FLOWSPAN_SOCKET_BPF_H

#include "address_table.bpf.h"
#include "record.bpf.h"

static __always_inline void map_v4(wire_u8 *address, __be32 v4)
{
	__builtin_memset(address, 0, 10);
	address[10] = 0xff;
	address[11] = 0xff;
	__builtin_memcpy(address + 12, &v4, 4);
}

/* Both addresses of a socket, v4 as v4-mapped; what travels on the wire (4 or 6). */
static __always_inline u8 socket_addresses(const struct sock_common *common, wire_u8 *local, wire_u8 *remote)
{
	if (common->skc_family == AF_INET) {
		map_v4(local, common->skc_rcv_saddr);
		map_v4(remote, common->skc_daddr);
		return 4;
	}
	struct in6_addr local6 = {}, remote6 = {};

	bpf_core_read(&local6, sizeof(local6), &common->skc_v6_rcv_saddr);
	bpf_core_read(&remote6, sizeof(remote6), &common->skc_v6_daddr);
	__builtin_memcpy(local, &local6, 16);
	__builtin_memcpy(remote, &remote6, 16);
	/* A socket for both families speaks IPv4 to a mapped address. */
	if (remote6.in6_u.u6_addr32[0] == 0 && remote6.in6_u.u6_addr32[1] == 0 &&
	    remote6.in6_u.u6_addr32[2] == bpf_htonl(0xffff))
		return 4;
	return 6;
}

static __always_inline u16 local_port(const struct sock *sk)
{
	u16 port = sk->__sk_common.skc_num;

	/* skc_num is gone by the time a socket is closed; inet_sport stays. */
	if (port)
		return port;
	return bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
}

static __always_inline u32 socket_netns(const struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

static __always_inline u64 socket_cgroup_id(const struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

/* Levels of cgroups that are looked at from the root: a pod's container has some six. */
#define CGROUP_LEVELS 32

/* Whether a socket is within the cgroup that is watched. */
static __always_inline bool is_watched(const struct sock *sk)
{
	struct cgroup *cgroup = NULL, *ancestor;
	int level;

	if (!watched_cgroup_id || !bpf_core_field_exists(cgroup->ancestors))
		return true;
	cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	level = BPF_CORE_READ(cgroup, level);
	for (int i = 0; i <= level && i < CGROUP_LEVELS; i++) {
		if (bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[i]))
			return false;
		if (BPF_CORE_READ(ancestor, kn, id) == watched_cgroup_id)
			return true;
	}
	return false;
}

static __always_inline struct socket_state *socket_state_of(struct sock *sk)
{
	return bpf_sk_storage_get(&sockets, sk, NULL, 0);
}

/* NULL for a socket that is not watched. */
static __always_inline struct socket_state *socket_state_create(struct sock *sk)
{
	struct socket_state *state;

	if (!is_watched(sk))
		return NULL;
	state = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state)
		count_discard(DISCARD_REASON_SOCKET_STORAGE);
	return state;
}

/* Writes down who the ends are: the client (initiator) is the source. Called when the role is known, and only then. */
static __always_inline void stamp_ends(struct connection *connection, const struct sock *sk, u8 observation_point,
				       u8 initiator_known)
{
	wire_u8 local[16], remote[16];
	u16 lport = local_port(sk), rport = bpf_ntohs(sk->__sk_common.skc_dport);

	connection->ip_version = socket_addresses(&sk->__sk_common, local, remote);
	connection->netns = socket_netns(sk);
	connection->protocol = IPPROTO_TCP;
	connection->observation_point = observation_point;
	connection->initiator_known = initiator_known;
	connection->verdict = VERDICT_FORWARDED;
	if (observation_point == OBSERVATION_POINT_SERVER) {
		__builtin_memcpy(connection->source_address, remote, 16);
		__builtin_memcpy(connection->destination_address, local, 16);
		connection->source_port = rport;
		connection->destination_port = lport;
		connection->traffic_direction = TRAFFIC_DIRECTION_INGRESS;
	} else {
		__builtin_memcpy(connection->source_address, local, 16);
		__builtin_memcpy(connection->destination_address, remote, 16);
		connection->source_port = lport;
		connection->destination_port = rport;
		connection->traffic_direction = TRAFFIC_DIRECTION_EGRESS;
	}
}

/* Whose address the other end has. Once per connection, with the first look at its ends: later owners are not asked for. */
static __always_inline void stamp_peer(struct connection *connection)
{
	struct address_key peer;

	if (!has_address_table())
		return;
	if (connection->observation_point == OBSERVATION_POINT_SERVER)
		__builtin_memcpy(&peer, connection->source_address, sizeof(peer));
	else
		__builtin_memcpy(&peer, connection->destination_address, sizeof(peer));
	connection->peer_endpoint_id = endpoint_of_address(&peer);
}

/*
 * Where the two streams begin, told at any later time: what TCP has counted lies between there and where it stands. The
 * acknowledgement of our SYN counts as a byte; that of a SYN-ACK does not.
 */
static __always_inline void stamp_sequences(struct connection *connection, const struct tcp_sock *tp)
{
	u32 sent = tp->snd_una - (u32)tp->bytes_acked, received = tp->rcv_nxt - (u32)tp->bytes_received;
	bool server = connection->observation_point == OBSERVATION_POINT_SERVER;

	connection->source_sequence_begin = server ? received : sent + 1;
	connection->destination_sequence_begin = server ? sent : received;
}

/* What does not depend on the role. The cookie is asked for by the caller: helpers differ in the pointer they take. */
static __always_inline void stamp_socket(struct connection *connection, const struct sock *sk, u64 cookie)
{
	connection->socket_cookie = cookie;
	connection->socket_cgroup_id = socket_cgroup_id(sk);
	connection->netns = socket_netns(sk);
	connection->protocol = sk->sk_protocol;
	connection->verdict = VERDICT_FORWARDED;
}

/* The owner is whoever reads and writes: sockets are created by parents, passed on and activated by systemd. */
static __always_inline void stamp_owner(struct socket_state *state)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (state->stamped_pid == pid || pid == 0)
		return;
	state->stamped_pid = pid;
	state->connection.pid = pid;
	state->connection.owner_cgroup_id = bpf_get_current_cgroup_id();
	bpf_get_current_comm(state->command, sizeof(state->command));
}

static __always_inline u8 side_of(const struct connection *connection, bool local)
{
	if (connection->observation_point == OBSERVATION_POINT_CLIENT)
		return local ? CLOSED_BY_CLIENT : CLOSED_BY_SERVER;
	if (connection->observation_point == OBSERVATION_POINT_SERVER)
		return local ? CLOSED_BY_SERVER : CLOSED_BY_CLIENT;
	return CLOSED_BY_NONE;
}

#endif
