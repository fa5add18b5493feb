/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Every knob that user space sets before the load, with its unit and default. */
#ifndef FLOWSPAN_CONFIG_BPF_H
#define FLOWSPAN_CONFIG_BPF_H

#include "include/kernel.h"

#ifndef FLOWSPAN_LAYOUT_HASH
#error "FLOWSPAN_LAYOUT_HASH is passed by the build, from wire/events.gen.ts"
#endif

/* Hash of the wire layout this object was compiled with; the loader refuses another. */
const volatile char layout_hash[17] SEC(".rodata") = FLOWSPAN_LAYOUT_HASH;

/* Bytes waiting in a ring at which its reader is woken; below, the reader's timer finds them. */
const volatile u32 wakeup_bytes = 256 * 1024;

/* Nanoseconds without a datagram after which a UDP flow ends. */
const volatile u64 udp_idle_ns = 30ull * 1000 * 1000 * 1000;

/* Packet drops without a known socket that are told one by one, per second and CPU; the rest are counted. */
const volatile u32 drop_events_per_second = 200;

/* Nanoseconds a peer's window must have been closed to be told as an event; shorter stalls are counted only. */
const volatile u64 zero_window_event_ns = 1000 * 1000;

/* Nanoseconds from which on a request is slow: told of a throttled cgroup as seldom as one that failed. */
const volatile u64 slow_request_ns = 1000ull * 1000 * 1000;

/* Entries of `address_table`; 0: it is not filled, and never looked at. */
const volatile u32 address_slots = 0;

/*
 * Id of the cgroup whose sockets alone are watched; 0: every socket of the machine. Programs for packets are attached to a
 * cgroup and see no others anyway; this is for those that trace. From 6.1, before that it changes nothing.
 */
const volatile u64 watched_cgroup_id = 0;

/* Whether requests are read. 0: connections and datagrams only; what begins like TLS is still told apart from the rest. */
const volatile u8 read_requests = 1;

/*
 * Whether the data plane is loaded, whose maps this object then takes up: those under dataplane/ that both declare. 0: they
 * are empty, and never looked at.
 */
const volatile u8 dataplane_loaded = 0;

/* Jiffies per second. Weak: 0 where the kernel does not show its configuration. */
extern unsigned long CONFIG_HZ __kconfig __weak;

#endif
