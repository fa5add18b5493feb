/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every message that goes past TCP, where the data plane redirects. Called by redirect_message (redirect.bpf.c) through
 * its redirect_readers, when the message has found its reader.
 */
#include "dataplane/redirect_sockets.bpf.h"
#include "http_redirected.bpf.h"

/* Debian's 6.1 lacks it; nobody is redirected there. */
extern void *bpf_cast_to_kern_ctx(void *context) __ksym;

static __always_inline struct redirect_socket *redirect_socket_of(struct tcp_sock *tp)
{
	return bpf_sk_storage_get(&redirect_sockets, (struct sock *)tp, NULL, 0);
}

static __always_inline struct socket_state *state_of(struct tcp_sock *tp)
{
	return bpf_sk_storage_get(&sockets, (struct sock *)tp, NULL, 0);
}

SEC("sk_msg")
int redirected_message(struct sk_msg_md *msg)
{
	struct http_message message = {.msg = msg};
	const struct redirect_socket *sent, *back;
	const struct sk_msg *kernel_msg;

	if (!msg->sk)
		return SK_PASS;
	kernel_msg = bpf_cast_to_kern_ctx(msg);
	message.sender = bpf_skc_to_tcp_sock(msg->sk);
	message.reader = bpf_skc_to_tcp_sock(kernel_msg->sk_redir);
	if (!message.sender || !message.reader)
		return SK_PASS;
	sent = redirect_socket_of(message.sender);
	back = redirect_socket_of(message.reader);
	if (!sent || !back)
		return SK_PASS;
	message.now = bpf_ktime_get_boot_ns();
	/* This message is counted already. */
	message.bytes_before = sent->bytes - msg->size;
	message.bytes_back = back->bytes;
	http_message(&message, message.sender, state_of(message.sender), false);
	http_message(&message, message.reader, state_of(message.reader), true);
	return SK_PASS;
}
