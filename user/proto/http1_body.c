/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1_body.c - where a message's body ends (RFC 9112 sections 6 and 7), and its bytes without the
 * framing. */
#include "proto/http1.h"

#include <string.h>

const char *const h1_upgrade_name[] = { "other", "websocket", "h2c", "tls", "connect" };
enum { UPGRADE_OTHER, UPGRADE_WEBSOCKET, UPGRADE_H2C, UPGRADE_TLS, UPGRADE_CONNECT };

/* ---- what the head says ---- */

static bool decimal(const char *p, size_t n, uint64_t *v)
{
	*v = 0;
	if (!n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9' || *v > (uint64_t)INT64_MAX / 10 - 1)
			return false;
		*v = *v * 10 + (uint64_t)(p[i] - '0');
	}
	return true;
}

/* Next element of a comma list, blanks cut; false at the end. */
static bool element(const char **p, const char *end, const char **e, size_t *n)
{
	const char *stop;

	if (*p > end)
		return false;
	stop = memchr(*p, ',', (size_t)(end - *p));
	if (!stop)
		stop = end;
	*e = *p;
	*p = stop + 1;
	while (*e < stop && (**e == ' ' || **e == '\t'))
		++*e;
	while (stop > *e && (stop[-1] == ' ' || stop[-1] == '\t'))
		stop--;
	*n = (size_t)(stop - *e);
	return true;
}

static uint32_t content_length(struct h1_framing *f, const char *p, size_t n)
{
	const char *end = p + n, *e;
	uint32_t an = 0;
	uint64_t v;
	size_t k;

	while (element(&p, end, &e, &k)) {
		if (!decimal(e, k, &v)) {
			f->bad_length = true;
			return an | H1_BIT(H1_AN_BAD_LENGTH);
		}
		if (f->has_length && v != f->length) {
			f->bad_length = true;
			return an | H1_BIT(H1_AN_CONFLICTING_LENGTH);
		}
		if (f->has_length)
			an |= H1_BIT(H1_AN_DUPLICATE_LENGTH);
		f->has_length = true;
		f->length = v;
	}
	return an;
}

static uint32_t transfer_encoding(struct h1_framing *f, const char *p, size_t n)
{
	const char *end = p + n, *e;
	size_t k;

	f->coding = true;
	while (element(&p, end, &e, &k)) {
		if (!k)
			continue; /* empty list elements are allowed: RFC 9110 section 5.6.1 */
		if (f->chunked_last)
			f->bad_coding = true; /* chunked is the last and stands once */
		f->chunked_last = H1_IS(e, k, "chunked");
		if (!f->chunked_last && !H1_IS(e, k, "gzip") && !H1_IS(e, k, "deflate") &&
		    !H1_IS(e, k, "compress"))
			f->bad_coding = true;
	}
	return f->bad_coding ? H1_BIT(H1_AN_BAD_TRANSFER_CODING) : 0;
}

static void upgrade(struct h1_framing *f, const char *p, size_t n)
{
	const char *end = p + n, *e;
	size_t k = 0;

	element(&p, end, &e, &k);
	if (H1_IS(e, k, "websocket"))
		f->upgrade = UPGRADE_WEBSOCKET;
	else if (k == 3 && h1_is(e, 1, "h", 1) && e[1] == '2' && h1_is(e + 2, 1, "c", 1))
		f->upgrade = UPGRADE_H2C;
	else if (k >= 3 && h1_is(e, 3, "tls", 3))
		f->upgrade = UPGRADE_TLS;
}

uint32_t h1_framing_field(struct h1_framing *f, const struct h1_field *field)
{
	switch (field->name_len) {
	case 7:
		if (H1_IS(field->name, 7, "upgrade"))
			upgrade(f, field->value, field->value_len);
		break;
	case 14:
		if (H1_IS(field->name, 14, "content-length"))
			return content_length(f, field->value, field->value_len);
		break;
	case 17:
		if (H1_IS(field->name, 17, "transfer-encoding"))
			return transfer_encoding(f, field->value, field->value_len);
		break;
	}
	return 0;
}

/* 101, or 2xx to CONNECT: HTTP ends here in both directions. */
static void switch_protocol(struct h1_call *x, uint64_t pos, int name)
{
	struct h1_dir *req = h1_request_dir(x->h);
	struct msg m = { .kind = MSG_UPGRADE };

	m.note.name = h1_upgrade_name[name];
	h1_emit(x, x->dir, &m, pos);
	if (req->open && x->dir->open && req->index == x->dir->index)
		h1_end_side(x, req, x->ts);
	h1_complete(x, pos);
	h1_abort_all(x, ABORT_LOST_SYNC);
	for (int d = 0; d < 2; d++) {
		h1_line_drop(&x->h->dir[d]);
		x->h->dir[d].state = H1_DEAD;
	}
}

/* RFC 9112 section 6.3, rules 1 and 2: responses that never have a body. True: done. */
static bool response_without_body(struct h1_call *x, uint64_t pos)
{
	struct h1_dir *dir = x->dir;
	enum h1_kind kind = dir->late ? H1_PLAIN : h1_pair_kind(x->h);
	int status = dir->status;

	if (status == 101) {
		switch_protocol(x, pos, dir->f.upgrade);
		return true;
	}
	if (kind == H1_CONNECT && status / 100 == 2) {
		switch_protocol(x, pos, UPGRADE_CONNECT);
		return true;
	}
	if (status == 204 && (dir->f.coding || (dir->f.has_length && dir->f.length)))
		h1_flag(x, dir, H1_BIT(H1_AN_BODY_IN_204), pos);
	if (kind != H1_HEAD && status != 204 && status != 304)
		return false;
	h1_complete(x, pos);
	return true;
}

void h1_body_begin(struct h1_call *x, uint64_t pos)
{
	struct h1_dir *dir = x->dir;
	bool request = h1_is_request(x->h, dir);
	struct h1_framing *f = &dir->f;
	struct msg m = { .kind = MSG_HEADERS_END };
	uint32_t an = 0;

	if (f->coding && (f->has_length || f->bad_length))
		an |= H1_BIT(H1_AN_LENGTH_AND_TRANSFER_CODING);
	if (f->coding && dir->minor == 0)
		an |= H1_BIT(H1_AN_TRANSFER_CODING_IN_1_0);
	if (f->coding && request && !f->chunked_last)
		an |= H1_BIT(H1_AN_BAD_TRANSFER_CODING);
	if (an && !dir->interim)
		h1_flag(x, dir, an, pos);
	h1_emit(x, dir, &m, pos);
	if (dir->interim) {
		dir->state = H1_START;
		return;
	}
	if (!request && response_without_body(x, pos))
		return;
	dir->empty = true;
	if (f->coding && f->chunked_last) {
		dir->state = H1_CHUNK_SIZE;
		dir->left = 0;
		dir->digits = dir->cr = false;
	} else if (f->coding && !request) {
		dir->state = H1_BODY_CLOSE;
	} else if (f->coding || f->bad_length) {
		h1_lose_step(x, H1_SEEK_BODY, GAP_OMITTED, true);
	} else if (f->has_length && f->length) {
		dir->state = H1_BODY_LENGTH;
		dir->left = f->length;
	} else if (f->has_length || request) {
		h1_complete(x, pos);
	} else {
		dir->state = H1_BODY_CLOSE;
	}
}

/* ---- the body ---- */

void h1_emit_body(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct msg m;

	m.kind = MSG_BODY;
	m.body.p = p;
	m.body.n = n;
	m.body.gap = GAP_OMITTED;
	x->dir->empty = false;
	h1_emit(x, x->dir, &m, pos);
}

void h1_emit_gap(struct h1_call *x, struct h1_dir *dir, enum msg_kind mk, uint64_t pos, uint64_t n,
		 enum gap_kind kind)
{
	struct msg m;

	if (!n)
		return;
	m.kind = mk;
	m.body.p = NULL;
	m.body.n = n;
	m.body.gap = kind;
	h1_emit(x, dir, &m, pos);
}

static int hex(uint8_t b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 0x20;
	return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

static size_t bad_chunk(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	h1_flag(x, x->dir, H1_BIT(H1_AN_BAD_CHUNK), pos);
	h1_lose_step(x, H1_SEEK_BODY, GAP_OMITTED, true);
	h1_emit_body(x, pos, p, n);
	return n;
}

/* The LF of a chunk size line. */
static void chunk_size_done(struct h1_call *x, uint64_t pos)
{
	struct h1_dir *dir = x->dir;

	if (!dir->cr)
		h1_flag(x, dir, H1_BIT(H1_AN_BARE_LF), pos);
	dir->cr = dir->digits = false;
	dir->state = dir->left ? H1_CHUNK_DATA : H1_TRAILERS;
	dir->head_len = 0;
}

/* chunk-size and blanks, up to ';', CR or LF. */
static size_t chunk_size(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	size_t i = 0;

	for (; i < n; i++) {
		int v = hex(p[i]);

		if (dir->digits && (p[i] == ' ' || p[i] == '\t'))
			dir->cr = true; /* digits are over */
		else if (v < 0 || dir->cr)
			break;
		if (dir->cr)
			continue;
		if (dir->left >> 58) /* no body has 2^62 bytes: somebody wants an overflow */
			return i + bad_chunk(x, pos + i, p + i, n - i);
		dir->left = dir->left << 4 | (uint64_t)v;
		dir->digits = true;
	}
	if (i == n)
		return n;
	if (!dir->digits || (p[i] != ';' && p[i] != '\r' && p[i] != '\n'))
		return i + bad_chunk(x, pos + i, p + i, n - i);
	dir->state = H1_CHUNK_EXT;
	dir->head_len = 0;
	dir->cr = false;
	return i;
}

/* Extensions, passed over up to the LF. */
static size_t chunk_ext(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	const uint8_t *lf = memchr(p, '\n', n), *cr;
	size_t len = lf ? (size_t)(lf - p) : n;

	/* a CR that an LF does not follow */
	if (dir->cr && len)
		h1_flag(x, dir, H1_BIT(H1_AN_BARE_CR), pos);
	cr = len ? memchr(p, '\r', len - 1) : NULL;
	if (cr)
		h1_flag(x, dir, H1_BIT(H1_AN_BARE_CR), pos + (uint64_t)(cr - p));
	if (len)
		dir->cr = p[len - 1] == '\r';
	dir->head_len += (uint32_t)len;
	if (dir->head_len > H1_HEAD_MAX)
		return bad_chunk(x, pos, p, n);
	if (!lf)
		return n;
	chunk_size_done(x, pos + len);
	return len + 1;
}

/* CRLF behind the data. */
static size_t chunk_end(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;

	if (*p == '\r' && !dir->cr) {
		dir->cr = true;
		return 1;
	}
	if (*p != '\n')
		return bad_chunk(x, pos, p, n);
	if (!dir->cr)
		h1_flag(x, dir, H1_BIT(H1_AN_BARE_LF), pos);
	dir->state = H1_CHUNK_SIZE;
	dir->cr = dir->digits = dir->guess = false;
	dir->left = 0;
	return 1;
}

size_t h1_body(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	size_t k;

	switch (dir->state) {
	case H1_BODY_CLOSE:
		h1_emit_body(x, pos, p, n);
		return n;
	case H1_BODY_LENGTH:
	case H1_CHUNK_DATA:
		k = n < dir->left ? n : (size_t)dir->left;
		h1_emit_body(x, pos, p, k);
		dir->left -= k;
		if (dir->left)
			return k;
		if (dir->state == H1_BODY_LENGTH)
			h1_complete(x, pos + k);
		else
			dir->state = H1_CHUNK_END;
		return k;
	case H1_CHUNK_SIZE:
		return chunk_size(x, pos, p, n);
	case H1_CHUNK_EXT:
		return chunk_ext(x, pos, p, n);
	default:
		return chunk_end(x, pos, p, n);
	}
}

bool h1_chunk_plausible(const uint8_t *p, size_t n)
{
	size_t i = 0, line;
	uint64_t size = 0;
	const uint8_t *lf;

	while (i < n && i <= 8 && hex(p[i]) >= 0)
		size = size << 4 | (uint64_t)hex(p[i++]);
	if (i == 0 || i > 8 || i + 1 >= n || (p[i] != '\r' && p[i] != ';'))
		return false;
	lf = memchr(p + i, '\n', n - i < 256 ? n - i : 256);
	if (!lf || lf[-1] != '\r')
		return false;
	line = (size_t)(lf - p) + 1;
	/* as far as it can be seen, the data must end with CRLF too */
	if (size == 0)
		return n == line || (n == line + 1 && p[line] == '\r') ||
		       (n >= line + 2 && !memcmp(p + line, "\r\n", 2));
	if (n - line > size && p[line + size] != '\r')
		return false;
	return n - line <= size + 1 || p[line + size + 1] == '\n';
}

uint64_t h1_body_gap(struct h1_call *x, uint64_t pos, uint64_t n, enum gap_kind kind)
{
	struct h1_dir *dir = x->dir;
	uint64_t k = n < dir->left ? n : dir->left;

	switch (dir->state) {
	case H1_BODY_CLOSE:
		h1_emit_gap(x, dir, MSG_BODY_GAP, pos, n, kind);
		return n;
	case H1_BODY_LENGTH:
		h1_emit_gap(x, dir, MSG_BODY_GAP, pos, k, kind);
		dir->left -= k;
		if (!dir->left)
			h1_complete(x, pos + k);
		return k;
	case H1_CHUNK_DATA:
		/* the chunk's own line end may be part of the gap: its length is known as well */
		if (n > dir->left + 2)
			break;
		h1_emit_gap(x, dir, MSG_BODY_GAP, pos, k, kind);
		h1_emit_gap(x, dir, MSG_LOSS, pos + k, n - k, kind);
		dir->left -= k;
		if (dir->left)
			return n;
		dir->state = n - k == 2 ? H1_CHUNK_SIZE : H1_CHUNK_END;
		dir->cr = n - k == 1;
		dir->digits = false;
		return n;
	case H1_CHUNK_END:
		if (n > (dir->cr ? 1u : 2u))
			break;
		h1_emit_gap(x, dir, MSG_LOSS, pos, n, kind);
		dir->state = n == 2 || dir->cr ? H1_CHUNK_SIZE : H1_CHUNK_END;
		dir->cr = dir->state == H1_CHUNK_END;
		dir->digits = false;
		return n;
	default:
		break;
	}
	h1_emit_gap(x, dir, MSG_BODY_GAP, pos, n, kind);
	h1_lose_step(x, H1_SEEK_CHUNKED, kind, true);
	return n;
}
