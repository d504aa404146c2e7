/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_http1.c - the input drives one connection: directions, cuts, gaps and ends; the messages are
 * held against the rules of the tap. Input: a first byte of role and lateness, then records of one
 * operation byte, one length byte and, for bytes, as many bytes.
 */
#include "../unit/test_http1_tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(const struct tap *t, uint64_t fed)
{
	const struct http1 *h = t->c.proto;
	uint64_t out = 0;

	if (t->broken[0]) {
		fprintf(stderr, "broken: %s\n", t->broken);
		abort();
	}
	/* content never exceeds what came in, and no call makes more exchanges than it has bytes
	 * for; a loss is told to every exchange that it put out of step, so each has it once */
	for (size_t i = 0; i < t->n; i++) {
		const struct tap_side *s[2] = { &t->x[i].req, &t->x[i].res };

		for (int k = 0; k < 2; k++) {
			out += s[k]->body.n + s[k]->gap[0] + s[k]->gap[1];
			if (s[k]->loss[0] + s[k]->loss[1] > fed)
				abort();
		}
	}
	if (h)
		out += h->ignored + h->skipped;
	if (out > fed || t->n > fed / 4 + 1) /* "a \n\n" is the shortest */
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint64_t fed = 0;
	struct tap t;

	if (n < 1)
		return 0;
	tap_init(&t, (enum conn_role)(p[0] % 3), p[0] & 4);
	p++;
	n--;
	while (n >= 2) {
		const uint8_t op = p[0];
		const enum direction d = (enum direction)(op & 1);
		size_t k = p[1];

		p += 2;
		n -= 2;
		if (op >= 0xf0) {
			tap_eof(&t, d);
			continue;
		}
		if (op >= 0xe0) {
			uint64_t gap = (uint64_t)(k + 1) << (op & 0x0e);

			if (k & 1) { /* in the middle of a call */
				tap_hole(&t, d, gap, op & 1 ? GAP_LOST : GAP_OMITTED);
				t.jumped[d] = true;
			} else {
				tap_gap(&t, d, gap, op & 1 ? GAP_LOST : GAP_OMITTED);
			}
			fed += gap;
			continue;
		}
		if (op >= 0xd8) {
			proto_http1.stalled(&t.c, t.ts, &t.sink);
			continue;
		}
		if (op & 2) /* a longer call */
			k *= 16;
		if (k > n)
			k = n;
		if (op & 4) { /* byte by byte */
			for (size_t i = 0; i < k; i++)
				tap_bytes(&t, d, p + i, 1);
		} else {
			tap_bytes(&t, d, p, k);
		}
		fed += k;
		p += k;
		n -= k;
	}
	tap_end(&t, (enum conn_closer)(n ? p[0] % 3 : CLOSED_BY_PEER), n && p[0] & 4,
		n && p[0] & 8);
	check(&t, fed);
	tap_free(&t);
	return 0;
}
