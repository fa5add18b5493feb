/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The data plane: what changes where bytes go. An object of its own, since it is pinned and outlives the collector. */
#include "service_lb.bpf.c"
#include "service_datagram.bpf.c"
#include "service_bind.bpf.c"
#include "service_write.bpf.c"
#include "service_tell.bpf.c"
#include "policy.bpf.c"
#include "policy_established.bpf.c"
#include "redirect.bpf.c"
#include "redirect_peer.bpf.c"
#include "redirect_proxy.bpf.c"
#include "redirect_original.bpf.c"
#include "policy_http.bpf.c"
#include "http_response.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
