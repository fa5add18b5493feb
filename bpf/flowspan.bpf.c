/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The object: every program, compiled as one unit, so that maps and knobs exist once. */
#include "tcp_flow.bpf.c"
#include "tcp_callback.bpf.c"
#include "tcp_adopt.bpf.c"
#include "resume.bpf.c"
#include "tcp_retransmit.bpf.c"
#include "tcp_reset.bpf.c"
#include "packet_drop.bpf.c"
#include "udp_flow.bpf.c"
#include "service_refused.bpf.c"
#include "cgroup.bpf.c"
#include "address_table.bpf.c"
#include "packet.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
