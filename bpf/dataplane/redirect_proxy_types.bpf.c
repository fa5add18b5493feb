// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Carries the BTF of the redirect's to proxies structs and nothing else: wire/generate.ts reads this object. */
#include "dataplane/redirect_proxy.h"

#define KEEP(kind, name) kind name *keep_##name __attribute__((used))

KEEP(struct, proxy_listener);
KEEP(struct, proxy_port);
KEEP(struct, original_destination);
KEEP(struct, proxied_connection);
KEEP(enum, redirect_mode);
KEEP(enum, proxy_counter);
