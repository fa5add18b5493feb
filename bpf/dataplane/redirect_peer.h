/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is kept of pods whose packets go straight to each other. The rules of wire/events.h hold here, too. The TypeScript
 * side is generated: redirect_peer.gen.ts.
 */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_PEER_H
#define FLOWSPAN_DATAPLANE_REDIRECT_PEER_H

#include "dataplane/redirect.h"

/* Where a pod of this node is reached. Keyed by its address, 16 bytes, IPv4 as v4-mapped. Written by the collector. */
struct peer_endpoint {
	wire_u32 ifindex DOC("The node's end of its veth pair.");
	wire_u8 address[6] DOC("Ethernet address of the pod's end.");
	wire_u8 node_address[6] DOC("Ethernet address of the node's end.");
	wire_u8 redirect_mode DOC("How far it goes for connections that begin.");
	wire_u8 reserved[3];
};

/* One direction of a connection. */
struct peer_connection {
	wire_u8 source_address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u8 destination_address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u16 source_port DOC("Network byte order.");
	wire_u16 destination_port DOC("Network byte order.");
};

/* Places of peer_counters. */
enum peer_counter {
	PEER_COUNTER_OPENED = 0,  /* SYNs that went past the node, repeated ones too */
	PEER_COUNTER_AUDITED = 1, /* SYNs that would have */
	PEER_COUNTER_PACKETS = 2, /* that went past the node; of those that were merged, one */
	PEER_COUNTER_MAX = 3,
};

#endif
