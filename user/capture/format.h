/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* format.h - the layout of a capture file, shared by its writer and its reader; README.md has the
 * prose. */
#ifndef CAPTURE_FORMAT_H
#define CAPTURE_FORMAT_H

#include <stdint.h>
#include <zlib.h>

#include "bpf/event.h"

#define CAP_MAGIC                                                                      \
	"\x89MSCAP\r\n" /* as PNG's: a transfer that mends line ends breaks it at once \
			 */
#define CAP_MAGIC_LEN 8
#define CAP_VERSION 1u
#define CAP_ENDIAN 0x01020304u

struct cap_header {
	uint8_t magic[CAP_MAGIC_LEN];
	uint32_t endian; /* CAP_ENDIAN in the order of all that follows */
	uint32_t version;
	uint32_t header_len; /* of this version: 176 */
	uint32_t hz;
	uint64_t created;
	uint32_t event_version; /* EV_VERSION of the records inside */
	uint32_t reserved;
	char arch[16];
	char boot_id[40];
	char run_id[40];
	char agent[32];
	uint32_t reserved2;
	uint32_t crc; /* of the bytes before it */
};

#define CAP_MARK 0xcdab5ca9u /* not ASCII, not valid UTF-8: rare in payload */

enum cap_type { CAP_EVENT = 1, CAP_END = 2 };

struct cap_record {
	uint32_t mark;
	uint32_t len; /* of the content that follows */
	uint16_t type; /* enum cap_type */
	uint16_t reserved;
	uint32_t crc; /* of len, type, reserved and content, going on from the header's checksum */
};

struct cap_end {
	uint64_t records; /* events that the writer was given */
	uint64_t lost; /* of those, not in the file */
};

#define CAP_MAX_CONTENT (EV_MAX_LEN)
#define CAP_CRC_SKIP 4u /* bytes of struct cap_record before those that the checksum covers */
#define CAP_CRC_HEAD 8u /* and how many it covers */

_Static_assert(sizeof(struct cap_header) == 176, "layout of cap_header");
_Static_assert(sizeof(struct cap_record) == 16, "layout of cap_record");
_Static_assert(sizeof(struct cap_end) == 16, "layout of cap_end");

/*
 * Starting from the header's checksum ties a record to its file: bytes in a payload that look like
 * a record (a capture that was uploaded while being watched) are not taken for one after damage.
 */
static inline uint32_t cap_crc(uint32_t seed, const void *record, const void *content, uint32_t n)
{
	uLong crc = crc32(seed, (const Bytef *)record + CAP_CRC_SKIP, CAP_CRC_HEAD);

	return (uint32_t)(n ? crc32(crc, content, n) : crc);
}

#endif
