/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_redact_prop.c - properties of redaction over generated secrets in generated surroundings: no
 * piece of a secret survives, a second run changes nothing, JSON stays JSON, cuts leak nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "privacy/redact.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS 4000u
#define PIECE 5u /* bytes of a secret in a row that count as a leak */

static struct redactor *red;
static struct redactor
	*thorough; /* has a rule that matches nothing, so that no filter spares it work */
static struct buf in, out, again;
static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static const char base62[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* n random characters of a set, with a digit and a capital as real keys have. */
static char *put_random(char *p, const char *set, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		*p++ = set[rnd((uint32_t)strlen(set))];
	return p;
}

static char *put_key(char *p, const char *prefix, unsigned n)
{
	p = stpcpy(p, prefix);
	p = put_random(p, base62, n);
	p[-1] = '7';
	p[-2] = 'Q';
	return p;
}

/* ---- secrets that are told by their own looks --------------------------------------------------
 */

static void make_card(char *p)
{
	static const char *const issuers[] = { "4", "51", "55", "2221", "6011", "65" };
	const char *const issuer = issuers[rnd(6)];
	size_t n = strlen(issuer);
	unsigned sum = 0;

	memcpy(p, issuer, n);
	put_random(p + n, "0123456789", (unsigned)(15 - n));
	for (unsigned i = 0; i < 15; i++) {
		unsigned d = (unsigned)(p[i] - '0') * (i % 2 ? 1 : 2);

		sum += d > 9 ? d - 9 : d;
	}
	p[15] = (char)('0' + (10 - sum % 10) % 10);
	p[16] = '\0';
}

static const char *make_secret(char *p)
{
	char *const start = p;

	switch (rnd(12)) {
	case 0:
		p = put_key(p, "sk-", 20 + rnd(30));
		break;
	case 1:
		p = put_key(p, "sk-ant-api03-", 20 + rnd(60));
		break;
	case 2:
		p = put_key(p, "hf_", 34);
		break;
	case 3:
		p = put_key(p, "ghp_", 36);
		break;
	case 4:
		p = put_key(p, "xoxb-", 24);
		break;
	case 5:
		p = put_random(stpcpy(p, "AKIA"), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
		break;
	case 6:
		p = put_key(p, "AIza", 35);
		break;
	case 7:
		p = put_random(stpcpy(p, "eyJ"), base62, 20);
		*p++ = '.';
		p = put_random(stpcpy(p, "eyJ"), base62, 40);
		*p++ = '.';
		p = put_random(p, base62, 43);
		break;
	case 8:
		p = put_random(p, "abcdefghijklmnopqrstuvwxyz.0123456789", 3 + rnd(10));
		p[-1] = 'x';
		start[0] = 'j';
		*p++ = '@';
		p = put_random(p, "abcdefghijklmnopqrstuvwxyz", 4 + rnd(8));
		p = stpcpy(p, rnd(2) ? ".com" : ".co.uk");
		break;
	case 9:
		make_card(p);
		return start;
	case 10:
		p = stpcpy(p, "-----BEGIN RSA PRIVATE KEY-----\\n");
		p = put_random(p, base62, 64);
		p = stpcpy(p, "\\n-----END RSA PRIVATE KEY-----");
		break;
	default:
		p = put_key(p, "github_pat_11", 40);
		break;
	}
	*p = '\0';
	return start;
}

/* What identifies the secret: without the prefix that everybody knows, and structure. */
static bool leaks(const struct buf *b, const char *secret, size_t n)
{
	static const char *const known[] = { "sk-ant-api03-", "-----BEGIN", "PRIVATE KEY",
					     "github_pat_11", "-----END",   "-----",
					     ".co.uk",        "PRIVATE",    "RSA P" };

	for (size_t i = 0; i + PIECE <= n; i++) {
		bool public = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
		public |= memmem(known[k], strlen(known[k]), secret + i, PIECE) != NULL;
		if (!public && b->len && memmem(b->p, b->len, secret + i, PIECE))
			return true;
	}
	return false;
}

/* ---- surroundings -----------------------------------------------------------------------------
 */

static const char *const prose[] = {
	"hello", " ",  ", ",   "the model said", "(",    ")",   "\\n", "key ",
	"1.5 ",  "x=", "äöü ", "tokens: ",       "日本", " - ", "42 ", "a_b ",
	"see ",  "; ", "%20",  "basic "
};

static void put_prose(unsigned n)
{
	while (n--)
		buf_puts(&in, prose[rnd(sizeof(prose) / sizeof(prose[0]))]);
}

/* A JSON string's content, any character perhaps as \u escape. */
static void put_escaped(const char *s, bool escape)
{
	for (bool escaped = false; *s; s++) {
		if (escape && (uint8_t)*s < 0x80 && *s != '\\' && !escaped && !rnd(3))
			buf_printf(&in, "\\u%04x", (unsigned)*s);
		else
			buf_putc(&in, *s);
		escaped = *s == '\\';
	}
}

static void put_percent(const char *s)
{
	for (; *s; s++) {
		const bool plain = (*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9');

		if (!plain || !rnd(4))
			buf_printf(&in, "%%%02X", (unsigned)(uint8_t)*s);
		else
			buf_putc(&in, *s);
	}
}

typedef unsigned (*redact_fn)(const struct redactor *, struct buf *, const char *, size_t);

static void check(redact_fn fn, const char *secret, bool must_find)
{
	const size_t n = strlen(secret);
	unsigned count;

	buf_clear(&out);
	buf_clear(&again);
	count = fn(red, &out, in.p, in.len);
	if (leaks(&out, secret, n) || (must_find && !count))
		fail_msg("%s\n  leaks in %.*s\n  out of   %.*s", secret, (int)out.len, out.p,
			 (int)in.len, in.p);
	fn(thorough, &again, in.p, in.len);
	if (again.len != out.len || memcmp(again.p, out.p, out.len))
		fail_msg("the filter hid something: %.*s\n  not %.*s\n  out of %.*s", (int)out.len,
			 out.p, (int)again.len, again.p, (int)in.len, in.p);
	buf_clear(&again);
	count = fn(red, &again, out.p, out.len);
	if (count || again.len != out.len || memcmp(again.p, out.p, out.len))
		fail_msg("not the same twice: %.*s\n  then %.*s\n  out of %.*s", (int)out.len,
			 out.p, (int)again.len, again.p, (int)in.len, in.p);
}

static bool is_json(const struct buf *b)
{
	struct json_reader r;
	struct json_token t;
	enum json_type type;

	json_open(&r, b->p, b->len);
	do
		type = json_next(&r, &t);
	while (type != JSON_DONE && type != JSON_CUT && type != JSON_BAD);
	return type == JSON_DONE && r.off >= b->len;
}

static void secrets_in_text(void **state)
{
	char secret[400];

	(void)state;
	for (seed = 1; seed < ROUNDS; seed++) {
		const uint32_t round = seed;

		make_secret(secret);
		buf_clear(&in);
		put_prose(rnd(4));
		buf_puts(&in, " ");
		buf_puts(&in, secret);
		buf_puts(&in, " ");
		put_prose(rnd(4));
		check(redact_text, secret, true);
		seed = round;
	}
}

static void put_document(const char *secret, bool escape)
{
	buf_clear(&in);
	buf_puts(&in, "{\"model\":\"m\",\"max_tokens\":5,");
	if (rnd(2))
		buf_puts(&in, "\"nested\":[{\"deep\":[1,2.5,");
	else
		buf_puts(&in, "\"list\":[{\"x\":[");
	buf_putc(&in, '"');
	put_prose(rnd(3));
	buf_puts(&in, " ");
	put_escaped(secret, escape);
	buf_puts(&in, " ");
	put_prose(rnd(3));
	buf_puts(&in, "\"]}],\"after\":\"text\",\"n\":1}");
}

static void secrets_in_json(void **state)
{
	char secret[400];

	(void)state;
	for (seed = 1; seed < ROUNDS; seed++) {
		const uint32_t round = seed;

		make_secret(secret);
		put_document(secret, rnd(2));
		assert_true(is_json(&in));
		check(redact_json, secret, true);
		if (!is_json(&out))
			fail_msg("no JSON: %.*s", (int)out.len, out.p);
		seed = round;
	}
}

static void put_wrapped(const struct buf *inner)
{
	buf_puts(&in, "{\"arguments\":");
	json_str(&in, inner->p, inner->len);
	buf_puts(&in, ",\"n\":1}");
}

static void secrets_in_json_in_json(void **state)
{
	struct buf inner = { 0 };
	char secret[400];

	(void)state;
	for (seed = 1; seed < ROUNDS; seed++) {
		const uint32_t round = seed;

		make_secret(secret);
		put_document(secret, rnd(2));
		for (uint32_t depth = 1 + rnd(3); depth; depth--) {
			buf_clear(&inner);
			buf_put(&inner, in.p, in.len);
			buf_clear(&in);
			put_wrapped(&inner);
		}
		check(redact_json, secret, true);
		assert_true(is_json(&out));
		seed = round;
	}
	buf_free(&inner);
}

/* Under a name that says so any value goes, whatever it looks like. */
static const char *const secret_names[] = { "password",      "api_key",       "apiKey",
					    "client_secret", "accessToken",   "x-api-key",
					    "DB_PASSWORD",   "Authorization", "session_id",
					    "refresh_token" };
#define SECRET_NAMES (sizeof(secret_names) / sizeof(secret_names[0]))

static void make_opaque(char *p, const char *set)
{
	*put_random(p, set, 8 + rnd(40)) = '\0';
}

static void values_under_secret_names(void **state)
{
	char secret[400];

	(void)state;
	for (seed = 1; seed < ROUNDS; seed++) {
		const uint32_t round = seed;
		const char *const name = secret_names[rnd(SECRET_NAMES)];

		make_opaque(secret, "abcdefghijklmnopqrstuvwxyz 0123456789,;:&=@[]{}.!$%'");
		buf_clear(&in);
		buf_printf(&in, "{\"a\":[1,{\"%s\" :", name);
		if (rnd(3)) {
			buf_putc(&in, '"');
			put_escaped(secret, rnd(2));
			buf_puts(&in, "\"}],\"z\":null}");
		} else {
			buf_puts(&in, " {\"x\":[\"");
			put_escaped(secret, rnd(2));
			buf_puts(&in, "\"],\"y\":2} }],\"z\":null}");
		}
		assert_true(is_json(&in));
		check(redact_json, secret, true);
		assert_true(is_json(&out));

		make_opaque(secret, base62);
		buf_clear(&in);
		buf_printf(&in, "n=1&%s=", name);
		put_percent(secret);
		buf_puts(&in, "&m=2");
		check(redact_query, secret, true);

		buf_clear(&in);
		put_prose(rnd(3));
		buf_printf(&in, " %s=%s ", name, secret);
		put_prose(rnd(3));
		check(redact_text, secret, true);
		seed = round;
	}
}

static void arguments_and_environment(void **state)
{
	char secret[400], arg[500];

	(void)state;
	for (seed = 1; seed < ROUNDS; seed++) {
		const uint32_t round = seed;
		const char *const name = secret_names[rnd(SECRET_NAMES)];

		make_opaque(secret, "abcdefghijklmnopqrstuvwxyz 0123456789,;:&=@[]{}.!$%'\"");
		buf_clear(&out);
		assert_int_equal(redact_env(red, &out, name, secret), 1);
		assert_false(leaks(&out, secret, strlen(secret)));
		snprintf(arg, sizeof(arg), "--%s=%s", name, secret);
		buf_clear(&out);
		assert_int_equal(redact_arg(red, &out, NULL, arg), 1);
		assert_false(leaks(&out, secret, strlen(secret)));
		snprintf(arg, sizeof(arg), "--%s", name);
		buf_clear(&out);
		assert_int_equal(redact_arg(red, &out, arg, secret), 1);
		assert_false(leaks(&out, secret, strlen(secret)));
		make_secret(secret);
		snprintf(arg, sizeof(arg), "--header=X: %s", secret);
		buf_clear(&out);
		assert_true(redact_arg(red, &out, NULL, arg) > 0);
		assert_false(leaks(&out, secret, strlen(secret)));
		seed = round;
	}
}

/* Head and tail of a sample: a document with a secret value, cut anywhere, shows no piece of it. */
static void cut_anywhere(void **state)
{
	char secret[400];

	(void)state;
	for (seed = 1; seed < ROUNDS / 40; seed++) {
		const uint32_t round = seed;
		struct buf whole = { 0 };

		make_opaque(secret, base62);
		buf_printf(&whole,
			   "{\"user\":{\"name\":\"x y\",\"%s\":\"%s\"},\"n\":[1,2],\"t\":\"some, "
			   "text: \"}",
			   secret_names[rnd(SECRET_NAMES)], secret);
		for (size_t at = 0; at <= whole.len; at++) {
			buf_clear(&in);
			buf_put(&in, whole.p, at);
			if (at)
				check(redact_json, secret, false);
			buf_clear(&in);
			buf_put(&in, whole.p + at, whole.len - at);
			if (in.len)
				check(redact_json, secret, false);
		}
		buf_free(&whole);
		seed = round;
	}
}

/* A fragment of any document comes out of a second run as it went in. */
static void fragments_twice(void **state)
{
	char secret[400];

	(void)state;
	for (seed = 1; seed < ROUNDS / 40; seed++) {
		const uint32_t round = seed;
		struct buf whole = { 0 };

		make_secret(secret);
		put_document(secret, rnd(2));
		buf_put(&whole, in.p, in.len);
		for (size_t at = 1; at < whole.len; at++) {
			buf_clear(&in);
			buf_put(&in, whole.p, at);
			check(redact_json, "", false);
			buf_clear(&in);
			buf_put(&in, whole.p + at, whole.len - at);
			check(redact_json, "", false);
		}
		buf_free(&whole);
		seed = round;
	}
}

/* Anything at all: twice is once (of JSON: if it is some), and what was JSON stays JSON. */
static void any_bytes_twice(void **state)
{
	static const char *const piece[] = {
		"{",
		"}",
		"[",
		"]",
		":",
		",",
		"\"",
		"\\",
		"\\u0040",
		"\"password\":",
		"@",
		"x.com",
		"sk-",
		"abcdefgh12345678",
		" ",
		"\n",
		"Bearer ",
		"token",
		"=",
		"4111111111111111",
		"%40",
		"&",
		"/",
		"://",
		"user:pw@",
		"-",
		"_",
		"12",
		"null",
		"[REDACTED:key:8]",
		"eyJhbGciOi.",
		"hf_",
		"'",
		"\"a\"",
		"data: ",
		"AKIAIOSFODNN7EXAMPLE",
		"-----BEGIN PRIVATE KEY-----",
		"-----END PRIVATE KEY-----",
		"\xff",
		"ä",
		"\\n",
		"true",
	};
	static const redact_fn fns[] = { redact_text, redact_json, redact_query, redact_path };

	(void)state;
	for (seed = 1; seed < ROUNDS * 10; seed++) {
		const uint32_t round = seed;
		bool json;

		buf_clear(&in);
		for (uint32_t n = 1 + rnd(20); n; n--)
			buf_puts(&in, piece[rnd(sizeof(piece) / sizeof(piece[0]))]);
		json = is_json(&in);
		for (size_t k = 0; k < sizeof(fns) / sizeof(fns[0]); k++) {
			if (k != 1 || json) {
				check(fns[k], "", false);
				assert_true(k != 1 || is_json(&out));
			} else {
				buf_clear(&out);
				fns[k](red, &out, in.p, in.len);
			}
		}
		seed = round;
	}
}

/* Half-words around what the filter looks for: it must never pass what the scanners would find. */
static void filter_hides_nothing(void **state)
{
	static const char *const piece[] = {
		"tok",
		"en",
		"ens",
		"key",
		"api",
		"_",
		"-",
		".",
		":",
		"=",
		" ",
		"\\t",
		"\\n",
		"\t",
		"\"",
		"\\\"",
		"'",
		"access",
		"max",
		"pass",
		"word",
		"sec",
		"ret",
		"Be",
		"arer",
		"bas",
		"ic ",
		"abc",
		"A1b2",
		"0123456789",
		"4111 1111",
		" 1111 1111",
		"4111-1111-1111-1111",
		"sk",
		"hf",
		"gh",
		"p",
		"eyJ",
		"AKIA",
		"AIza",
		"ABCDEFGH",
		"\\u00",
		"41",
		"e9",
		",",
		"{",
		"}",
		"auth",
		"session",
		"id",
		"pw",
		"\n",
		"pri",
		"vate",
		"card",
		"number",
		"-----",
		"BEGIN ",
		"PRIVATE KEY",
		"abcdefghijklmnopqrst",
		"5500000000000004",
		"/",
		"+",
		"%",
		"40",
	};
	static const redact_fn fns[] = { redact_text, redact_json, redact_query, redact_path };

	(void)state;
	for (seed = 1; seed < ROUNDS * 15; seed++) {
		const uint32_t round = seed;

		buf_clear(&in);
		if (rnd(2))
			buf_puts(&in, "{\"");
		for (uint32_t n = 1 + rnd(12); n; n--)
			buf_puts(&in, piece[rnd(sizeof(piece) / sizeof(piece[0]))]);
		for (size_t k = 0; k < sizeof(fns) / sizeof(fns[0]); k++) {
			buf_clear(&out);
			buf_clear(&again);
			fns[k](red, &out, in.p, in.len);
			fns[k](thorough, &again, in.p, in.len);
			if (again.len != out.len || memcmp(again.p, out.p, out.len))
				fail_msg("the filter hid something: %.*s\n  not %.*s", (int)out.len,
					 out.p, (int)again.len, again.p);
		}
		seed = round;
	}
}

static int setup(void **state)
{
	static const char *const nothing = "never=[^\001-\377]";
	struct err e;

	(void)state;
	red = redactor_new(PAYLOAD_REDACTED, NULL, 0, &e);
	thorough = redactor_new(PAYLOAD_REDACTED, &nothing, 1, &e);
	return red && thorough ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	redactor_free(red);
	redactor_free(thorough);
	buf_free(&in);
	buf_free(&out);
	buf_free(&again);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_in_text),
		cmocka_unit_test(secrets_in_json),
		cmocka_unit_test(secrets_in_json_in_json),
		cmocka_unit_test(values_under_secret_names),
		cmocka_unit_test(arguments_and_environment),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(fragments_twice),
		cmocka_unit_test(any_bytes_twice),
		cmocka_unit_test(filter_hides_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
