/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a processor needs while it reads a packet or writes requests out, and nobody afterwards. */
#ifndef FLOWSPAN_HTTP_WORK_BPF_H
#define FLOWSPAN_HTTP_WORK_BPF_H

#include "http_lock.bpf.h"
#include "http_state.bpf.h"

/* What a release goes by: read once, for all that it writes out. */
struct http_facts {
	struct http_evidence end;
	u64 now;
	u64 rtt_sent_us;	/* tcp_sock.rack.mstamp: when the segment of the latest sample was sent */
	u32 rtt_us;
	u32 srtt_us;
	u32 confirmed;		/* responses that end here or before are safe */
	u8 tcp_state;
	u8 everything;		/* the connection is over */
	u8 by_acknowledgement;	/* this very packet confirms: TCP has not taken its sample yet */
	u8 request_end;		/* everything: how what is not safe ended */
};

/* The packet in hand, and how far it was dealt with. */
struct http_segment {
	u32 sequence;
	u32 offset;	/* of its payload in the packet */
	u32 bytes;
	u32 accepted;	/* rcv_nxt */
	u32 skip;	/* bytes at its beginning that are not for us */
	u8 ingress;
	u8 phase;
	u8 past_tcp;	/* it is a message that goes past TCP; else 0, as whoever sets it leaves it */
	u8 reserved;
};

/* Room to work in, for the length of one packet or one release. */
struct http_work {
	struct http_segment segment;
	u32 busy;
	u32 direction;
	u64 now;
	u64 rtt_floor_us;
	u32 source_sequence;	/* of the source's first byte */
	u32 source_offset;	/* where the source begins in the packet */
	u32 source_bytes;
	u32 loaded;		/* bytes of the source copied or passed over */
	u32 position;		/* first byte of the window that is not used up */
	u32 scan;		/* first byte not searched */
	u32 used;		/* bytes in the window */
	struct http_evidence evidence;
	struct http_facts facts;
	union {
		u8 window[HTTP_WINDOW + HTTP_LOAD]; /* what stands beyond HTTP_WINDOW is never believed */
		struct request_record record;	    /* that is being written out */
	};
};

#define HTTP_WORK_SLOTS 4

/* A softirq may interrupt a program in process context: more than one per CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HTTP_WORK_SLOTS);
	__type(key, u32);
	__type(value, struct http_work);
} http_work_slots SEC(".maps");

/* Given back by unlocking `busy`. NULL if all are in use, which is deeper than programs interrupt each other. */
static __always_inline struct http_work *take_work(void)
{
#pragma unroll
	for (u32 i = 0; i < HTTP_WORK_SLOTS; i++) {
		u32 slot = i;
		struct http_work *work = bpf_map_lookup_elem(&http_work_slots, &slot);

		if (work && try_lock(&work->busy))
			return work;
	}
	return NULL;
}

#endif
