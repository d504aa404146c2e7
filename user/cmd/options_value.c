/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options_value.c - one value of one option: checked strictly against its row and stored. */
#include "cmd/options_table.h"

#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 1024u /* values of one repeatable option */
#define TEXT_MAX 4096u
#define TAG_KEY_MAX 128u

/* What a value is checked for, and where to complain. */
struct value {
	const struct opt *row;
	const char *text;
	const struct opt_place *at;
	struct err *e;
};

const char *opt_place_name(char *out, size_t n, const struct opt *row, const struct opt_place *at)
{
	if (at->file)
		snprintf(out, n, "%s:%u: %s", at->file, at->line, row->name);
	else
		snprintf(out, n, "--%s", row->name);
	return out;
}

static int reject(const struct value *v, const char *why)
{
	char name[160];

	return err_set(v->e, EXIT_USAGE, "%s: '%.64s' %s",
		       opt_place_name(name, sizeof(name), v->row, v->at), v->text, why);
}

static bool is_size(enum opt_type t)
{
	return t == OPT_SIZE || t == OPT_COPY;
}

/* A bound as one would write it. */
static const char *bound_text(char *out, size_t n, enum opt_type type, double bound)
{
	static const char unit[] = "\0KMGT";
	uint64_t v = (uint64_t)bound;
	unsigned u = 0;

	if (type == OPT_REAL) {
		snprintf(out, n, "%g", bound);
		return out;
	}
	while (is_size(type) && v && !(v % 1024) && u < 4) {
		v /= 1024;
		u++;
	}
	snprintf(out, n, "%" PRIu64 "%.1s", v, unit + u);
	return out;
}

static void mend_range(const struct value *v)
{
	const struct opt *row = v->row;
	char lo[32], hi[32];

	bound_text(lo, sizeof(lo), row->type, row->min);
	bound_text(hi, sizeof(hi), row->type, row->max);
	err_mend(v->e, "allowed: %s to %s%s%s%s", lo, hi,
		 is_size(row->type) ? " (bytes, or with K, M, G, T)" : "",
		 row->def ? ", default " : "", row->def ? row->def : "");
}

static int reject_range(const struct value *v, const char *why)
{
	reject(v, why);
	mend_range(v);
	return -1;
}

/* Digits of [p, end) into *out; false if there are none, others, or too many. */
static bool parse_digits(const char *p, const char *end, uint64_t *out)
{
	uint64_t n = 0;

	if (p == end)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	*out = n;
	return true;
}

static const char *digits_end(const char *p)
{
	return p + strspn(p, "0123456789");
}

/* Digits and nothing else; *huge when they are a number that no type holds. */
static bool parse_whole(const char *p, uint64_t *out, bool *huge)
{
	const char *end = digits_end(p);

	*huge = end != p && !*end;
	return !*end && parse_digits(p, end, out);
}

static bool in_range(const struct opt *row, uint64_t n)
{
	return (double)n >= row->min && (double)n <= row->max;
}

static int value_count(const struct value *v, uint64_t *out)
{
	bool huge;

	if (!parse_whole(v->text, out, &huge) && !huge)
		return reject_range(v, "is not a whole number");
	if (huge && !parse_digits(v->text, digits_end(v->text), out))
		return reject_range(v, "is out of range");
	if (!in_range(v->row, *out))
		return reject_range(v, "is out of range");
	return 0;
}

/* Size of [p, end): 8M, 8Mi, 8MiB, 8MB and 8m are the same. */
static bool parse_size(const char *p, const char *end, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *q = p;
	const char *unit;

	while (q < end && *q >= '0' && *q <= '9')
		q++;
	if (!parse_digits(p, q, out))
		return false;
	if (q == end)
		return true;
	unit = strchr(units, *q >= 'a' ? *q - 'a' + 'A' : *q);
	if (unit && *q) {
		q++;
		if (q < end && *q == 'i')
			q++;
		for (const char *u = units; u <= unit; u++)
			if (__builtin_mul_overflow(*out, 1024, out))
				return false;
	}
	if (q < end && *q == 'B')
		q++;
	return q == end;
}

static int value_size(const struct value *v, uint64_t *out)
{
	if (!parse_size(v->text, v->text + strlen(v->text), out))
		return reject_range(v, "is not a size");
	return in_range(v->row, *out) ? 0 : reject_range(v, "is out of range");
}

/* HEAD[+TAIL]: head and tail are neighbours in struct options. */
static int value_copy(const struct value *v, struct options *o)
{
	const char *plus = strchr(v->text, '+');
	const char *end = v->text + strlen(v->text);
	uint64_t head, tail = 0;

	if (!parse_size(v->text, plus ? plus : end, &head) ||
	    (plus && !parse_size(plus + 1, end, &tail)))
		return reject_range(v, "is not HEAD or HEAD+TAIL");
	/* Each alone first, so that the sum cannot overflow. */
	if (!in_range(v->row, head) || (double)tail > v->row->max ||
	    (double)(head + tail) > v->row->max)
		return reject_range(v, "is out of range (HEAD and TAIL together)");
	o->copy_head = head;
	o->copy_tail = tail;
	return 0;
}

static int value_seconds(const struct value *v, unsigned *out)
{
	const char *end = digits_end(v->text);
	uint64_t n, unit = 1;

	if (!strcmp(end, "m"))
		unit = 60;
	else if (!strcmp(end, "h"))
		unit = 3600;
	else if (*end && strcmp(end, "s"))
		return reject_range(v, "is not a number of seconds (or of minutes: m, hours: h)");
	if (end == v->text)
		return reject_range(v, "is not a number of seconds");
	if (!parse_digits(v->text, end, &n) || __builtin_mul_overflow(n, unit, &n) ||
	    !in_range(v->row, n))
		return reject_range(v, "is out of range");
	*out = (unsigned)n;
	return 0;
}

static int value_real(const struct value *v, double *out)
{
	const char *p = v->text;
	char *end;
	double x;

	/* strtod alone would take blanks, hexadecimals, inf and nan. */
	if (!*p || p[strspn(p, "0123456789.eE+-")])
		return reject_range(v, "is not a number");
	x = strtod(p, &end);
	if (*end || end == p)
		return reject_range(v, "is not a number");
	if (!isfinite(x) || x < v->row->min || x > v->row->max)
		return reject_range(v, "is out of range");
	*out = x;
	return 0;
}

static int value_choice(const struct value *v, unsigned *index)
{
	struct suggestion near;

	suggest_start(&near, v->text, strlen(v->text));
	for (unsigned i = 0; v->row->choices[i]; i++) {
		if (!strcmp(v->row->choices[i], v->text)) {
			*index = i;
			return 0;
		}
		suggest_offer(&near, v->row->choices[i]);
	}
	reject(v, "is none of its values");
	if (near.best)
		err_mend(v->e, "did you mean %s? allowed: %s", near.best, v->row->metavar);
	else
		err_mend(v->e, "allowed: %s", v->row->metavar);
	return -1;
}

/* Free text: some, not endless, UTF-8, no control characters (they would reach terminals and
 * files). */
static int check_text(const struct value *v)
{
	const size_t n = strlen(v->text);

	if (!n)
		return reject(v, "is empty");
	if (n > TEXT_MAX)
		return reject(v, "… is longer than 4096 bytes");
	if (!utf8_valid(v->text, n))
		return reject(v, "is not UTF-8");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)v->text[i] < 0x20 || v->text[i] == 0x7f)
			return reject(v, "holds control characters");
	return 0;
}

/* LEFT=RIGHT with something on the left; RIGHT may be empty only where the row is a tag. */
static int check_pair(const struct value *v, size_t *left)
{
	const char *eq = strchr(v->text, '=');

	if (check_text(v))
		return -1;
	if (!eq || eq == v->text || (!eq[1] && v->row->type != OPT_TAGS)) {
		reject(v, "is not of its form");
		err_mend(v->e, "write it as %s", v->row->metavar);
		return -1;
	}
	*left = (size_t)(eq - v->text);
	return 0;
}

static int check_tag(const struct value *v, size_t *left)
{
	if (check_pair(v, left))
		return -1;
	for (size_t i = 0; i < *left; i++) {
		const char c = v->text[i];
		const bool letter =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!letter && !strchr("._-/", c)) {
			reject(v, "has a KEY with other characters than letters, digits, . _ - /");
			return -1;
		}
	}
	if (*left > TAG_KEY_MAX)
		return reject(v, "… has a KEY longer than 128 bytes");
	return 0;
}

static int no_memory(struct err *e)
{
	return err_set(e, EXIT_FAILED, "out of memory");
}

int str_list_add(struct str_list *l, const char *s, size_t n)
{
	char **v = realloc(l->v, (l->n + 2) * sizeof(*v));

	if (!v)
		return -1;
	l->v = v;
	v[l->n] = strndup(s, n);
	if (!v[l->n])
		return -1;
	v[++l->n] = NULL;
	return 0;
}

static void str_list_free(struct str_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct str_list){ 0 };
}

/* Grow an array of numbers by one. */
static void *array_more(void *p, size_t n, size_t size)
{
	return reallocarray(p, n + 1, size);
}

static int store_number(struct options *o, const struct value *v)
{
	uint64_t n;

	if (value_count(v, &n))
		return -1;
	if (v->row->type == OPT_PID) {
		uint32_t *p = array_more(o->pids, o->n_pids, sizeof(*p));

		if (!p)
			return no_memory(v->e);
		o->pids = p;
		p[o->n_pids++] = (uint32_t)n;
	} else {
		uint16_t *p = array_more(o->ports, o->n_ports, sizeof(*p));

		if (!p)
			return no_memory(v->e);
		o->ports = p;
		p[o->n_ports++] = (uint16_t)n;
	}
	return 0;
}

static int store_list(struct str_list *l, const struct value *v)
{
	size_t left = 0;

	if (v->row->type == OPT_LIST   ? check_text(v)
	    : v->row->type == OPT_TAGS ? check_tag(v, &left)
				       : check_pair(v, &left))
		return -1;
	if (v->row->type == OPT_TAGS)
		for (size_t i = 0; i < l->n; i++)
			if (!strncmp(l->v[i], v->text, left + 1)) {
				char *s = strdup(v->text);

				if (!s)
					return no_memory(v->e);
				free(l->v[i]);
				l->v[i] = s;
				return 0;
			}
	return str_list_add(l, v->text, strlen(v->text)) ? no_memory(v->e) : 0;
}

static int store_text(char **field, const struct value *v)
{
	unsigned index;
	char *s;

	if (v->row->type == OPT_WORD ? value_choice(v, &index) : check_text(v))
		return -1;
	s = strdup(v->text);
	if (!s)
		return no_memory(v->e);
	free(*field);
	*field = s;
	return 0;
}

static bool is_list(enum opt_type t)
{
	return t == OPT_LIST || t == OPT_PAIRS || t == OPT_TAGS;
}

static size_t list_length(const struct options *o, const struct opt *row)
{
	if (row->type == OPT_PID)
		return o->n_pids;
	if (row->type == OPT_PORT)
		return o->n_ports;
	return is_list(row->type) ? ((const struct str_list *)((const char *)o + row->field))->n
				  : 0;
}

int opt_store(struct options *o, const struct opt *row, const char *value,
	      const struct opt_place *at, struct err *e)
{
	const struct value v = { .row = row, .text = value, .at = at, .e = e };
	void *const field = (char *)o + row->field;
	unsigned index = 0;

	if (list_length(o, row) >= LIST_MAX)
		return reject(&v, "is one too many: at most 1024 values");
	switch (row->type) {
	case OPT_FLAG:
		*(bool *)field = true;
		return 0;
	case OPT_PID:
	case OPT_PORT:
		return store_number(o, &v);
	case OPT_COUNT:
		return value_count(&v, field);
	case OPT_SIZE:
		return value_size(&v, field);
	case OPT_COPY:
		return value_copy(&v, o);
	case OPT_SECONDS:
		return value_seconds(&v, field);
	case OPT_REAL:
		return value_real(&v, field);
	case OPT_PAYLOAD:
		if (value_choice(&v, &index))
			return -1;
		*(enum payload_mode *)field = (enum payload_mode)index;
		return 0;
	case OPT_WORD:
	case OPT_TEXT:
		return store_text(field, &v);
	case OPT_LIST:
	case OPT_PAIRS:
	case OPT_TAGS:
		return store_list(field, &v);
	}
	return 0;
}

void opt_clear(struct options *o, const struct opt *row)
{
	void *const field = (char *)o + row->field;

	switch (row->type) {
	case OPT_PID:
		free(o->pids);
		o->pids = NULL;
		o->n_pids = 0;
		break;
	case OPT_PORT:
		free(o->ports);
		o->ports = NULL;
		o->n_ports = 0;
		break;
	case OPT_WORD:
	case OPT_TEXT:
		free(*(char **)field);
		*(char **)field = NULL;
		break;
	case OPT_LIST:
	case OPT_PAIRS:
	case OPT_TAGS:
		str_list_free(field);
		break;
	default:
		break; /* single numbers: the next value replaces */
	}
}
