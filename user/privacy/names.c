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
	uint8_t len[MAX_WORDS];
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

static unsigned char_kind(char c)
{
	if ((uint8_t)(c - 'a') < 26)
		return LOWER;
	if ((uint8_t)(c - 'A') < 26)
		return UPPER;
	return (uint8_t)(c - '0') < 10 ? DIGIT : OTHER;
}

static void end_word(struct words *out, unsigned *len)
{
	out->w[out->n][*len] = '\0';
	out->len[out->n++] = (uint8_t)*len;
	*len = 0;
}

/* apiKey, API_KEY, APIKey, api-key2: "api" "key". */
static void split_words(struct words *out, const char *p, size_t n)
{
	unsigned len = 0, before = OTHER, kind = char_kind(*p);

	out->n = 0;
	for (size_t i = 0; i < n && out->n < MAX_WORDS; i++) {
		const unsigned after = i + 1 < n ? char_kind(p[i + 1]) : OTHER;

		if (len && (kind == OTHER || kind == DIGIT ||
			    (kind == UPPER && (before != UPPER || after == LOWER))))
			end_word(out, &len);
		if ((kind == LOWER || kind == UPPER) && len < MAX_WORD - 1 && out->n < MAX_WORDS)
			out->w[out->n][len++] = (char)(p[i] | 0x20);
		before = kind;
		kind = after;
	}
	if (len)
		end_word(out, &len);
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

/* Words that are secrets wherever they stand, by first letter. */
static const char *const strong_words[26] = {
	['a' - 'a'] = "apikey apikeys authorization accesskey accesstoken authtoken authkey",
	['b' - 'a'] = "bearer",
	['c' - 'a'] =
		"credential credentials creds cvv cvc cookie cookies csrf creditcard cardnumber",
	['e' - 'a'] = "encryptionkey",
	['i' - 'a'] = "idtoken iban",
	['j' - 'a'] = "jwt jsessionid",
	['o' - 'a'] = "otp",
	['p' - 'a'] = "password passwd pwd passphrase passcode privatekey phpsessid",
	['r' - 'a'] = "refreshtoken",
	['s' - 'a'] =
		"secret secrets ssn secretkey sessiontoken sessionid sessionkey sessid signingkey",
	['t' - 'a'] = "totp",
	['x' - 'a'] = "xsrf",
};

#define END(s)                   \
	{                        \
		s, sizeof(s) - 1 \
	}
static const struct {
	const char *s;
	uint8_t n;
} strong_ends[] = {
	END("password"), END("passwords"), END("passwd"), END("passphrase"), END("secret"),
	END("secrets"),  END("apikey"),    END("pwd"),    END("authtoken"),  END("accesstoken"),
};
#undef END

static bool is_strong(const char *w, size_t n)
{
	const char *const list = strong_words[w[0] - 'a'];

	if ((list && in_list(w, list)) || (n > 8 && !memcmp(w, "password", 8)))
		return true;
	for (size_t i = 0; i < sizeof(strong_ends) / sizeof(strong_ends[0]); i++) {
		const size_t m = strong_ends[i].n;

		if (n > m && w[n - 1] == strong_ends[i].s[m - 1] &&
		    !memcmp(w + n - m, strong_ends[i].s, m))
			return true;
	}
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
static bool token_is_secret(const char *before, const char *after)
{
	if (*after && !in_list(after, "value secret key hash string"))
		return false;
	return !in_list(
		before,
		"max min num n total prompt completion input output new per stop eos bos pad unk "
		"sep cls mask first last next start end image audio special text generated draft "
		"cached reasoning each single current time");
}

static bool key_is_secret(const char *before, const char *after)
{
	if (!*before || (*after && !in_list(after, "id value secret")))
		return false;
	return in_list(before,
		       "api access secret private encryption signing master auth ssh aws shared "
		       "session license service account subscription functions storage hmac deploy "
		       "client app");
}

static bool pass_is_secret(const char *before, const char *after)
{
	if (*after)
		return in_list(after, "word phrase code");
	return in_list(before, "user db database smtp ftp mysql postgres pg redis admin root proxy "
			       "login auth http "
			       "account mail");
}

/* Words that are secrets in some company: alone, before or after others. */
static bool is_secret_among(const char *w, const char *before, const char *after)
{
	switch (w[0]) {
	case 't':
		if (!strcmp(w, "tokens"))
			return !*after &&
			       in_list(before, "access refresh auth api bearer session id secret");
		return !strcmp(w, "token") && token_is_secret(before, after);
	case 'k':
		if (!strcmp(w, "keys"))
			return !*after && in_list(before, "api access secret private ssh");
		return !strcmp(w, "key") && key_is_secret(before, after);
	case 'a':
	case 'o':
		return in_list(w, "auth oauth") &&
		       (!*after || in_list(after, "header value data code string"));
	case 's':
		return (!strcmp(w, "session") &&
			(!*after || in_list(after, "id key cookie data"))) ||
		       (!strcmp(w, "social") && !strcmp(after, "security"));
	case 'c':
		return (!strcmp(w, "card") && in_list(after, "number num no")) ||
		       (!strcmp(w, "credit") && !strcmp(after, "card"));
	case 'p':
		return !strcmp(w, "pass") && pass_is_secret(before, after);
	default:
		return false;
	}
}

/* Names of one word that are words of prose, too. */
static bool is_weak(const char *w)
{
	return in_list(w, "token auth oauth session pass pw");
}

static enum name_secret word_secret(const struct words *v, unsigned i)
{
	const char *const before = i ? v->w[i - 1] : "";
	const char *const after = i + 1 < v->n ? v->w[i + 1] : "";

	if (v->n == 1 && is_weak(v->w[i]))
		return NAME_PERHAPS;
	if (is_strong(v->w[i], v->len[i]))
		return is_about(v->w[v->n - 1]) ? NAME_HARMLESS : NAME_SECRET;
	return is_secret_among(v->w[i], before, after) ? NAME_SECRET : NAME_HARMLESS;
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
		const enum name_secret s =
			may_be_secret(v.w[i], v.len[i]) ? word_secret(&v, i) : NAME_HARMLESS;

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
