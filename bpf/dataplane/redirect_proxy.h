/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept of connections that are handed to a proxy. */
#ifndef FLOWSPAN_DATAPLANE_REDIRECT_PROXY_H
#define FLOWSPAN_DATAPLANE_REDIRECT_PROXY_H

/* Where a cgroup's proxy listens. A family that is all zeros is not redirected. Network byte order. */
struct proxy_listener {
	unsigned char ipv4[4];
	unsigned char ipv6[16];
	unsigned short port;
	unsigned char reserved[2];
};

/* What a client dialled. IPv4 as v4-mapped IPv6; network byte order. */
struct original_destination {
	unsigned char address[16];
	unsigned short port;
	unsigned char reserved[6];
};

/* A connection as the proxy's end of it sees it. */
struct proxied_connection {
	unsigned long long netns;	  /* cookie, for addresses that every namespace has; else 0 */
	unsigned char client_address[16];
	unsigned short client_port;	  /* host byte order */
	unsigned short proxy_port;
	unsigned char reserved[4];
};

#endif
