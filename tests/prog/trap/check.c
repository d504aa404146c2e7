// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * check.c - compares lines of truth with the records of a JSONL file.
 *
 *   trapserver check TRUTH RECORDS
 *
 * A line of truth is a record type and tab-separated checks, the first of which selects: exactly
 * one record of that type must pass it, and that record must pass all others. KEY=A|B  one of these
 * KEY!  absent   KEY~TEXT  contains   KEY+KEY<NUMBER  KEY>NUMBER  (absent is 0) Besides: every line
 * is an object, seq is 1, 2, 3, ..., ids are unique, and there is no server exchange that the truth
 * does not have. Prints what differs and `N passed, N failed`.
 */
#include "trap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEYS 200
#define CHECKS "=?!~<>"

struct span {
	const char *p;
	size_t n;
};

struct line {
	char *text;
	unsigned n;
	struct span key[MAX_KEYS], value[MAX_KEYS]; /* strings without their quotes */
	bool used;
};

struct lines {
	struct line **v;
	size_t n;
};

/* ---- one object, its first level ---- */

static const char *skip_string(const char *p)
{
	for (p++; *p != '\0' && *p != '"'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return *p == '"' ? p + 1 : NULL;
}

static const char *skip_value(const char *p)
{
	int depth = 0;

	do {
		if (*p == '"') {
			p = skip_string(p);
			if (p == NULL)
				return NULL;
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && depth-- == 0)
			return p;
		else if (*p == ',' && depth == 0)
			return p;
		p++;
	} while (*p != '\0' && (depth > 0 || (*p != ',' && *p != '}')));
	return *p == '\0' ? NULL : p;
}

static struct span bare(const char *p, const char *end)
{
	return *p == '"' ? (struct span){ p + 1, (size_t)(end - p) - 2 }
			 : (struct span){ p, (size_t)(end - p) };
}

static bool parse(struct line *l)
{
	const char *p = l->text, *end;

	if (*p++ != '{')
		return false;
	while (*p == '"' && l->n < MAX_KEYS) {
		end = skip_string(p);
		if (end == NULL || *end != ':')
			return false;
		l->key[l->n] = bare(p, end);
		p = end + 1;
		end = skip_value(p);
		if (end == NULL)
			return false;
		l->value[l->n++] = bare(p, end);
		p = *end == ',' ? end + 1 : end;
	}
	return p[0] == '}' && p[1] == '\0';
}

static const struct span *get(const struct line *l, const char *key, size_t n)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->key[i].n == n && memcmp(l->key[i].p, key, n) == 0)
			return &l->value[i];
	return NULL;
}

static bool is(const struct line *l, const char *key, const char *value)
{
	const struct span *v = get(l, key, strlen(key));

	return v != NULL && v->n == strlen(value) && memcmp(v->p, value, v->n) == 0;
}

/* ---- checks ---- */

static double number(const struct line *l, const char *keys, size_t n)
{
	double sum = 0;

	for (size_t at = 0; at < n;) {
		const char *plus = memchr(keys + at, '+', n - at);
		size_t here = plus == NULL ? n - at : (size_t)(plus - (keys + at));
		const struct span *v = get(l, keys + at, here);

		sum += v == NULL ? 0 : strtod(v->p, NULL);
		at += here + 1;
	}
	return sum;
}

static bool one_of(const struct span *v, const char *choices)
{
	for (const char *p = choices;; p++) {
		size_t n = strcspn(p, "|");

		if (v != NULL && v->n == n && memcmp(v->p, p, n) == 0)
			return true;
		p += n;
		if (*p == '\0')
			return false;
	}
}

static bool passes(const struct line *l, const char *check)
{
	size_t n = strcspn(check, CHECKS);
	const char *want = check + n + 1;
	const struct span *v = get(l, check, n);

	switch (check[n]) {
	case '=':
		return one_of(v, want);
	case '?':
		return v == NULL || one_of(v, want);
	case '!':
		return v == NULL;
	case '~':
		return v != NULL && memmem(v->p, v->n, want, strlen(want)) != NULL;
	case '<':
		return number(l, check, n) <= atof(want);
	case '>':
		return number(l, check, n) >= atof(want);
	default:
		return false;
	}
}

static void say_found(const struct line *l, const char *check)
{
	size_t n = strcspn(check, CHECKS);
	const struct span *v = get(l, check, n);

	if (v != NULL)
		printf("    %s: found %.*s\n", check, (int)(v->n > 200 ? 200 : v->n), v->p);
	else if (check[n] == '<' || check[n] == '>')
		printf("    %s: found %.9f\n", check, number(l, check, n));
	else
		printf("    %s: absent\n", check);
}

static bool compare(char *truth, struct lines *records)
{
	char *type = strtok(truth, "\t"), *selector = strtok(NULL, "\t"), *check;
	struct line *found = NULL;
	unsigned n = 0;
	bool good = true;

	for (size_t i = 0; i < records->n && selector != NULL; i++) {
		struct line *l = records->v[i];

		if (is(l, "type", type) && passes(l, selector)) {
			found = l;
			n++;
			l->used = true;
		}
	}
	if (n != 1) {
		printf("FAIL %s %s: %u records, not 1\n", type, selector, n);
		return false;
	}
	while ((check = strtok(NULL, "\t")) != NULL) {
		if (passes(found, check))
			continue;
		if (good)
			printf("FAIL %s %s\n", type, selector);
		good = false;
		say_found(found, check);
	}
	if (!good)
		printf("    %.900s\n", found->text);
	return good;
}

/* ---- the file as a whole ---- */

static bool read_records(const char *path, struct lines *out)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t room = 0, max = 0;
	ssize_t n;

	if (f == NULL)
		return false;
	while ((n = getline(&text, &room, f)) > 0) {
		struct line *l = calloc(1, sizeof(*l));

		if (out->n == max) {
			max = max * 2 + 64;
			out->v = realloc(out->v, max * sizeof(*out->v));
		}
		if (l == NULL || out->v == NULL)
			abort();
		if (text[n - 1] == '\n')
			text[n - 1] = '\0';
		l->text = strdup(text);
		out->v[out->n++] = l;
	}
	free(text);
	fclose(f);
	return true;
}

static unsigned check_lines(struct lines *records)
{
	unsigned bad = 0;

	for (size_t i = 0; i < records->n; i++) {
		struct line *l = records->v[i];
		char seq[32];

		snprintf(seq, sizeof(seq), "%zu", i + 1);
		if (!parse(l) || !is(l, "seq", seq)) {
			printf("FAIL line %zu: not an object with seq %s: %.200s\n", i + 1, seq,
			       l->text);
			bad++;
		}
	}
	return bad;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static unsigned check_ids(const struct lines *records)
{
	char **id = calloc(records->n + 1, sizeof(*id));
	unsigned bad = 0;

	for (size_t i = 0; i < records->n; i++) {
		const struct span *v = get(records->v[i], "id", 2);

		id[i] = v == NULL ? strdup("") : strndup(v->p, v->n);
	}
	qsort(id, records->n, sizeof(*id), by_id);
	for (size_t i = 0; i < records->n; i++) {
		bool twice = i > 0 && strcmp(id[i], id[i - 1]) == 0;

		if (strlen(id[i]) != 32 || twice) {
			printf("FAIL id \"%s\" is %s\n", id[i],
			       twice ? "not unique" : "not 32 digits");
			bad++;
		}
	}
	for (size_t i = 0; i < records->n; i++)
		free(id[i]);
	free(id);
	return bad;
}

static unsigned check_rest(const struct lines *records)
{
	unsigned bad = 0;

	for (size_t i = 0; i < records->n; i++) {
		struct line *l = records->v[i];

		if (!is(l, "type", "exchange") || !is(l, "exchange.role", "server") || l->used)
			continue;
		printf("FAIL an exchange that never was: %s\n", l->text);
		bad++;
	}
	return bad;
}

int trap_check(int argc, char **argv)
{
	struct lines records = { 0 };
	unsigned passed = 0, failed;
	char *text = NULL;
	size_t room = 0;
	FILE *truth;
	ssize_t n;

	if (argc != 3)
		return 2;
	truth = fopen(argv[1], "r");
	if (truth == NULL || !read_records(argv[2], &records)) {
		perror("trapserver: check");
		return 2;
	}
	failed = check_lines(&records) + check_ids(&records);
	while ((n = getline(&text, &room, truth)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		if (compare(text, &records))
			passed++;
		else
			failed++;
	}
	failed += check_rest(&records);
	printf("%u passed, %u failed\n", passed, failed);
	free(text);
	fclose(truth);
	return failed > 0 || passed == 0;
}
