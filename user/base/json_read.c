// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* json_read.c - the pull tokenizer: one pass, no allocation, eight bytes at a time where text
 * allows it. */
#include "base/json.h"

#include <math.h>

#include "base/json_number.h"

/* What the next token may be. */
enum state {
	ST_VALUE, /* a value must follow: the start, after ':' and after ',' in an array */
	ST_FIRST_ELEMENT, /* after '[': a value or ']' */
	ST_FIRST_KEY, /* after '{': a key or '}' */
	ST_KEY, /* after ',' in an object */
	ST_COLON, /* after a key */
	ST_AFTER, /* after a value inside an object or array: ',' or the end */
	ST_DONE, /* from here on: over */
	ST_CUT,
	ST_BAD,
};

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u
/* High bit set in each byte of x that is zero; above the lowest such byte it may be set wrongly. */
#define ZERO_BYTES(x) (((x)-ONES) & ~(x)&HIGHS)

static inline uint64_t load64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline size_t first_byte(uint64_t mask)
{
	return (size_t)__builtin_ctzll(mask) >> 3;
}

void json_open(struct json_reader *r, const void *buf, size_t len)
{
	*r = (struct json_reader){ .buf = buf, .len = len, .state = ST_VALUE };
	if (len && memcmp(buf, "\xef\xbb\xbf", len < 3 ? len : 3) == 0) {
		r->off = len < 3 ? 0 : 3;
		r->state = len < 3 ? ST_CUT : ST_VALUE; /* a cut may fall inside the BOM too */
	}
}

static enum json_type end_cut(struct json_reader *r, size_t off)
{
	r->off = off;
	r->state = ST_CUT;
	return JSON_CUT;
}

static enum json_type end_bad(struct json_reader *r, size_t off)
{
	r->off = off;
	r->state = ST_BAD;
	return JSON_BAD;
}

static size_t skip_more_space(const struct json_reader *r, size_t i)
{
	/* Indented documents have runs of blanks. */
	while (i < r->len && (unsigned char)r->buf[i] <= ' ') {
		char c = r->buf[i];

		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			break;
		i++;
		while (i + 8 <= r->len && load64(r->buf + i) == 0x2020202020202020u)
			i += 8;
	}
	return i;
}

static inline size_t skip_space(const struct json_reader *r, size_t i)
{
	/* Most documents have none or one. */
	return i < r->len && (unsigned char)r->buf[i] > ' ' ? i : skip_more_space(r, i);
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

/* Where the first quote or backslash of the 16 bytes at p is; 16: nowhere. */
static inline size_t quote_in_16(const char *p)
{
	bytes16 v;
	words2 m;

	memcpy(&v, p, sizeof(v));
	m = (words2)((v == '"') | (v == '\\'));
	if (m[0])
		return first_byte(m[0]);
	return m[1] ? 8 + first_byte(m[1]) : 16;
}

/* i: after the opening quote. The offset of the closing quote, or len if there is none. */
static inline size_t string_end(const struct json_reader *r, size_t i, bool *escaped)
{
	const char *b = r->buf;
	size_t len = r->len, at;

	for (;;) {
		for (at = 16; i + 16 <= len && (at = quote_in_16(b + i)) == 16; i += 16)
			;
		if (at < 16)
			i += at;
		else
			while (i < len && b[i] != '"' && b[i] != '\\')
				i++;
		if (i >= len)
			return len;
		if (b[i] == '"')
			return i;
		*escaped = true;
		i += 2; /* whatever is escaped, it ends no string */
		if (i >= len)
			return len;
	}
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* Eight digits at once, if the next eight bytes are that (Lemire, "Number parsing at a gigabyte per
 * second", 2021, section 8). */
static inline bool eight_digits(const char *p, uint32_t *out)
{
	uint64_t v = load64(p);

	if (((v & 0xf0f0f0f0f0f0f0f0u) |
	     (((v + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) >> 4)) != 0x3333333333333333u)
		return false;
	v -= 0x3030303030303030u;
	v = v * 10 + (v >> 8);
	*out = (uint32_t)(((v & 0x000000ff000000ffu) * 0x000f424000000064u +
			   ((v >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >>
			  32);
	return true;
}

/* A run of digits from i on into m; returns where it ends. m wraps beyond 19 digits: the caller
 * counts. */
static inline size_t digit_run(const struct json_reader *r, size_t i, uint64_t *m)
{
	uint32_t eight;

	while (i + 8 <= r->len && eight_digits(r->buf + i, &eight)) {
		*m = *m * 100000000 + eight;
		i += 8;
	}
	while (i < r->len && is_digit(r->buf[i]))
		*m = *m * 10 + (uint64_t)(r->buf[i++] - '0');
	return i;
}

static enum json_type word(struct json_reader *r, struct json_token *t, const char *w, size_t n,
			   enum json_type type, double num)
{
	size_t start = r->off, have = r->len - start;

	if (have < n)
		return memcmp(r->buf + start, w, have) == 0 ? end_cut(r, start) : end_bad(r, start);
	if (memcmp(r->buf + start, w, n) != 0)
		return end_bad(r, start);
	t->p = r->buf + start;
	t->n = n;
	t->num = num;
	r->off = start + n;
	r->state = r->depth ? ST_AFTER : ST_DONE;
	return t->type = type;
}

/* Apart from json_next, which would have to save its registers for it. */
__attribute__((noinline)) static enum json_type number(struct json_reader *r, struct json_token *t)
{
	const char *b = r->buf;
	size_t start = r->off, i = start, len = r->len, from, digits;
	uint64_t m = 0;
	long e10 = 0;
	bool neg = false;

	if (b[i] == '-') {
		neg = true;
		if (++i >= len)
			return end_cut(r, start);
		if (b[i] == 'I')
			return word(r, t, "-Infinity", 9, JSON_NUM, -INFINITY);
	}
	if (!is_digit(b[i]))
		return end_bad(r, i);
	from = i;
	if (b[i] == '0')
		i++; /* no leading zeros: what follows is checked as structure */
	else
		i = digit_run(r, i, &m);
	digits = b[from] == '0' ? 0 : i - from;
	if (i < len && b[i] == '.') {
		from = ++i;
		if (i < len && !is_digit(b[i]))
			return end_bad(r, i);
		if (!digits) /* zeros before the first digit that counts are no digits */
			while (i < len && b[i] == '0')
				i++;
		e10 = -(long)(i - from);
		digits -= i; /* wraps, and back below */
		from = i;
		i = digit_run(r, i, &m);
		digits += i;
		e10 -= (long)(i - from);
	}
	if (i < len && (b[i] == 'e' || b[i] == 'E')) {
		bool neg_exp = false;
		long e = 0;

		if (++i < len && (b[i] == '+' || b[i] == '-'))
			neg_exp = b[i++] == '-';
		if (i < len && !is_digit(b[i]))
			return end_bad(r, i);
		for (; i < len && is_digit(b[i]); i++)
			if (e < 1000000)
				e = e * 10 + (b[i] - '0');
		e10 += neg_exp ? -e : e;
	}
	/* The end of the input ends only a number that is the whole document, itself whole. */
	if (i >= len && (r->depth || !is_digit(b[len - 1])))
		return end_cut(r, start);
	t->p = b + start;
	t->n = i - start;
	t->num = json_number(t->p, t->n, neg, m, digits, e10);
	r->off = i;
	r->state = r->depth ? ST_AFTER : ST_DONE;
	return t->type = JSON_NUM;
}

static enum json_type open_nested(struct json_reader *r, struct json_token *t, bool obj)
{
	if (r->depth >= JSON_MAX_DEPTH)
		return end_bad(r, r->off);
	if (obj)
		r->in_obj |= (uint64_t)1 << r->depth;
	else
		r->in_obj &= ~((uint64_t)1 << r->depth);
	r->depth++;
	r->off++;
	r->state = obj ? ST_FIRST_KEY : ST_FIRST_ELEMENT;
	return t->type = obj ? JSON_OBJ : JSON_ARR;
}

static enum json_type close_nested(struct json_reader *r, bool obj)
{
	r->depth--;
	r->off++;
	r->state = r->depth ? ST_AFTER : ST_DONE;
	return obj ? JSON_OBJ_END : JSON_ARR_END;
}

static inline bool top_is_obj(const struct json_reader *r)
{
	return r->in_obj >> (r->depth - 1) & 1;
}

static enum json_type string(struct json_reader *r, struct json_token *t, bool key)
{
	size_t start = r->off, end;

	t->escaped = false;
	end = string_end(r, start + 1, &t->escaped);
	if (end >= r->len)
		return end_cut(r, start);
	t->p = r->buf + start + 1;
	t->n = end - start - 1;
	r->off = end + 1;
	r->state = key ? ST_COLON : r->depth ? ST_AFTER : ST_DONE;
	return t->type = key ? JSON_KEY : JSON_STR;
}

static inline enum json_type value(struct json_reader *r, struct json_token *t, char c)
{
	switch (c) {
	case '{':
		return open_nested(r, t, true);
	case '[':
		return open_nested(r, t, false);
	case '"':
		return string(r, t, false);
	case 't':
		return word(r, t, "true", 4, JSON_TRUE, 0);
	case 'f':
		return word(r, t, "false", 5, JSON_FALSE, 0);
	case 'n':
		return word(r, t, "null", 4, JSON_NULL, 0);
	case 'N':
		return word(r, t, "NaN", 3, JSON_NUM, NAN);
	case 'I':
		return word(r, t, "Infinity", 8, JSON_NUM, INFINITY);
	default:
		return number(r, t);
	}
}

static enum json_type over(struct json_reader *r)
{
	switch (r->state) {
	case ST_DONE:
		r->off = skip_space(r, r->off);
		return JSON_DONE;
	case ST_CUT:
		return JSON_CUT;
	default:
		return JSON_BAD;
	}
}

/* To the next byte that is no space; false at the end of the input. */
static inline bool reach(struct json_reader *r, size_t i, char *c)
{
	i = skip_space(r, i);
	if (i >= r->len) {
		end_cut(r, r->len);
		return false;
	}
	r->off = i;
	*c = r->buf[i];
	return true;
}

enum json_type json_next(struct json_reader *r, struct json_token *t)
{
	int state = r->state;
	char c;

	if (state >= ST_DONE)
		return t->type = over(r);
	if (!reach(r, r->off, &c))
		return t->type = JSON_CUT;
	/* What separates it from the token before. */
	if (state == ST_AFTER || state == ST_COLON) {
		const bool obj = top_is_obj(r);

		if (state == ST_AFTER && c == (obj ? '}' : ']'))
			return t->type = close_nested(r, obj);
		if (c != (state == ST_AFTER ? ',' : ':'))
			return t->type = end_bad(r, r->off);
		r->state = state = state == ST_AFTER && obj ? ST_KEY : ST_VALUE;
		if (!reach(r, r->off + 1, &c))
			return t->type = JSON_CUT;
	}
	if (state == ST_FIRST_ELEMENT && c == ']')
		return t->type = close_nested(r, false);
	if (state == ST_FIRST_KEY && c == '}')
		return t->type = close_nested(r, true);
	if (state == ST_KEY || state == ST_FIRST_KEY)
		return t->type = c == '"' ? string(r, t, true) : end_bad(r, r->off);
	return t->type = value(r, t, c);
}

enum json_type json_scalar(struct json_reader *r, struct json_token *t)
{
	const char c = r->off < r->len ? r->buf[r->off] : '{';

	return t->type = c == '{' || c == '[' ? JSON_BAD : value(r, t, c);
}

/*
 * Only quotes and brackets are looked at; what lies between is not checked. (c | 0x26) == 0x7f for
 * all four brackets and a few letters, which the switch lets pass.
 */
enum json_type json_skip(struct json_reader *r)
{
	const char *b = r->buf;
	size_t i = r->off, len = r->len, start;
	int until = r->depth - 1;
	bool escaped;

	if (r->state != ST_FIRST_KEY && r->state != ST_FIRST_ELEMENT) {
		/* Not right after OBJ or ARR: nothing to pass over but an end already met. */
		return r->state == ST_CUT ? JSON_CUT : r->state == ST_BAD ? JSON_BAD : JSON_DONE;
	}
	for (;;) {
		while (i + 8 <= len) {
			uint64_t v = load64(b + i);
			uint64_t m = ZERO_BYTES(v ^ ONES * '"') |
				     ZERO_BYTES((v | ONES * 0x26) ^ ONES * 0x7f);

			if (m) {
				i += first_byte(m);
				break;
			}
			i += 8;
		}
		if (i >= len)
			return end_cut(r, len);
		switch (b[i]) {
		case '"':
			start = i;
			i = string_end(r, i + 1, &escaped);
			if (i >= len)
				return end_cut(r, start);
			break;
		case '{':
		case '[':
			if (r->depth >= JSON_MAX_DEPTH)
				return end_bad(r, i);
			if (b[i] == '{')
				r->in_obj |= (uint64_t)1 << r->depth;
			else
				r->in_obj &= ~((uint64_t)1 << r->depth);
			r->depth++;
			break;
		case '}':
		case ']':
			if (top_is_obj(r) != (b[i] == '}'))
				return end_bad(r, i);
			if (r->depth - 1 == until) {
				r->off = i;
				return close_nested(r, b[i] == '}');
			}
			r->depth--;
			break;
		default:
			break;
		}
		i++;
	}
}
