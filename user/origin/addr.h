/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* addr.h - socket addresses as text, without the C library's slow formatters. */
#ifndef ORIGIN_ADDR_H
#define ORIGIN_ADDR_H

#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT_MAX 46

/*
 * AF_INET (first four bytes) or AF_INET6 (RFC 5952; an IPv4-mapped one is written as IPv4, since
 * that is what the peer used). Returns the length written to out, not terminated; 0 for another
 * family.
 */
size_t addr_text(uint16_t family, const uint8_t addr[16], char out[ADDR_TEXT_MAX]);

#endif
