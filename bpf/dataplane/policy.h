/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What policies keep in maps that user space fills or reads. The rules of wire/events.h hold here, too: fixed-width
 * little-endian fields, natural alignment, explicit padding. The TypeScript side is generated: policy.gen.ts.
 *
 * Addresses are their bytes as on the wire, IPv4 as v4-mapped IPv6. A generation is one set of tables: the keys of two of
 * them stand side by side while one takes the place of the other.
 */
#ifndef FLOWSPAN_DATAPLANE_POLICY_H
#define FLOWSPAN_DATAPLANE_POLICY_H

#include "wire/events.h"
#include "dataplane/refuse.h"

/* Bytes of a request's head that are kept as a sample. */
#define POLICY_HEAD_BYTES 256
/* No rule of an http_unit. */
#define POLICY_NO_HTTP_RULE 255

enum policy_mode {
	POLICY_MODE_OBSERVE = 0,
	POLICY_MODE_AUDIT = 1,
	POLICY_MODE_ENFORCE = 2,
};

enum policy_verdict {
	POLICY_VERDICT_NO_POLICY = 0,
	POLICY_VERDICT_ALLOWED = 1,
	POLICY_VERDICT_DENIED = 2,
	POLICY_VERDICT_AUDITED = 3,
};

/* Written at once. */
struct policy_set {
	wire_u32 generation DOC("The set of tables that counts; 0: none.");
	wire_u32 cgroup_levels DOC("A bit for each level below the root of cgroups at which there are pods' cgroups.");
};

struct policy_subject_key {
	wire_u64 cgroup_id DOC("Cgroup of the pod, in or below which its sockets were made.");
	wire_u32 generation DOC("Set of tables.");
	wire_u32 reserved;
};

/* A pod of this node. */
struct policy_subject {
	wire_u64 identity DOC("Security identity of its labels.");
	wire_u32 ingress DOC("Its subject for what comes to it; 0: no policy is about that.");
	wire_u32 egress DOC("Its subject for what leaves it; 0: no policy is about that.");
	wire_u8 policy_mode DOC("What is done with verdicts.");
	wire_u8 refusal_answer DOC("How requests are refused.");
	wire_u8 reserved[6];
};

/* Longest prefix. */
struct policy_address_key {
	wire_u32 prefix_bits DOC("Bits that count: 32 of the generation and 0 to 128 of the address.");
	wire_u32 generation DOC("Set of tables.");
	wire_u8 address[16] DOC("The other end.");
};

struct policy_address {
	wire_u64 identity DOC("Security identity of the other end.");
	wire_u32 peer DOC("Peer in policy_pairs.");
	wire_u32 reserved;
};

struct policy_pair_key {
	wire_u32 generation DOC("Set of tables.");
	wire_u32 subject DOC("Subject, which says the direction, too.");
	wire_u32 peer DOC("Peer; 0: any that has no pair of its own.");
};

/* Longest prefix. */
struct policy_port_key {
	wire_u32 prefix_bits DOC("Bits that count: 64 of generation and table, 8 of the protocol, 0 to 16 of the port.");
	wire_u32 generation DOC("Set of tables.");
	wire_u32 table DOC("Table that the pair names.");
	wire_u8 protocol DOC("As in the IP header.");
	wire_u8 port_high DOC("First byte of the destination's port.");
	wire_u8 port_low DOC("Second byte of the destination's port.");
	wire_u8 reserved;
};

struct policy_decision {
	wire_u32 decision DOC("Number of the decision in its set of tables.");
	wire_u32 http_unit DOC("Number of the unit that judges requests; 0: none is left to judge.");
	wire_u8 policy_verdict DOC("What it says.");
	wire_u8 reserved[3];
};

/* What was decided about one connection. */
struct policy_answer {
	wire_u64 identity DOC("Security identity of the pod; 0: it is not judged here.");
	wire_u64 peer_identity DOC("Security identity of the other end.");
	wire_u32 generation DOC("Set of tables.");
	wire_u32 decision DOC("Number of the decision in its set; 4294967295: none.");
	wire_u32 http_unit DOC("Number of the unit that judges its requests; 0: none is left to judge.");
	wire_u8 policy_verdict DOC("What it says.");
	wire_u8 policy_mode DOC("What is done with it.");
	wire_u8 is_egress DOC("1: the pod began it.");
	wire_u8 refusal_answer DOC("How its requests are refused.");
};

/* The two ends of a UDP flow, or of a TCP connection that a socket began. */
struct policy_flow_key {
	wire_u64 socket_cookie DOC("Kernel socket cookie.");
	wire_u8 address[16] DOC("The other end.");
	wire_u16 remote_port DOC("Its port.");
	wire_u16 local_port DOC("Port of the socket.");
	wire_u32 reserved;
};

struct policy_flow {
	struct policy_answer answer;
	wire_u64 last_ns DOC("Monotonic clock at its last packet.");
};

/* Verdicts that are alike. */
struct policy_record_key {
	wire_u64 identity DOC("Security identity of the pod.");
	wire_u64 peer_identity DOC("Security identity of the other end.");
	wire_u32 generation DOC("Set of tables.");
	wire_u32 decision DOC("Number of the decision in its set.");
	wire_u16 port DOC("Port of the destination.");
	wire_u8 protocol DOC("As in the IP header.");
	wire_u8 is_egress DOC("1: judged where it leaves the pod.");
	wire_u8 policy_verdict DOC("As it was carried out: audited where it would have been denied.");
	wire_u8 http_judged DOC("What was said of requests (enum http_judged); 0: it is about connections.");
	wire_u8 http_unjudged DOC("Why requests were not judged (enum http_unjudged); 0: they were.");
	wire_u8 http_rule DOC("Rule of the http_unit that allowed them; 255: none.");
};

/* Counts only grow: what was told of them is in policy_records_told. */
struct policy_record_count {
	wire_u64 count DOC("How many were judged so.");
	wire_u64 last_ns DOC("Monotonic clock at the last of them.");
	wire_u64 first_ns DOC("Monotonic clock at the first of them, of which the rest is; 0 until that is written.");
	wire_u8 source_address[16] DOC("Who began it.");
	wire_u8 destination_address[16] DOC("To whom.");
	wire_u16 source_port DOC("Port of who began it.");
	wire_u16 destination_port DOC("Port of the destination.");
	wire_u16 head_length DOC("Bytes of the head that are kept.");
	wire_u8 head[POLICY_HEAD_BYTES] DOC("Begin of the request's head.");
	wire_u8 reserved[2];
};

/* How much of an entry of policy_records the collector has told. */
struct policy_told {
	wire_u64 first_ns DOC("first_ns of the entry that it is about: one that was taken away may come again.");
	wire_u64 count DOC("How many of them are rows in a file.");
	wire_u64 next DOC("How many are when the next row is in its file, or the same.");
	wire_u64 next_time DOC("Time of that row, nanoseconds since the epoch.");
};

#endif
