/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * names.c - does a name (JSON key, query parameter, header, variable, option) say that its value is
 * a secret? Names are cut into words at case changes, digits and punctuation; rules look at words.
 */
#include "privacy/names.h"
#include "privacy/scan.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 128u /* of longer names the end counts: it says what the value is */
#define MAX_WORDS 16u
#define MAX_WORD 24u

struct words {
	char w[MAX_WORDS][MAX_WORD];
	unsigned n;
};

/*
 * Every name that any rule accepts holds one of these three-letter groups: most names are told
 * harmless by one table look-up a byte. Letters count modulo 32, which folds case.
 */
#define L(c) (1u << ((c)&31))
#define G(a, b) (((a)&31) << 5 | ((b)&31))
static const uint32_t third_letter[1024] = {
	[G('p', 'a')] = L('s'),          [G('p', 'w')] = L('d'), [G('s', 'e')] = L('c') | L('s'),
	[G('s', 's')] = L('n'),          [G('t', 'o')] = L('k'), [G('k', 'e')] = L('y'),
	[G('a', 'u')] = L('t'),          [G('c', 'r')] = L('e'), [G('c', 'o')] = L('o'),
	[G('c', 'v')] = L('v') | L('c'), [G('j', 'w')] = L('t'), [G('b', 'e')] = L('a'),
	[G('c', 'a')] = L('r'),          [G('o', 't')] = L('p'), [G('c', 's')] = L('r'),
	[G('x', 's')] = L('r'),          [G('i', 'b')] = L('a'), [G('s', 'o')] = L('c'),
};

static bool may_be_secret(const char *p, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++)
		if (third_letter[G(p[i], p[i + 1])] & L(p[i + 2]))
			return true;
	return n == 2 && (p[0] | 0x20) == 'p' && (p[1] | 0x20) == 'w';
}

enum { OTHER, LOWER, UPPER, DIGIT };

static int char_kind(char c)
{
	if (c >= 'a' && c <= 'z')
		return LOWER;
	if (c >= 'A' && c <= 'Z')
		return UPPER;
	return c >= '0' && c <= '9' ? DIGIT : OTHER;
}

/* apiKey, API_KEY, APIKey, api-key2: "api" "key". */
static void split_words(struct words *out, const char *p, size_t n)
{
	size_t len = 0;

	out->n = 0;
	for (size_t i = 0; i < n; i++) {
		const int kind = char_kind(p[i]);
		const int before = i ? char_kind(p[i - 1]) : OTHER;
		const int after = i + 1 < n ? char_kind(p[i + 1]) : OTHER;
		const bool starts = kind == UPPER && (before != UPPER || after == LOWER);

		if (len && (kind == OTHER || kind == DIGIT || starts)) {
			out->w[out->n++][len] = '\0';
			len = 0;
			if (out->n == MAX_WORDS)
				return;
		}
		if ((kind == LOWER || kind == UPPER) && len < MAX_WORD - 1)
			out->w[out->n][len++] = (char)(p[i] | 0x20);
	}
	if (len)
		out->w[out->n++][len] = '\0';
}

/* Is word one of a list of words between blanks? */
static bool in_list(const char *word, const char *list)
{
	const size_t n = strlen(word);

	for (const char *p = list; n && (p = strstr(p, word)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static bool ends_with(const char *word, const char *end)
{
	const size_t n = strlen(word), m = strlen(end);

	return n >= m && !memcmp(word + n - m, end, m);
}

static bool is_strong(const char *w)
{
	static const char exact[] = "password passwd pwd passphrase passcode secret secrets "
				    "credential credentials creds apikey "
				    "authorization ssn cvv cvc cookie cookies bearer jwt "
				    "privatekey secretkey accesskey authtoken "
				    "accesstoken refreshtoken idtoken sessiontoken sessionid "
				    "sessionkey sessid phpsessid "
				    "jsessionid otp totp csrf xsrf creditcard cardnumber iban "
				    "authkey signingkey encryptionkey";
	static const char *const ends[] = { "password", "passwd",    "passphrase",
					    "secret",   "secrets",   "apikey",
					    "pwd",      "authtoken", "accesstoken" };

	if (in_list(w, exact) || !strncmp(w, "password", 8))
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends_with(w, ends[i]))
			return true;
	return false;
}

/* A name that ends so speaks about the secret and does not hold it: password_min_length. */
static bool is_about(const char *last)
{
	return in_list(
		last, "enabled required count length len type policy expires expiry expiration ttl "
		      "timeout url uri endpoint strength attempts version status limit name");
}

/* "token" counts things in the world of models: only as the thing itself it is a secret. */
static bool token_is_secret(const struct words *v, unsigned i)
{
	const char *before = i ? v->w[i - 1] : "";
	const char *after = i + 1 < v->n ? v->w[i + 1] : "";

	if (*after && !in_list(after, "value secret key hash string"))
		return false;
	return !in_list(
		before,
		"max min num n total prompt completion input output new per stop eos bos pad unk "
		"sep cls mask first last next start end image audio special text generated draft "
		"cached reasoning each single current time");
}

static bool key_is_secret(const struct words *v, unsigned i)
{
	const char *after = i + 1 < v->n ? v->w[i + 1] : "";

	if (!i || (*after && !in_list(after, "id value secret")))
		return false;
	return in_list(v->w[i - 1],
		       "api access secret private encryption signing master auth ssh aws shared "
		       "session license service account subscription functions storage hmac deploy "
		       "client app");
}

static enum name_secret word_secret(const struct words *v, unsigned i)
{
	const char *w = v->w[i];
	const char *before = i ? v->w[i - 1] : "";
	const char *after = i + 1 < v->n ? v->w[i + 1] : "";

	if (is_strong(w))
		return is_about(v->w[v->n - 1]) ? NAME_HARMLESS : NAME_SECRET;
	if (!strcmp(w, "token") && token_is_secret(v, i))
		return v->n == 1 ? NAME_PERHAPS : NAME_SECRET;
	if (!strcmp(w, "tokens") && !*after &&
	    in_list(before, "access refresh auth api bearer session id secret"))
		return NAME_SECRET;
	if (!strcmp(w, "key") && key_is_secret(v, i))
		return NAME_SECRET;
	if (in_list(w, "auth oauth") &&
	    (!*after || in_list(after, "header value data code string")))
		return v->n == 1 ? NAME_PERHAPS : NAME_SECRET;
	if (!strcmp(w, "session") && (!*after || in_list(after, "id key cookie data")))
		return *after ? NAME_SECRET : NAME_PERHAPS;
	if (in_list(w, "pass pw") && !*after)
		return !i ? NAME_PERHAPS
		       : in_list(before, "user db database smtp ftp mysql postgres pg redis admin "
					 "root proxy login "
					 "auth http account mail")
			       ? NAME_SECRET
			       : NAME_HARMLESS;
	if ((!strcmp(w, "card") && in_list(after, "number num no")) ||
	    (!strcmp(w, "credit") && !strcmp(after, "card")) ||
	    (!strcmp(w, "social") && !strcmp(after, "security")) ||
	    (!strcmp(w, "pass") && in_list(after, "word phrase code")))
		return NAME_SECRET;
	return NAME_HARMLESS;
}

enum name_secret name_secret(const char *p, size_t n)
{
	enum name_secret most = NAME_HARMLESS;
	struct words v;

	/* [REDACTED:aws_key:32] in a name is no word of it: a first run judged what stood there. */
	if (placeholder_within(p, n))
		return NAME_HARMLESS;
	if (n > NAME_MAX_BYTES) {
		p += n - NAME_MAX_BYTES;
		n = NAME_MAX_BYTES;
	}
	if (!may_be_secret(p, n))
		return NAME_HARMLESS;
	split_words(&v, p, n);
	for (unsigned i = 0; i < v.n && most != NAME_SECRET; i++) {
		const enum name_secret s = word_secret(&v, i);

		most = s > most ? s : most;
	}
	return most;
}

bool redact_key_is_secret(const char *p, size_t n)
{
	return name_secret(p, n) != NAME_HARMLESS;
}

bool redact_header_is_credential(const char *p, size_t n)
{
	return redact_key_is_secret(p, n);
}

static bool same(const char *p, size_t n, const char *name)
{
	return strlen(name) == n && !strncasecmp(p, name, n);
}

bool redact_header_allowed(const char *p, size_t n)
{
	/* By length, so that most names are refused without a comparison. */
	switch (n) {
	case 6:
		return same(p, n, "server");
	case 10:
		return same(p, n, "user-agent");
	case 11:
		return same(p, n, "traceparent") || same(p, n, "retry-after");
	case 12:
		if (same(p, n, "content-type") || same(p, n, "x-request-id"))
			return true;
		break;
	case 14:
		if (same(p, n, "content-length"))
			return true;
		break;
	case 15:
		if (same(p, n, "x-forwarded-for"))
			return true;
		break;
	case 16:
		if (same(p, n, "content-encoding"))
			return true;
		break;
	case 17:
		if (same(p, n, "transfer-encoding") || same(p, n, "anthropic-version"))
			return true;
		break;
	case 23:
		if (same(p, n, "x-stainless-retry-count"))
			return true;
		break;
	default:
		break;
	}
	return n > 12 && !strncasecmp(p, "x-ratelimit-", 12);
}
