/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What load balancing keeps in maps that user space fills or reads. The rules of wire/events.h hold here, too: fixed-width
 * little-endian fields, natural alignment, explicit padding. The TypeScript side is generated: service_lb.gen.ts.
 *
 * Addresses are their bytes as on the wire in two halves, IPv4 as v4-mapped IPv6; ports are numbers.
 */
#ifndef FLOWSPAN_DATAPLANE_SERVICE_LB_H
#define FLOWSPAN_DATAPLANE_SERVICE_LB_H

#include "wire/events.h"

enum frontend_kind {
	FRONTEND_KIND_CLUSTER_IP = 0,
	FRONTEND_KIND_EXTERNAL_IP = 1,
	FRONTEND_KIND_LOAD_BALANCER_IP = 2,
	FRONTEND_KIND_NODE_PORT = 3,
};

/* Where a client may dial a service. The address of a node port is zero, in the family of its nodes' addresses. */
struct frontend_key {
	wire_u64 address_high DOC("First eight bytes of the address.");
	wire_u64 address_low DOC("Last eight bytes of the address.");
	wire_u16 port DOC("Port.");
	wire_u8 protocol DOC("6 for TCP, 17 for UDP.");
	wire_u8 frontend_kind DOC("3 for a node port, else 0: of the other kinds an address is enough to tell.");
	wire_u32 reserved;
};

struct frontend {
	wire_u32 service DOC("Index in `services`.");
	wire_u8 own_node_only DOC("1: a node port that other nodes answer for themselves (externalTrafficPolicy Local).");
	wire_u8 reserved[3];
};

/* One port of a service, for one family, by one traffic policy. Each eight bytes are written at once. */
struct service {
	wire_u64 service_id DOC("Hash of what the entry is for; 0: free.");
	wire_u32 affinity_s DOC("Seconds after its last connection for which a client keeps its backend; 0: no affinity.");
	wire_u8 lb_mode DOC("Whether choices are applied.");
	wire_u8 is_local DOC("1: backends of this node alone are candidates.");
	wire_u8 has_others DOC("1: other nodes have backends.");
	wire_u8 reserved;
	wire_u32 table DOC("Index in `service_slots` of its slots' table_head, which they follow.");
	wire_u32 reserved_end;
};

/* Begins a table in `service_slots`. */
struct table_head {
	wire_u32 table_version DOC("Counts the changes of the table.");
	wire_u16 slots DOC("Slots of the table.");
	wire_u16 candidates DOC("Backends that have slots.");
};

struct table_slot {
	wire_u32 backend DOC("Index in `service_backends`.");
	wire_u32 reserved;
};

struct service_backend {
	wire_u64 address_high DOC("First eight bytes of the address.");
	wire_u64 address_low DOC("Last eight bytes of the address.");
	wire_u32 service DOC("Index in `services` of the service it is a candidate of.");
	wire_u16 port DOC("Port; 0: free.");
	wire_u16 reserved;
};

/* One decision. */
struct service_choice {
	wire_u64 service_id DOC("Hash of the service's namespace, name, port, protocol, family and traffic policy.");
	wire_u64 socket_cookie DOC("Kernel socket cookie of the client's socket.");
	wire_u64 frontend_high DOC("First eight bytes of the address that was dialled.");
	wire_u64 frontend_low DOC("Last eight bytes of the address that was dialled.");
	wire_u64 backend_high DOC("First eight bytes of the backend's address.");
	wire_u64 backend_low DOC("Last eight bytes of the backend's address.");
	wire_u32 table_version DOC("Version of the table that was asked.");
	wire_u32 slot DOC("Slot of the table that was chosen; 4294967295: no slot was asked.");
	wire_u32 backend DOC("Index of the backend.");
	wire_u16 candidates DOC("Backends there were to choose from.");
	wire_u16 frontend_port DOC("Port that was dialled.");
	wire_u16 backend_port DOC("Port of the backend; 0: there was none.");
	wire_u8 protocol DOC("6 for TCP, 17 for UDP.");
	wire_u8 lb_reason DOC("Why this backend.");
	wire_u8 lb_mode DOC("Whether the choice was applied.");
	wire_u8 reserved[3];
};

/* A choice that came to nothing, and who made it: the socket never was in a connection that could tell. */
struct service_refusal {
	struct service_choice choice;
	wire_u64 time_boot_ns DOC("When, CLOCK_BOOTTIME nanoseconds.");
	wire_u64 cgroup_id DOC("cgroup v2 id of the process.");
	wire_u32 pid DOC("Process (thread group).");
	wire_u32 reserved;
	char command[16] DOC("Name of the process (task comm).");
};

/* Both directions of what a socket that is not connected says to a service: keyed by the peer it is sent to or comes from. */
struct datagram_key {
	wire_u64 socket_cookie DOC("Kernel socket cookie.");
	wire_u64 address_high DOC("First eight bytes of the peer's address.");
	wire_u64 address_low DOC("Last eight bytes of the peer's address.");
	wire_u16 port DOC("Port of the peer.");
	wire_u8 is_reply DOC("1: the peer is a backend; 0: it is what was dialled.");
	wire_u8 reserved[5];
};

struct affinity_key {
	wire_u64 netns_cookie DOC("Network namespace of the client: whose sockets share its addresses.");
	wire_u32 service DOC("Index in `services`.");
	wire_u32 reserved;
};

struct affinity {
	wire_u64 last_ns DOC("Monotonic clock at the client's last connection.");
	wire_u32 backend DOC("Index in `service_backends`.");
	wire_u32 reserved;
};

enum service_write_target {
	SERVICE_WRITE_TARGET_SLOT = 0,
	SERVICE_WRITE_TARGET_SERVICE = 1,
};

/* Eight bytes of a map, to be written at once. */
struct service_write {
	wire_u8 service_write_target DOC("Which map.");
	wire_u8 cell DOC("Which eight bytes of the entry.");
	wire_u16 reserved;
	wire_u32 index DOC("Entry of the map.");
	wire_u64 value DOC("What is written.");
};

#endif
