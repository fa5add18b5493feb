/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is kept of connections that are handed to a proxy. The rules of wire/events.h hold here, too. The TypeScript side is
 * generated: redirect_proxy.gen.ts.
 */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_PROXY_H
#define FLOWSPAN_DATAPLANE_REDIRECT_PROXY_H

#include "dataplane/redirect.h"

/* Where a cgroup's proxy listens. Keyed by the id of the cgroup. */
struct proxy_listener {
	wire_u8 ipv4[4] DOC("Its address for IPv4; all zeros: connections of that family are left alone.");
	wire_u8 ipv6[16] DOC("The same for IPv6.");
	wire_u16 port DOC("Its port, in network byte order.");
	wire_u8 redirect_mode DOC("How far it goes for connections that begin.");
	wire_u8 reserved;
};

/* A port, connections to which are handed over. */
struct proxy_port {
	wire_u64 cgroup_id DOC("Cgroup that has the proxy.");
	wire_u16 port DOC("Port that is dialled.");
	wire_u16 reserved[3];
};

/* What a client dialled. */
struct original_destination {
	wire_u8 address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u16 port DOC("Network byte order.");
	wire_u8 reserved[6];
};

/* A connection as the proxy's end of it sees it. */
struct proxied_connection {
	wire_u64 netns DOC("Cookie of the network namespace, for addresses that every one has; else 0.");
	wire_u8 client_address[16] DOC("IPv4 as v4-mapped IPv6.");
	wire_u16 client_port DOC("Port of the client's end.");
	wire_u16 proxy_port DOC("Port of the proxy's end.");
	wire_u8 reserved[4];
};

/* Places of proxy_counters. */
enum proxy_counter {
	PROXY_COUNTER_HANDED_OVER = 0, /* connections that were to be opened to a proxy */
	PROXY_COUNTER_AUDITED = 1,     /* that would have been */
	PROXY_COUNTER_OWN = 2,	       /* left alone, since they are the proxy's */
	PROXY_COUNTER_ASKED = 3,       /* original destinations that were told */
	PROXY_COUNTER_MAX = 4,
};

#endif
