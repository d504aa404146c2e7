// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_capture.c - any bytes as a capture file; and, so that the checksum does not keep the fuzzer
 * out, the same bytes as the records of a sound file, one of whose bytes is then changed.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/decode.h"
#include "capture/format.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void read_all(const uint8_t *p, size_t n, struct capture_damage *d)
{
	struct capture_meta m;
	struct err e;
	struct capture_reader *r = capture_open_mem(p, n, &m, &e);
	const void *raw;
	uint64_t got = 0;
	size_t len;
	int ret;

	memset(d, 0, sizeof(*d));
	if (!r)
		return;
	check(memchr(m.arch, 0, sizeof(m.arch)) && memchr(m.boot_id, 0, sizeof(m.boot_id)));
	check(memchr(m.run_id, 0, sizeof(m.run_id)) && memchr(m.version, 0, sizeof(m.version)));
	while ((ret = capture_read(r, &raw, &len)) == 1) {
		struct event ev;

		check((const uint8_t *)raw >= p && (const uint8_t *)raw + len <= p + n);
		decode_event(&ev, raw, len);
		got++;
	}
	capture_damage(r, d);
	check(d->records == got && d->bytes_skipped <= n);
	check(!(ret == 0 && d->cut && got));
	capture_reader_free(r);
}

static size_t put(uint8_t *to, uint32_t seed, uint16_t type, const uint8_t *p, uint32_t n)
{
	struct cap_record rec = { .mark = CAP_MARK, .len = n, .type = type };

	rec.crc = cap_crc(seed, &rec, p, n);
	memcpy(to, &rec, sizeof(rec));
	if (n)
		memcpy(to + sizeof(rec), p, n);
	return sizeof(rec) + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cap_header h = { .endian = CAP_ENDIAN, .version = CAP_VERSION, .hz = 250 };
	struct capture_damage sound, d;
	struct cap_end end = { 0 };
	uint64_t others = 0;
	uint8_t *file;
	size_t at, flip;

	read_all(p, n, &d);
	if (n < 4 || n > 65536)
		return 0;
	/* two bytes of length and type before each record: at most 9 bytes of file for each of
	 * input */
	file = malloc(sizeof(h) + n * (sizeof(struct cap_record) + 1) + 64);
	if (!file)
		return 0;
	memcpy(h.magic, CAP_MAGIC, CAP_MAGIC_LEN);
	h.header_len = sizeof(h);
	h.crc = (uint32_t)crc32(0, (const Bytef *)&h, sizeof(h) - sizeof(h.crc));
	memcpy(file, &h, sizeof(h));
	at = sizeof(h);
	memcpy(&flip, (size_t[]){ (size_t)p[0] << 8 | p[1] }, sizeof(flip));
	for (size_t i = 2; i + 2 <= n;) {
		const uint16_t type = p[i] & 7 ? CAP_EVENT : (uint16_t)(100 + p[i]);
		uint32_t len = p[i + 1];

		i += 2;
		if (len > n - i)
			len = (uint32_t)(n - i);
		at += put(file + at, h.crc, type, p + i, len);
		end.records += type == CAP_EVENT;
		others += type != CAP_EVENT;
		i += len;
	}
	at += put(file + at, h.crc, CAP_END, (const uint8_t *)&end, sizeof(end));
	read_all(file, at, &sound);
	check(sound.records == end.records && sound.skipped_types == others);
	check(!sound.cut && !sound.bad_records && !sound.bytes_skipped);
	/* one byte changed behind the header: one record less, at the most */
	flip = sizeof(h) + flip % (at - sizeof(h));
	file[flip] ^= 0x41;
	read_all(file, at, &d);
	check(d.bad_records || d.cut);
	/* Unless the input forged records for this very header, which holds no run id here: then
	 * what lies inside the damaged one is as good a record as any. */
	if (!memmem(p, n, &(uint32_t){ CAP_MARK }, sizeof(uint32_t)))
		check(d.records + d.skipped_types + 1 >= sound.records + sound.skipped_types);
	free(file);
	return 0;
}
