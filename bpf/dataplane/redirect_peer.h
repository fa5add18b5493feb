/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept of pods whose packets go straight to each other. */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_PEER_H
#define FLOWSPAN_DATAPLANE_REDIRECT_PEER_H

/* Where a pod of this node is reached. Keyed by its address, 16 bytes, IPv4 as v4-mapped. Written by the collector. */
struct peer_endpoint {
	unsigned int ifindex;		/* the node's end of its veth pair */
	unsigned char address[6];	/* Ethernet's, of the pod's end */
	unsigned char node_address[6];	/* of the node's end */
};

/* One direction of a connection. */
struct peer_connection {
	unsigned char source_address[16];
	unsigned char destination_address[16];
	unsigned short source_port;	/* network byte order */
	unsigned short destination_port;
};

#endif
