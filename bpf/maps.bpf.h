/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Maps that more than one program file uses: key, value, who writes, who deletes. */
#ifndef FLOWSPAN_MAPS_BPF_H
#define FLOWSPAN_MAPS_BPF_H

#include "config.bpf.h"
#include "wire/events.h"

/* Cumulative counters of a connection, as the kernel keeps them. */
struct flow_counters {
	u64 bytes_sent;
	u64 bytes_acked;
	u64 bytes_received;
	u64 bytes_retransmitted;
	u64 bytes_redirected;		/* past TCP: in none of the others */
	u64 busy_us;
	u64 rwnd_limited_us;
	u64 sndbuf_limited_us;
	u32 segments_sent;
	u32 segments_received;
	u32 data_segments_sent;
	u32 data_segments_received;
	u32 retransmitted_segments;
	u32 lost_segments;
	u32 delivered_segments;
	u32 reorder_events;
	u32 timeouts;
	u32 tail_loss_probes;
	u32 zero_windows;
	u32 reserved;
};

/*
 * What we keep of a socket while it lives. Freed by the kernel with the socket. The map is kept from one run of the
 * collector to the next as long as this struct's text stays the same: a field that changes its meaning changes its name.
 * The first 56 bytes share a cache line with what finds them: all that most packets, reads and writes need.
 */
struct socket_state {
	u64 opened_ns;			/* boot clock; 0: not connected */
	u64 connect_started_ns;		/* first SYN, client only */
	u64 zero_window_since_ns;	/* 0: the peer's window is open */
	u64 zero_window_ns;		/* closed stalls, summed */
	u32 fast_retransmits;		/* segments */
	u32 timeouts;			/* for kernels without tcp_sock.total_rto */
	u32 tail_loss_probes;
	u32 stamped_pid;		/* who read or wrote last; 0: nobody yet */
	u8 role;			/* enum observation_point, as soon as connection holds ends and roles */
	u8 opened;			/* a first row was written */
	u8 closing;			/* the connection is over; what follows says why */
	u8 final_written;
	/* Owned by http*.bpf.h. */
	u8 payload_seen;		/* enum payload_seen: how the payload was judged */
	u8 payload_direction;		/* of the last payload: enum http_direction + 1; 0: none yet, or all is read */
	u8 http_attention;		/* the parser waits for what TCP accepts: packets without payload matter */
	u8 reserved;
	/* Behind the first cache line. */
	struct connection connection;
	struct flow_counters reported;	/* what rows have already told */
	struct flow_counters in_files;	/* what rows that reached a file have told: see kept.bpf.h */
	u64 connect_ns;
	u64 reported_ns;		/* end of the last row's interval */
	u64 in_files_ns;		/* end of the interval of the last row known to be in a file */
	u32 interval_index;
	u32 zero_windows;
	u32 counted_retransmits;	/* tcp_sock.total_retrans when last looked at */
	u32 busy;			/* one writer of rows at a time */
	u16 error_number;
	u8 close_cause;
	u8 closed_by;
	u8 reserved_end[4];
	char command[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_state);
} sockets SEC(".maps");

/* Flows, TCP events and cgroup changes. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} records SEC(".maps");

/* Requests have a ring of their own: a flood of them costs no flow and no event. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} request_records SEC(".maps");

/* Written by every program that writes records; read by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RECORD_KIND_MAX);
	__type(key, u32);
	__type(value, struct record_counter);
} record_counters SEC(".maps");

/* Written where a fact is discarded; read by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DISCARD_REASON_MAX);
	__type(key, u32);
	__type(value, u64);
} discard_counters SEC(".maps");

/* Not 0: the reader looks at the rings seldom, and the next record wakes it. Set by the collector; cleared by that record. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} reader_rests SEC(".maps");

/* How many entries `cgroup_throttles` has: looked at first. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} throttled_cgroups SEC(".maps");

/* Cgroups of which fewer records are written, by id. Written by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u64);
	__type(value, struct cgroup_throttle);
} cgroup_throttles SEC(".maps");

struct listener_key {
	u32 netns;
	u16 port;
	u16 reserved;
};

/* Ports with a listening socket: tells who initiated connections that are older than we are. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct listener_key);
	__type(value, u8);
} listeners SEC(".maps");

#endif
