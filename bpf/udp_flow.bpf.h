/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* UDP, counted per socket and peer from the packets that cgroup_skb sees. */
#ifndef FLOWSPAN_UDP_FLOW_BPF_H
#define FLOWSPAN_UDP_FLOW_BPF_H

#include "decisions.bpf.h"
#include "kept.bpf.h"
#include "packet_header.bpf.h"
#include "socket.bpf.h"

struct udp_flow_key {
	u64 socket_cookie;
	wire_u8 peer_address[16];
	u16 peer_port;
	u8 reserved[6];
};

struct udp_counters {
	u64 bytes_sent;
	u64 bytes_received;
	u64 datagrams_sent;
	u64 datagrams_received;
};

struct udp_flow {
	struct connection connection;
	struct flow_choice choice;
	struct udp_counters counted;
	struct udp_counters reported;	/* written by sweep_udp_flows only */
	struct udp_counters in_files;	/* as in struct socket_state */
	u64 opened_ns;
	u64 moved_ns;			/* when a sweep last found it moved; begins as opened_ns */
	u64 reported_ns;
	u64 in_files_ns;
	u32 interval_index;
	u8 reserved[4];
	char command[16];
};

/* Bounded; written here, ended by sweep_udp_flows when idle. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct udp_flow_key);
	__type(value, struct udp_flow);
} udp_flows SEC(".maps");

/* Template of a new flow: too large for the stack beside everything else. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct udp_flow);
} udp_flow_scratch SEC(".maps");

struct udp_packet {
	wire_u8 source[16];
	wire_u8 destination[16];
	u16 source_port;
	u16 destination_port;
	u32 payload_bytes;
	u8 ip_version;
};

/* How an IPv4 datagram begins; its transport header follows at once where there are no options. */
struct ipv4_start {
	u8 before_addresses[12];
	__be32 source, destination;
	__be16 source_port, destination_port;
};

static __always_inline bool read_udp_v4(struct __sk_buff *skb, struct udp_packet *packet, u32 transport)
{
	u8 *data = (u8 *)(long)skb->data, *data_end = (u8 *)(long)skb->data_end;
	const struct ipv4_start *start = (const struct ipv4_start *)data;
	__be16 ports[2];

	if (data + sizeof(*start) > data_end)
		return false;
	ports[0] = start->source_port;
	ports[1] = start->destination_port;
	if (transport != IPV4_HEADER_BYTES && bpf_skb_load_bytes(skb, transport, ports, sizeof(ports)))
		return false;
	map_v4(packet->source, start->source);
	map_v4(packet->destination, start->destination);
	packet->source_port = bpf_ntohs(ports[0]);
	packet->destination_port = bpf_ntohs(ports[1]);
	return true;
}

static __always_inline bool read_udp_v6(struct __sk_buff *skb, struct udp_packet *packet, u32 transport)
{
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, 8, packet->source, 16) || bpf_skb_load_bytes(skb, 24, packet->destination, 16) ||
	    bpf_skb_load_bytes(skb, transport, ports, sizeof(ports)))
		return false;
	packet->source_port = bpf_ntohs(ports[0]);
	packet->destination_port = bpf_ntohs(ports[1]);
	return true;
}

static __always_inline bool read_udp_packet(struct __sk_buff *skb, const struct packet_header *header,
					    struct udp_packet *packet)
{
	u32 transport = header->transport_offset;

	packet->ip_version = header->ip_version;
	packet->payload_bytes = skb->len > transport + 8 ? skb->len - transport - 8 : 0;
	return packet->ip_version == 4 ? read_udp_v4(skb, packet, transport) : read_udp_v6(skb, packet, transport);
}

/* Choices of sockets that are not connected are kept by the peer that packets go to: a backend, or what was dialled. */
static __always_inline const struct service_choice *choice_of_peer(const struct connection *connection)
{
	const u64 *peer = (const u64 *)connection->destination_address;
	struct datagram_key key = {
		.socket_cookie = connection->socket_cookie,
		.address_high = peer[0],
		.address_low = peer[1],
		.port = connection->destination_port,
		.is_reply = 1,
	};
	const struct service_choice *choice = bpf_map_lookup_elem(&service_datagrams, &key);

	if (choice)
		return choice;
	key.is_reply = 0;
	return bpf_map_lookup_elem(&service_datagrams, &key);
}

/* Of a flow of datagrams, when its first one is seen, which was sent from the socket if that has chosen. */
static __noinline void stamp_choice_of_datagrams(struct connection *connection, struct flow_choice *told,
						 struct bpf_sock *sk)
{
	const struct service_choice *choice = NULL;

	if (dataplane_loaded && connection->observation_point == OBSERVATION_POINT_CLIENT) {
		choice = bpf_sk_storage_get(&service_choices, sk, NULL, 0);
		if (!choice || !is_about(choice, connection))
			choice = choice_of_peer(connection);
		if (choice && is_brought(choice))
			connection->service_id = choice->service_id;
	}
	write_choice(told, choice);
}

/* The first datagram decides who is the client. */
static __always_inline struct udp_flow *new_udp_flow(const struct udp_flow_key *key, const struct udp_packet *packet,
						     struct bpf_sock *sk, bool egress, u64 cgroup_id, u64 now)
{
	u32 zero = 0;
	struct udp_flow *flow = bpf_map_lookup_elem(&udp_flow_scratch, &zero);
	struct connection *connection;

	if (!flow)
		return NULL;
	__builtin_memset(flow, 0, sizeof(*flow));
	connection = &flow->connection;
	__builtin_memcpy(connection->source_address, packet->source, 16);
	__builtin_memcpy(connection->destination_address, packet->destination, 16);
	connection->source_port = packet->source_port;
	connection->destination_port = packet->destination_port;
	connection->socket_cookie = key->socket_cookie;
	connection->socket_cgroup_id = cgroup_id;
	connection->protocol = IPPROTO_UDP;
	connection->ip_version = packet->ip_version;
	connection->observation_point = egress ? OBSERVATION_POINT_CLIENT : OBSERVATION_POINT_SERVER;
	connection->traffic_direction = egress ? TRAFFIC_DIRECTION_EGRESS : TRAFFIC_DIRECTION_INGRESS;
	connection->initiator_known = 1;
	connection->verdict = VERDICT_FORWARDED;
	connection->application_protocol = APPLICATION_PROTOCOL_OTHER;
	stamp_peer(connection);
	stamp_choice_of_datagrams(connection, &flow->choice, sk);
	flow->opened_ns = now;
	flow->moved_ns = now;
	flow->reported_ns = now;
	flow->in_files_ns = now;
	if (bpf_map_update_elem(&udp_flows, key, flow, BPF_NOEXIST)) {
		/* Another CPU may have been first. */
		flow = bpf_map_lookup_elem(&udp_flows, key);
		if (!flow)
			count_discard(DISCARD_REASON_UDP_FLOWS_FULL);
		return flow;
	}
	return bpf_map_lookup_elem(&udp_flows, key);
}

/* Counts one datagram of a local socket. `skb` starts at the network header, as cgroup_skb programs get it. */
static __always_inline void udp_packet_seen(struct __sk_buff *skb, const struct packet_header *header, bool egress)
{
	struct udp_flow_key key = {};
	struct udp_packet packet = {};
	struct bpf_sock *sk = skb->sk;
	struct socket_state *owner;
	struct udp_flow *flow;

	if (!sk || !read_udp_packet(skb, header, &packet))
		return;
	key.socket_cookie = bpf_get_socket_cookie(skb);
	__builtin_memcpy(key.peer_address, egress ? packet.destination : packet.source, 16);
	key.peer_port = egress ? packet.destination_port : packet.source_port;
	flow = bpf_map_lookup_elem(&udp_flows, &key);
	if (!flow)
		flow = new_udp_flow(&key, &packet, sk, egress, bpf_skb_cgroup_id(skb), bpf_ktime_get_boot_ns());
	if (!flow)
		return;
	if (egress) {
		__sync_fetch_and_add(&flow->counted.bytes_sent, packet.payload_bytes);
		__sync_fetch_and_add(&flow->counted.datagrams_sent, 1);
	} else {
		__sync_fetch_and_add(&flow->counted.bytes_received, packet.payload_bytes);
		__sync_fetch_and_add(&flow->counted.datagrams_received, 1);
	}
	if (flow->connection.pid)
		return;
	/* sock_send_length and sock_recv_length have noted who uses the socket, at the latest with the second datagram. */
	owner = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!owner)
		return;
	flow->connection.netns = owner->connection.netns;
	flow->connection.owner_cgroup_id = owner->connection.owner_cgroup_id;
	__builtin_memcpy(flow->command, owner->command, sizeof(flow->command));
	flow->connection.pid = owner->connection.pid;
}

#endif
