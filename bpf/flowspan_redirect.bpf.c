/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The same object for where a data plane redirects: it reads what goes past TCP, too. An object of its own, because kernels
 * without a function that the reader calls refuse all that it is in.
 */
#include "flowspan.bpf.c"
#include "redirected.bpf.c"
