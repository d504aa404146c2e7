/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_redact.c - redaction of any bytes: the first chooses the entry point. Valid JSON and UTF-8
 * stay so; a second run over text and over JSON changes nothing.
 */
#include "base/json.h"
#include "privacy/redact.h"

#include <stdlib.h>
#include <string.h>

/* thorough: a rule that matches nothing keeps the filter from sparing it work. */
static struct redactor *red, *with_rules, *thorough;

static bool is_json(const char *p, size_t n)
{
	struct json_reader r;
	struct json_token t;
	enum json_type type;

	json_open(&r, p, n);
	do
		type = json_next(&r, &t);
	while (type != JSON_DONE && type != JSON_CUT && type != JSON_BAD);
	return type == JSON_DONE && r.off >= r.len;
}

/* Broken JSON may be taken apart otherwise by a second run, which finds more then, never less. */
static bool may_hold_json(const char *p, size_t n)
{
	return memchr(p, '{', n) || memmem(p, n, "data:", 5) || memmem(p, n, "%7", 2) ||
	       memchr(p, '[', n) || memmem(p, n, "%5", 2);
}

typedef unsigned (*redact_fn)(const struct redactor *, struct buf *, const char *, size_t);

static void through(redact_fn fn, const char *p, size_t n)
{
	const bool json = is_json(p, n), utf8 = utf8_valid(p, n);
	struct buf once = { 0 }, twice = { 0 };
	unsigned count;

	count = fn(red, &once, p, n);
	if (!count && (once.len != n || (n && memcmp(once.p, p, n))))
		abort();
	if (utf8 && !utf8_valid(once.p, once.len))
		abort();
	if (fn == redact_json && json && !is_json(once.p, once.len))
		abort();
	fn(thorough, &twice, p, n);
	if (twice.len != once.len || (once.len && memcmp(twice.p, once.p, once.len)))
		abort();
	buf_clear(&twice);
	count = fn(red, &twice, once.p, once.len);
	if (fn == redact_json ? json : !may_hold_json(p, n))
		if (count || twice.len != once.len ||
		    (once.len && memcmp(twice.p, once.p, once.len)))
			abort();
	buf_clear(&twice);
	fn(with_rules, &twice, p, n);
	buf_free(&once);
	buf_free(&twice);
}

static void as_process(const char *p, size_t n)
{
	char *first = strndup(p, n / 2), *second = strndup(p + n / 2, n - n / 2);
	struct buf out = { 0 };

	redact_arg(red, &out, first, second);
	redact_arg(red, &out, NULL, first);
	redact_env(red, &out, first, second);
	buf_free(&out);
	free(first);
	free(second);
}

static void as_names(const char *p, size_t n)
{
	char hash[17];

	redact_key_is_secret(p, n);
	redact_header_allowed(p, n);
	redact_header_is_credential(p, n);
	redact_key_hash(red, p, n, hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const rules[] = { "order=ORD-[0-9]+", "start=^a+", "word=b+$" };
	static const char *const nothing = "never=[^\001-\377]";
	const char *p = (const char *)data + 1;
	struct err e;

	if (!red) {
		red = redactor_new(PAYLOAD_REDACTED, NULL, 0, &e);
		with_rules = redactor_new(PAYLOAD_REDACTED, rules, 3, &e);
		thorough = redactor_new(PAYLOAD_REDACTED, &nothing, 1, &e);
	}
	if (!size || !red || !with_rules || !thorough)
		return 0;
	size--;
	switch (data[0] % 6) {
	case 0:
		through(redact_text, p, size);
		break;
	case 1:
		through(redact_json, p, size);
		break;
	case 2:
		through(redact_query, p, size);
		break;
	case 3:
		through(redact_path, p, size);
		break;
	case 4:
		as_process(p, size);
		break;
	default:
		as_names(p, size);
		break;
	}
	return 0;
}
