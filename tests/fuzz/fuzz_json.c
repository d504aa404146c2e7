// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* fuzz_json.c - any bytes through the tokenizer and the writer: what must hold is checked, not only
 * memory. */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walk a document; rewrite what it yields into out, closing what a cut left open. */
static enum json_type rewrite(const char *p, size_t n, struct buf *out)
{
	struct buf text = { 0 }, again = { 0 };
	struct json_reader r, q;
	struct json_token t, u;
	enum json_type y;
	size_t off = 0;
	bool key = false;

	json_open(&r, p, n);
	while ((y = json_next(&r, &t)) < JSON_DONE) {
		CHECK(r.off > off && r.off <= n && r.depth >= 0 && r.depth <= JSON_MAX_DEPTH);
		off = r.off;
		if (y == JSON_KEY || y == JSON_STR || y == JSON_NUM)
			CHECK(t.p >= p && t.p + t.n <= p + r.off);
		key = y == JSON_KEY;
		switch (y) {
		case JSON_OBJ:
			json_obj(out);
			break;
		case JSON_OBJ_END:
			json_obj_end(out);
			break;
		case JSON_ARR:
			json_arr(out);
			break;
		case JSON_ARR_END:
			json_arr_end(out);
			break;
		case JSON_KEY:
		case JSON_STR:
			buf_clear(&text);
			json_unescape(&text, t.p, t.n);
			CHECK(utf8_valid(text.p, text.len));
			CHECK(t.escaped || text.len >= t.n || !utf8_valid(t.p, t.n));
			/* what the writer says of it reads back as the same bytes */
			buf_clear(&again);
			json_str(&again, text.p, text.len);
			CHECK(utf8_valid(again.p, again.len));
			json_open(&q, again.p, again.len);
			CHECK(json_next(&q, &u) == JSON_STR);
			buf_putc(&again, '\0');
			{
				struct buf back = { 0 };

				json_unescape(&back, u.p, u.n);
				CHECK(back.len == text.len);
				CHECK(!back.len || memcmp(back.p, text.p, back.len) == 0);
				buf_free(&back);
			}
			if (y == JSON_KEY)
				json_keyn(out, text.p, text.len);
			else
				json_str(out, text.p, text.len);
			break;
		case JSON_NUM:
			json_f64(out, t.num);
			break;
		case JSON_TRUE:
		case JSON_FALSE:
			json_bool(out, y == JSON_TRUE);
			break;
		default:
			json_null(out);
			break;
		}
	}
	CHECK(json_next(&r, &t) == y && r.off <= n);
	if (key)
		json_null(out);
	for (int d = r.depth; d > 0; d--) {
		if (r.in_obj >> (d - 1) & 1)
			json_obj_end(out);
		else
			json_arr_end(out);
	}
	buf_free(&text);
	buf_free(&again);
	return y;
}

/* Every prefix yields the beginning of what the whole yields. */
static void check_cut(const char *p, size_t n, size_t cut)
{
	char *copy = malloc(cut ? cut : 1);
	struct json_reader a, b;
	struct json_token t, u;
	enum json_type y;

	CHECK(copy);
	memcpy(copy, p, cut);
	json_open(&a, p, n);
	json_open(&b, copy, cut);
	while ((y = json_next(&b, &u)) < JSON_DONE) {
		if (!a.depth && y == JSON_NUM)
			break; /* a bare number: 12 may be cut out of 123 */
		CHECK(json_next(&a, &t) == y);
		CHECK(a.off == b.off);
		if (y == JSON_NUM)
			CHECK(t.num == u.num || (isnan(t.num) && isnan(u.num)));
	}
	if (y == JSON_BAD)
		CHECK(json_next(&a, &t) == JSON_BAD);
	free(copy);
}

/* Passing over each value at the top ends where walking it ends, if the document is sound. */
static void check_skip(const char *p, size_t n)
{
	struct json_reader walk, skip;
	struct json_token t;
	enum json_type y;

	json_open(&walk, p, n);
	json_open(&skip, p, n);
	y = json_next(&walk, &t);
	json_next(&skip, &t);
	if (y != JSON_OBJ && y != JSON_ARR)
		return;
	while (walk.depth && (y = json_next(&walk, &t)) < JSON_DONE)
		;
	if (y >= JSON_DONE) {
		json_skip(&skip);
		CHECK(skip.off <= n);
		return;
	}
	CHECK(json_skip(&skip) == y);
	CHECK(skip.off == walk.off && skip.depth == 0);
	CHECK(json_next(&skip, &t) == JSON_DONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct buf once = { 0 }, twice = { 0 };
	enum json_type y;

	y = rewrite(p, size, &once);
	CHECK(utf8_valid(once.p, once.len));
	if (once.len) {
		/* whatever the input was, what was written is whole, and writing it again changes
		 * nothing */
		enum json_type end = rewrite(once.p, once.len, &twice);

		CHECK(end == JSON_DONE);
		CHECK(once.len == twice.len && memcmp(once.p, twice.p, once.len) == 0);
	} else {
		CHECK(y != JSON_DONE);
	}
	if (size)
		check_cut(p, size, data[size / 2] * size / 256);
	check_skip(p, size);
	buf_free(&once);
	buf_free(&twice);
	return 0;
}
