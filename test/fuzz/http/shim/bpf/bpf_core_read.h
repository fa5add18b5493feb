/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Stands in for libbpf's header: no field is relocated, because no kernel structure is read. */
#ifndef FLOWSPAN_SHIM_BPF_CORE_READ_H
#define FLOWSPAN_SHIM_BPF_CORE_READ_H

#define bpf_core_field_exists(field) 1
#define bpf_core_type_exists(type) 1
#define bpf_core_enum_value_exists(type, value) 1
#define bpf_core_enum_value(type, value) (value)
#define bpf_core_read(to, bytes, from) shim_read(to, bytes, from)
#define BPF_CORE_READ_BITFIELD(from, field) ((from)->field)
#define SHIM_CHAIN1(from, a) (from)->a
#define SHIM_CHAIN2(from, a, b) (from)->a->b
#define SHIM_CHAIN3(from, a, b, c) (from)->a->b->c
#define SHIM_CHAIN4(from, a, b, c, d) (from)->a->b->c->d
#define SHIM_CHAIN(a, b, c, d, which, ...) which
#define BPF_CORE_READ(from, ...) \
	SHIM_CHAIN(__VA_ARGS__, SHIM_CHAIN4, SHIM_CHAIN3, SHIM_CHAIN2, SHIM_CHAIN1)(from, __VA_ARGS__)

#endif
