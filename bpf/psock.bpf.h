/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What sockmap keeps of its sockets. */
#ifndef FLOWSPAN_PSOCK_BPF_H
#define FLOWSPAN_PSOCK_BPF_H

#include "include/kernel.h"

/* include/net/sock.h: what a socket's user data points at, and what its low bits say. */
#define SK_USER_DATA_MASK (~7ul)

/* Of a socket in a sockmap. */
static __always_inline struct sk_psock *psock_of(const struct sock *sk)
{
	return (void *)((u64)BPF_CORE_READ(sk, sk_user_data) & SK_USER_DATA_MASK);
}

/* Kernels that do not are no good for redirects: redirect.bpf.c. */
static __always_inline bool counts_unread(void)
{
	return bpf_core_field_exists(((struct sk_psock *)0)->msg_tot_len);
}

/* Bytes that came and that its reader has not taken, whichever way they came; only where they are counted. */
static __always_inline u32 psock_unread(const struct sock *sk)
{
	struct sk_psock *psock = psock_of(sk);

	return BPF_CORE_READ(psock, msg_tot_len);
}

#endif
