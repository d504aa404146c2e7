/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1_head.c - the grammar of HTTP/1 start lines and fields (RFC 9112 sections 2 to 5), one line
 * at a time. */
#include "proto/http1.h"

#include <string.h>

const char *const h1_anomaly_name[H1_ANOMALIES] = {
	[H1_AN_BAD_REQUEST_LINE] = "bad-request-line",
	[H1_AN_BAD_STATUS_LINE] = "bad-status-line",
	[H1_AN_BAD_TARGET] = "bad-target",
	[H1_AN_BAD_FIELD] = "bad-field",
	[H1_AN_SPACE_BEFORE_COLON] = "space-before-colon",
	[H1_AN_OBS_FOLD] = "obs-fold",
	[H1_AN_BARE_LF] = "bare-lf",
	[H1_AN_BARE_CR] = "bare-cr",
	[H1_AN_NUL] = "nul",
	[H1_AN_CONTROL_BYTE] = "control-byte",
	[H1_AN_BAD_LENGTH] = "bad-length",
	[H1_AN_CONFLICTING_LENGTH] = "conflicting-length",
	[H1_AN_DUPLICATE_LENGTH] = "duplicate-length",
	[H1_AN_LENGTH_AND_TRANSFER_CODING] = "length-and-transfer-coding",
	[H1_AN_BAD_TRANSFER_CODING] = "bad-transfer-coding",
	[H1_AN_TRANSFER_CODING_IN_1_0] = "transfer-coding-in-1.0",
	[H1_AN_BODY_IN_204] = "body-in-204",
	[H1_AN_BAD_CHUNK] = "bad-chunk",
	[H1_AN_HEAD_TOO_LARGE] = "head-too-large",
	[H1_AN_TOO_MANY_PIPELINED] = "too-many-pipelined",
	[H1_AN_RESPONSE_WITHOUT_REQUEST] = "response-without-request",
};

/* Bytes of a token (RFC 9110 section 5.6.2): 1; upper case letters: 3. */
static const uint8_t token[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
	['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1,  ['~'] = 1, ['0'] = 1,
	['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,  ['7'] = 1, ['8'] = 1,
	['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,  ['f'] = 1, ['g'] = 1,
	['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1,  ['n'] = 1, ['o'] = 1,
	['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,  ['v'] = 1, ['w'] = 1,
	['x'] = 1, ['y'] = 1, ['z'] = 1, ['A'] = 3, ['B'] = 3, ['C'] = 3,  ['D'] = 3, ['E'] = 3,
	['F'] = 3, ['G'] = 3, ['H'] = 3, ['I'] = 3, ['J'] = 3, ['K'] = 3,  ['L'] = 3, ['M'] = 3,
	['N'] = 3, ['O'] = 3, ['P'] = 3, ['Q'] = 3, ['R'] = 3, ['S'] = 3,  ['T'] = 3, ['U'] = 3,
	['V'] = 3, ['W'] = 3, ['X'] = 3, ['Y'] = 3, ['Z'] = 3,
};

bool h1_is(const char *p, size_t n, const char *lit, size_t lit_len)
{
	if (n != lit_len)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((p[i] | 0x20) != lit[i])
			return false;
	return true;
}

static size_t token_len(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && token[p[i]])
		i++;
	return i;
}

/* Is one of the 8 bytes at p a control byte? A byte below 0x20 borrows into its top bit, 0x7f
 * becomes zero under xor. */
static inline uint64_t controls_of_8(const uint8_t *p)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t v, del;

	memcpy(&v, p, 8);
	del = v ^ (ones * 0x7f);
	return (((v - ones * 0x20) & ~v) | ((del - ones) & ~del)) & tops;
}

static bool has_controls(const uint8_t *p, size_t n)
{
	uint64_t any = 0;

	if (n < 8) {
		for (size_t i = 0; i < n; i++)
			any |= p[i] < 0x20 || p[i] == 0x7f;
		return any;
	}
	for (size_t i = 0; i + 8 < n; i += 8)
		any |= controls_of_8(p + i);
	return any | controls_of_8(p + n - 8); /* the last eight, some of them again */
}

/* Anomalies for the control bytes in a line; HT is none. */
static uint32_t control_bytes(const uint8_t *p, size_t n)
{
	uint32_t an = 0;

	if (!has_controls(p, n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == 0)
			an |= H1_BIT(H1_AN_NUL);
		else if (p[i] == '\r')
			an |= H1_BIT(H1_AN_BARE_CR);
		else if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
			an |= H1_BIT(H1_AN_CONTROL_BYTE);
	}
	return an;
}

/* Cut the line's CR; its absence is an anomaly. */
static uint32_t chop(const uint8_t *p, size_t *n)
{
	if (*n && p[*n - 1] == '\r') {
		--*n;
		return 0;
	}
	return H1_BIT(H1_AN_BARE_LF);
}

enum proto_verdict h1_request_prefix(const uint8_t *p, size_t n, bool strict)
{
	size_t m = n < H1_METHOD_MAX + 1 ? n : H1_METHOD_MAX + 1;
	size_t k = token_len(p, m);
	uint8_t t;

	if (strict) {
		if (n && token[p[0]] != 3)
			return PROTO_NO;
		for (size_t i = 1; i < k; i++)
			if (token[p[i]] != 3 && p[i] != '-' && p[i] != '_')
				return PROTO_NO;
	}
	if (k == n && k <= H1_METHOD_MAX)
		return PROTO_MAYBE;
	if (k == 0 || k > H1_METHOD_MAX || p[k] != ' ')
		return PROTO_NO;
	if (!strict)
		return PROTO_YES;
	if (k + 1 == n)
		return PROTO_MAYBE;
	t = p[k + 1];
	/* origin-form, asterisk-form, absolute-form and authority-form, an IPv6 literal included */
	if (t != '/' && t != '*' && t != '[' && !(t >= '0' && t <= '9') &&
	    !((t | 0x20) >= 'a' && (t | 0x20) <= 'z'))
		return PROTO_NO;
	return PROTO_YES;
}

bool h1_method_known(const char *p, size_t n)
{
	static const char *const known[] = {
		"GET",     "POST",  "PUT",   "DELETE", "PATCH",    "HEAD",      "OPTIONS",
		"CONNECT", "TRACE", "QUERY", "PURGE",  "PROPFIND", "PROPPATCH", "MKCOL",
		"COPY",    "MOVE",  "LOCK",  "UNLOCK", "REPORT",   "SEARCH",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == n && !memcmp(known[i], p, n))
			return true;
	return false;
}

enum proto_verdict h1_status_prefix(const uint8_t *p, size_t n)
{
	size_t m = n < 7 ? n : 7;

	if (memcmp(p, "HTTP/1.", m))
		return PROTO_NO;
	return n < 7 ? PROTO_MAYBE : PROTO_YES;
}

enum proto_verdict h1_parse_request(const uint8_t *p, size_t n, struct h1_request_line *r)
{
	size_t k = token_len(p, n), from, to;
	enum proto_verdict v = PROTO_YES;

	memset(r, 0, sizeof(*r));
	if (k == 0 || k > H1_METHOD_MAX || k == n || p[k] != ' ')
		return PROTO_NO;
	r->anomalies = chop(p, &n);
	r->method = (const char *)p;
	r->method_len = k;
	from = k + 1;
	to = n;
	while (to > from && (p[to - 1] == ' ' || p[to - 1] == '\t'))
		to--;
	if (to != n)
		r->anomalies |= H1_BIT(H1_AN_BAD_REQUEST_LINE);
	/* the target ends before the last word, however many blanks it has itself */
	if (to - from >= 9 && !memcmp(p + to - 9, " HTTP/1.", 8) && p[to - 1] >= '0' &&
	    p[to - 1] <= '9') {
		r->minor = p[to - 1] - '0';
		to -= 9;
	} else {
		r->anomalies |= H1_BIT(H1_AN_BAD_REQUEST_LINE);
		v = PROTO_MAYBE;
	}
	while (from < to && (p[from] == ' ' || p[from] == '\t')) {
		r->anomalies |= H1_BIT(H1_AN_BAD_REQUEST_LINE);
		from++;
	}
	while (to > from && (p[to - 1] == ' ' || p[to - 1] == '\t')) {
		r->anomalies |= H1_BIT(H1_AN_BAD_REQUEST_LINE);
		to--;
	}
	r->target = (const char *)p + from;
	r->target_len = to - from;
	if (from == to) {
		r->anomalies |= H1_BIT(H1_AN_BAD_REQUEST_LINE);
		return PROTO_MAYBE;
	}
	r->anomalies |= control_bytes(p + from, to - from);
	if (memchr(p + from, ' ', to - from) || memchr(p + from, '\t', to - from) ||
	    r->anomalies & (H1_BIT(H1_AN_NUL) | H1_BIT(H1_AN_BARE_CR) | H1_BIT(H1_AN_CONTROL_BYTE)))
		r->anomalies |= H1_BIT(H1_AN_BAD_TARGET);
	return v;
}

bool h1_parse_status(const uint8_t *p, size_t n, int *status, int *minor)
{
	if (n < 12 || memcmp(p, "HTTP/1.", 7) || p[7] < '0' || p[7] > '9' || p[8] != ' ')
		return false;
	for (int i = 9; i < 12; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	if (p[9] == '0' || (n > 12 && p[12] != ' ' && p[12] != '\r'))
		return false;
	*minor = p[7] - '0';
	*status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + p[11] - '0';
	return true;
}

bool h1_parse_field(const uint8_t *p, size_t n, struct h1_field *f)
{
	size_t k, from;

	memset(f, 0, sizeof(*f));
	f->anomalies = chop(p, &n);
	k = token_len(p, n);
	from = k;
	while (from < n && (p[from] == ' ' || p[from] == '\t'))
		from++;
	if (k == 0 || from == n || p[from] != ':') {
		f->anomalies |= H1_BIT(H1_AN_BAD_FIELD) | control_bytes(p, n);
		return false;
	}
	if (from != k)
		f->anomalies |= H1_BIT(H1_AN_SPACE_BEFORE_COLON);
	from++;
	while (from < n && (p[from] == ' ' || p[from] == '\t'))
		from++;
	while (n > from && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	f->name = (const char *)p;
	f->name_len = k;
	f->value = (const char *)p + from;
	f->value_len = n - from;
	f->anomalies |= control_bytes(p + from, n - from);
	return true;
}
