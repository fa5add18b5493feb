// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the BTF of the redirect's between devices structs and nothing else: wire/generate.ts reads this object. */
#include "dataplane/redirect_peer.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, peer_endpoint);
KEEP(struct, peer_connection);
KEEP(enum, redirect_mode);
KEEP(enum, peer_counter);
