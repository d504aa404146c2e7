/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_http1_script.h - conversations as tables: steps that feed a tap, and one line of text for
 * each exchange that says what came out.
 */
#ifndef TEST_HTTP1_SCRIPT_H
#define TEST_HTTP1_SCRIPT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test_http1_tap.h"

/*
 * A step is text of which the first byte says what it is:
 *   >bytes  <bytes    request and response direction, one call (NUL bytes: written as \001)
 *   (n  )n            jump of n bytes in the request ( or response ) direction, planned
 *   [n  ]n            lost bytes
 *   /n  \n            planned gap inside the last call; the next bytes there are its tail
 *   /n  \n             planned gap inside the last call; the next bytes of the direction are its
 * tail }  {              end of the request, of the response direction !p !t             closed by
 * the peer of the requests' reader, by that reader; !r reset by the peer, !R by the reader; !e
 * evicted, !s the agent stops
 *   *                 the writer of responses meets a full socket
 *
 * What comes out, for each exchange: METHOD TARGET [body](end) STATUS [body](end) and marks; in a
 * body R and N stand for CR and LF, (gap3) and (lost3) for bytes not seen, + for a size not known;
 * behind it -gap3 and -lost3 for bytes missing outside of it; then "." when the side ended, "?"
 * when not.
 */
#define SCRIPT_STEPS 14
enum {
	ONCE = 1,
	LATE = 2,
	NO_CLIENT = 4,
	NO_UNKNOWN = 8
}; /* ONCE: the calls are the test: no other split */

struct script {
	const char *name;
	const char *step[SCRIPT_STEPS];
	const char *expect;
	int flags;
};

static inline void script_side(struct tap_text *out, const struct tap_side *s)
{
	char t[64];

	tap_add(out, "[", 1);
	for (size_t i = 0; i < s->body.n; i++) {
		char c = s->body.p[i];

		tap_add(out, c == '\r' ? "R" : c == '\n' ? "N" : &c, 1);
	}
	for (int k = 0; k < 2; k++) {
		if (s->gap[k]) {
			snprintf(t, sizeof(t), "(%s%llu)", k ? "lost" : "gap",
				 (unsigned long long)s->gap[k]);
			tap_add(out, t, strlen(t));
		}
	}
	tap_add(out, s->size_unknown ? "+]" : "]", s->size_unknown ? 2 : 1);
	for (int k = 0; k < 2; k++) {
		if (s->loss[k]) {
			snprintf(t, sizeof(t), "-%s%llu", k ? "lost" : "gap",
				 (unsigned long long)s->loss[k]);
			tap_add(out, t, strlen(t));
		}
	}
	tap_add(out, s->end ? "." : "?", 1);
}

static inline void script_summary(const struct tap *t, struct tap_text *out)
{
	static const char *const why[] = {
		"", " peer", " target", " lost-sync", " stop", " evicted"
	};
	char s[400];

	out->n = 0;
	tap_add(out, "", 0);
	for (size_t i = 0; i < t->n; i++) {
		const struct tap_x *x = &t->x[i];

		if (i)
			tap_add(out, " | ", 3);
		if (x->req.begun) {
			snprintf(s, sizeof(s), "%s %s ", x->method, x->target);
			tap_add(out, s, strlen(s));
			script_side(out, &x->req);
			tap_add(out, " ", 1);
		}
		for (int k = 0; k < x->interims; k++) {
			snprintf(s, sizeof(s), "%d+", x->interim[k]);
			tap_add(out, s, strlen(s));
		}
		snprintf(s, sizeof(s), "%d ", x->status);
		tap_add(out, s, strlen(s));
		script_side(out, &x->res);
		tap_add(out, x->cut ? " cut" : "", x->cut ? 4 : 0);
		snprintf(s, sizeof(s), "%s%s%s%s", why[x->abort], x->late ? " late" : "",
			 x->upgraded ? " upgrade:" : "", x->upgrade);
		tap_add(out, s, strlen(s));
		if (x->stalls)
			tap_add(out, " stalled", 8);
		if (x->anomalies.n) {
			tap_add(out, " {", 2);
			tap_add(out, x->anomalies.p, x->anomalies.n - 1);
			tap_add(out, "}", 1);
		}
	}
	if (t->strays) {
		snprintf(s, sizeof(s), "%s%u unsolicited", t->n ? " | " : "", t->strays);
		tap_add(out, s, strlen(s));
	}
}

static inline void script_send(struct tap *t, enum direction d, const char *text, size_t split)
{
	size_t n = strlen(text);
	char *copy = malloc(n + 1);

	assert_non_null(copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = text[i] == '\001' ? '\0' : text[i];
	for (size_t off = 0; off < n; off += split)
		tap_bytes(t, d, copy + off, split < n - off ? split : n - off);
	free(copy);
}

static inline void script_step(struct tap *t, bool client, const char *step, size_t split)
{
	enum direction req = client ? DIR_WRITE : DIR_READ, res = (enum direction) !req;
	enum conn_closer server = client ? CLOSED_BY_PEER : CLOSED_BY_TARGET;
	enum conn_closer other = client ? CLOSED_BY_TARGET : CLOSED_BY_PEER;

	switch (step[0]) {
	case '>':
		script_send(t, req, step + 1, split);
		break;
	case '<':
		script_send(t, res, step + 1, split);
		break;
	case '(':
		tap_gap(t, req, strtoull(step + 1, NULL, 10), GAP_OMITTED);
		break;
	case ')':
		tap_gap(t, res, strtoull(step + 1, NULL, 10), GAP_OMITTED);
		break;
	case '/':
	case '\\':
		tap_hole(t, step[0] == '/' ? req : res, strtoull(step + 1, NULL, 10), GAP_OMITTED);
		t->jumped[step[0] == '/' ? req : res] = true; /* the tail has the same time */
		break;
	case '[':
		tap_gap(t, req, strtoull(step + 1, NULL, 10), GAP_LOST);
		break;
	case ']':
		tap_gap(t, res, strtoull(step + 1, NULL, 10), GAP_LOST);
		break;
	case '}':
		if (t->c.closer == CLOSED_NOT)
			t->c.closer = other;
		tap_eof(t, req);
		break;
	case '{':
		if (t->c.closer == CLOSED_NOT)
			t->c.closer = server;
		tap_eof(t, res);
		break;
	case '*':
		proto_http1.stalled(&t->c, t->ts += 10, &t->sink);
		break;
	case '!':
		switch (step[1]) {
		case 'p':
			tap_end(t, other, false, false);
			break;
		case 't':
			tap_end(t, server, false, false);
			break;
		case 'r':
			tap_end(t, other, true, false);
			break;
		case 'R':
			tap_end(t, server, true, false);
			break;
		case 'E':
			t->c.closer = other;
			/* fall through */
		case 'e':
			t->c.evicted = true;
			tap_end(t, CLOSED_NOT, false, false);
			break;
		default:
			tap_end(t, CLOSED_NOT, false, true);
		}
		break;
	default:
		fail_msg("unknown step %s", step);
	}
}

static inline bool script_run_as(const struct script *s, enum conn_role role, bool client,
				 size_t split)
{
	struct tap_text got = { 0 };
	struct tap t;
	bool ok;

	tap_init(&t, role, s->flags & LATE);
	for (int i = 0; i < SCRIPT_STEPS && s->step[i]; i++)
		script_step(&t, client, s->step[i], split);
	script_summary(&t, &got);
	ok = !t.broken[0] && !strcmp(got.p, s->expect);
	if (!ok)
		print_error("%s (role %d, split %zu): %s\n  got    %s\n  expect %s\n", s->name,
			    (int)role, split, t.broken, got.p, s->expect);
	free(got.p);
	tap_free(&t);
	return ok;
}

/* All of a table, in every role and split that its flags allow; failures are printed, then fail. */
static inline void script_run(const struct script *s, size_t n)
{
	static const size_t split[] = { SIZE_MAX, 1, 2, 3, 7, 16 };
	unsigned bad = 0;

	for (; n; n--, s++) {
		for (size_t i = 0; i < (s->flags & ONCE ? 1 : sizeof(split) / sizeof(split[0]));
		     i++) {
			bool ok = script_run_as(s, CONN_SERVER, false, split[i]);

			if (ok && !(s->flags & NO_CLIENT))
				ok = script_run_as(s, CONN_CLIENT, true, split[i]);
			if (ok && !(s->flags & NO_UNKNOWN))
				ok = script_run_as(s, CONN_UNKNOWN, false, split[i]);
			if (!ok) {
				bad++;
				break;
			}
		}
	}
	assert_int_equal(bad, 0);
}

#endif
