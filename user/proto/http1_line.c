/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http1_line.c - heads and trailers as lines: straight out of the caller's buffer where a line is
 * whole in it, through a buffer of their own where calls cut them or a fold joins them.
 */
#include "proto/http1.h"

#include <stdlib.h>
#include <string.h>

#include "base/budget.h"

#define LINE_MIN 240u

static size_t line_bytes(size_t cap)
{
	return budget_block(sizeof(struct h1_line) + cap);
}

/* The line of another connection that went on longest ago: this one is in the middle of a call. */
static struct h1_line *oldest_other(const struct proto_room *room, const struct conn *c)
{
	struct lru_node *n = room->parts.head.next;

	while (n != &room->parts.head && ((struct h1_line *)n)->c == c)
		n = n->next;
	return n == &room->parts.head ? NULL : (struct h1_line *)n;
}

/* Let others' lines go until n more bytes fit. */
static bool make_room(const struct h1_call *x, struct proto_room *room, size_t n)
{
	struct h1_line *l;

	while (room->used + n > room->max && (l = oldest_other(room, x->c))) {
		struct conn *c = l->c;
		const enum direction d = l->d;
		const uint64_t pos = l->pos, len = l->len;

		h1_line_drop(&((struct http1 *)c->proto)->dir[d]);
		if (!len)
			continue;
		room->dropped++;
		proto_http1.gap(c, d, pos, len, GAP_LOST, NULL, x->out);
	}
	return room->used + n <= room->max;
}

/* Make x->dir's line hold need bytes; NULL: no memory, or no room. */
static struct h1_line *line_grow(struct h1_call *x, size_t need)
{
	struct h1_line *l = x->dir->line, *old = l;
	struct proto_room *room = x->out->room;
	size_t cap = l ? l->cap : LINE_MIN, more;

	while (cap < need)
		cap *= 2;
	more = line_bytes(cap) - (l ? line_bytes(l->cap) : 0);
	if (room && !make_room(x, room, more))
		return NULL;
	if (old)
		lru_remove(&old->node);
	l = realloc(old, sizeof(*l) + cap);
	if (!l) {
		if (old && room)
			lru_touch(&room->parts, &old->node);
		return NULL;
	}
	if (!old)
		*l = (struct h1_line){ .room = room, .c = x->c, .d = x->d };
	l->cap = (uint32_t)cap;
	x->dir->line = l;
	if (room)
		room->used += more;
	return l;
}

bool h1_line_add(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_line *l = x->dir->line;
	size_t need = (l ? l->len : 0) + n;

	if (need > H1_HEAD_MAX)
		return false;
	if (!l || need > l->cap) {
		l = line_grow(x, need);
		if (!l)
			return false;
	}
	if (l->room)
		lru_touch(&l->room->parts, &l->node);
	if (!l->len) {
		l->whole = false;
		l->pos = pos;
		if (x->ch)
			l->first = *x->ch;
		else
			l->first = (struct chunk){ .ts = x->ts, .wait_ns = WAIT_UNKNOWN };
	}
	memcpy(l->b + l->len, p, n);
	l->len += (uint32_t)n;
	return true;
}

void h1_line_free(struct h1_line *l)
{
	if (l->room) {
		lru_remove(&l->node);
		l->room->used -= line_bytes(l->cap);
	}
	free(l);
}

void h1_line_drop(struct h1_dir *dir)
{
	if (dir->line)
		h1_line_free(dir->line);
	dir->line = NULL;
}

/* One field line, folds joined, without its LF. */
static void field_line(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	bool trailer = dir->state == H1_TRAILERS;
	struct h1_field f;
	struct msg m;

	if (!h1_parse_field(p, n, &f)) {
		h1_flag(x, dir, f.anomalies, pos);
		return;
	}
	if (!trailer)
		f.anomalies |= h1_framing_field(&dir->f, &f);
	if (f.anomalies)
		h1_flag(x, dir, f.anomalies, pos);
	if (dir->interim)
		return;
	m.kind = MSG_HEADER;
	m.header.name = f.name;
	m.header.name_len = f.name_len;
	m.header.value = f.value;
	m.header.value_len = f.value_len;
	m.header.trailer = trailer;
	h1_emit(x, dir, &m, pos);
}

void h1_fields_flush(struct h1_call *x)
{
	struct h1_line *l = x->dir->line;

	if (l && l->len && l->whole) {
		field_line(x, l->pos, l->b, l->len - 1);
		l->len = 0;
	}
}

/* The section is longer than any server takes: what follows cannot be told. */
static size_t too_large(struct h1_call *x, uint64_t pos, size_t n)
{
	struct h1_line *l = x->dir->line;
	uint64_t kept = l ? l->len : 0;

	h1_line_drop(x->dir);
	h1_flag(x, x->dir, H1_BIT(H1_AN_HEAD_TOO_LARGE), pos);
	h1_lose_step(x, H1_SEEK_HEAD, GAP_OMITTED, true);
	h1_emit_gap(x, x->dir, MSG_LOSS, pos - kept, kept + n, GAP_OMITTED);
	return n;
}

/* The empty line. */
static void section_end(struct h1_call *x, uint64_t pos, bool bare)
{
	struct h1_dir *dir = x->dir;

	h1_line_drop(dir);
	if (bare)
		h1_flag(x, dir, H1_BIT(H1_AN_BARE_LF), pos);
	if (dir->state == H1_TRAILERS)
		h1_complete(x, pos);
	else
		h1_body_begin(x, pos);
}

/* The line is cut, or its last byte is the call's: keep it. */
static size_t keep(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n, bool whole)
{
	if (!h1_line_add(x, pos, p, n))
		return too_large(x, pos, n);
	x->dir->line->whole = whole;
	return n;
}

/* There is a kept line: bring it on by what stands before the next LF. */
static size_t kept_line(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	struct h1_line *l = dir->line;
	const uint8_t *lf;
	size_t used;

	if (l->whole && (*p == ' ' || *p == '\t')) {
		/* obs-fold (RFC 9112 section 5.2): the line end counts as blanks */
		h1_flag(x, dir, H1_BIT(H1_AN_OBS_FOLD), pos);
		l->b[l->len - 1] = ' ';
		if (l->len > 1 && l->b[l->len - 2] == '\r')
			l->b[l->len - 2] = ' ';
		l->whole = false;
	} else if (l->whole) {
		h1_fields_flush(x);
		return 0;
	}
	lf = memchr(p, '\n', n);
	used = lf ? (size_t)(lf - p) + 1 : n;
	dir->head_len += (uint32_t)used;
	if (dir->head_len > H1_HEAD_MAX)
		return too_large(x, pos, n);
	if (keep(x, pos, p, used, lf != NULL) != used || !dir->line)
		return used;
	l = dir->line;
	if (lf && l->len == 2 && l->b[0] == '\r')
		section_end(x, pos + used, false);
	return used;
}

/* A call of more than 4 GiB does not exist: ev_data carries 64 KiB. Lengths fit in 32 bits. */
size_t h1_fields(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	size_t off = 0, len;
	const uint8_t *lf;

	if (dir->line && dir->line->len) {
		off = kept_line(x, pos, p, n);
		if (dir->state != H1_FIELDS && dir->state != H1_TRAILERS)
			return off;
		if (dir->line && dir->line->len)
			return off;
	}
	while (off < n) {
		lf = memchr(p + off, '\n', n - off);
		len = lf ? (size_t)(lf - p) - off : n - off;
		dir->head_len += (uint32_t)(len + (lf != NULL));
		if (dir->head_len > H1_HEAD_MAX)
			return off + too_large(x, pos + off, n - off);
		if (lf && (len == 0 || (len == 1 && p[off] == '\r'))) {
			off += len + 1;
			section_end(x, pos + off, len == 0);
			return off;
		}
		if (!lf || lf + 1 == p + n)
			return off + keep(x, pos + off, p + off, n - off, lf != NULL);
		if (lf[1] == ' ' || lf[1] == '\t')
			return off + keep(x, pos + off, p + off, len + 1, true);
		field_line(x, pos + off, p + off, len);
		off += len + 1;
	}
	return off;
}
