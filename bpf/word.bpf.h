/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Eight bytes at a time. */
#ifndef FLOWSPAN_WORD_BPF_H
#define FLOWSPAN_WORD_BPF_H

#define EACH_BYTE(value) (0x0101010101010101ull * (value))
#define HIGH_BITS EACH_BYTE(0x80)

#endif
