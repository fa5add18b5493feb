/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Stands in for libbpf's header: the parser traces nothing. */
