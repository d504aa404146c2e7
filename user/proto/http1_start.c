/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http1_start.c - finding start lines: where the last message ended while the parser is in step, at
 * the start of a call while it is not.
 */
#include "proto/http1.h"

#include <stdlib.h>
#include <string.h>

/* Is there less to go by than the place in the stream? */
static bool strict(const struct h1_call *x)
{
	return x->dir->state == H1_SEEK || x->h->req_dir < 0 ||
	       h1_pair_kind(x->h) == H1_CONNECT; /* a tunnel may have begun */
}

static enum proto_verdict prefix(const struct h1_call *x, const uint8_t *p, size_t n)
{
	enum proto_verdict status;

	if (x->h->req_dir == (int)x->d)
		return h1_request_prefix(p, n, strict(x));
	status = h1_status_prefix(p, n);
	if (x->h->req_dir >= 0 || status != PROTO_NO)
		return status;
	return h1_request_prefix(p, n, true);
}

/* A start line was found: whatever was open in this direction has ended before it. */
static void begin(struct h1_call *x)
{
	struct h1_dir *dir = x->dir;

	if (dir->state == H1_SEEK) {
		x->h->resyncs++;
		/* of an interim response the final one, which this may be, is still owed */
		if (dir->open && dir->seek != H1_SEEK_IDLE && !dir->interim) {
			if (h1_is_request(x->h, dir))
				h1_end_side(x, dir, dir->last_ts);
			else
				h1_end_response(x, dir->last_ts);
		}
	}
	dir->state = H1_FIELDS;
	dir->seek = H1_SEEK_IDLE;
	dir->seen = 0;
	dir->interim = dir->guess = dir->unsolicited = false;
	memset(&dir->f, 0, sizeof(dir->f));
}

static enum h1_kind method_kind(const struct h1_request_line *r)
{
	if (r->method_len == 4 && !memcmp(r->method, "HEAD", 4))
		return H1_HEAD;
	if (r->method_len == 7 && !memcmp(r->method, "CONNECT", 7))
		return H1_CONNECT;
	return H1_PLAIN;
}

static void request_line(struct h1_call *x, const struct chunk *first, uint64_t pos,
			 const struct h1_request_line *r)
{
	struct h1_dir *dir = x->dir;
	struct h1_call y;
	struct msg m = { .kind = MSG_REQUEST_LINE };
	uint32_t an;

	begin(x);
	an = r->anomalies | h1_pair_request(x, method_kind(r));
	dir->late = false;
	dir->minor = (uint8_t)r->minor;
	m.request_line.method = r->method;
	m.request_line.method_len = r->method_len;
	m.request_line.target = r->target;
	m.request_line.target_len = r->target_len;
	m.request_line.minor = r->minor;
	y = *x;
	if (first) {
		y.ch = first;
		y.ts = first->ts;
	}
	h1_emit(&y, dir, &m, pos);
	h1_flag(x, dir, an, pos);
}

/*
 * A request line that was answered before it was whole: what is there of it. Blanks end the method
 * and the target; what they do not end is cut.
 */
static void cut_request_line(const uint8_t *p, size_t n, struct msg *m)
{
	const uint8_t *blank = memchr(p, ' ', n < H1_METHOD_MAX + 1 ? n : H1_METHOD_MAX + 1);
	size_t from, to;

	m->request_line.minor = -1;
	m->request_line.cut = true;
	m->request_line.method = m->request_line.target = (const char *)p;
	m->request_line.method_len = m->request_line.target_len = 0;
	if (!blank)
		return;
	from = m->request_line.method_len = (size_t)(blank - p);
	while (from < n && (p[from] == ' ' || p[from] == '\t'))
		from++;
	for (to = from; to < n && p[to] != ' ' && p[to] != '\t' && p[to] != '\r';)
		to++;
	m->request_line.target = (const char *)p + from;
	m->request_line.target_len = to - from;
	m->request_line.cut = to == n;
}

bool h1_request_pending(struct http1 *h)
{
	const struct h1_dir *req = h1_request_dir(h);

	return req->state == H1_START && req->line && req->line->len;
}

/* The exchange of a request of which only the beginning of the first line was read. */
static void begin_cut(struct h1_call *x)
{
	struct h1_call y = *x;
	struct h1_line *l;
	struct h1_request_line r;
	struct msg m = { .kind = MSG_REQUEST_LINE };

	y.d = (enum direction)x->h->req_dir;
	y.dir = h1_request_dir(x->h);
	l = y.dir->line;
	y.ch = &l->first;
	y.ts = l->first.ts;
	cut_request_line(l->b, l->len, &m);
	r.method = m.request_line.method;
	r.method_len = m.request_line.method_len;
	begin(&y);
	h1_pair_request(&y, method_kind(&r));
	y.dir->late = false;
	y.dir->minor = 1;
	y.dir->head_len = l->len;
	h1_emit(&y, y.dir, &m, l->pos);
	h1_line_drop(y.dir);
}

static void answered_early(struct h1_call *x)
{
	struct h1_dir *req = h1_request_dir(x->h);

	begin_cut(x);
	req->state = x->c->dir[x->h->req_dir].eof ? H1_DEAD : H1_START_REST;
}

bool h1_cut_by_gap(struct h1_call *x)
{
	if (!h1_is_request(x->h, x->dir) || !h1_request_pending(x->h) ||
	    !memchr(x->dir->line->b, ' ', x->dir->line->len))
		return false;
	begin_cut(x);
	return true;
}

size_t h1_start_rest(struct h1_call *x, const uint8_t *p, size_t n)
{
	const uint8_t *lf = memchr(p, '\n', n);

	if (!lf)
		return n;
	x->dir->state = H1_FIELDS;
	return (size_t)(lf - p) + 1;
}

/* The request of this response may have been in what was not seen: so much was that. */
static void tell_unseen(struct h1_call *x, uint64_t pos)
{
	if (!x->c->late)
		h1_emit_gap(x, x->dir, MSG_LOSS, pos, x->h->gap_bytes,
			    (enum gap_kind)x->h->gap_kind);
}

static void status_line(struct h1_call *x, const struct chunk *first, uint64_t pos, int status,
			int minor, uint32_t an)
{
	struct h1_dir *dir = x->dir, *req = h1_request_dir(x->h);
	struct h1_call y;
	struct msg m = { .kind = MSG_STATUS_LINE };
	bool fresh;

	begin(x);
	fresh = !dir->open;
	dir->minor = (uint8_t)minor;
	dir->status = (uint16_t)status;
	dir->interim = status / 100 == 1 && status != 101;
	if (fresh && !dir->interim && !dir->gap && !req->gap && !x->h->fifo_len &&
	    h1_request_pending(x->h))
		answered_early(x);
	an |= h1_pair_response(x);
	/* or it was the answer to what is pending, and the next one is not */
	if (fresh && dir->late && h1_request_pending(x->h))
		req->gap = true;
	if (dir->unsolicited) {
		x->h->skipped += dir->head_len;
		return;
	}
	/* the answer begins: what was still looked for in its request has ended */
	if (!dir->interim && req->open && req->index == dir->index && req->state == H1_SEEK &&
	    req->seek != H1_SEEK_IDLE) {
		h1_end_side(x, req, req->last_ts);
		req->seek = H1_SEEK_IDLE;
	}
	m.status_line.status = status;
	m.status_line.minor = minor;
	y = *x;
	if (first) {
		y.ch = first;
		y.ts = first->ts;
	}
	h1_emit(&y, dir, &m, pos);
	if (fresh && dir->late && x->h->owed)
		tell_unseen(x, pos);
	h1_flag(x, dir, an, pos);
}

/* One whole line, LF not counted, that should be a start line. False: it is none. */
static bool start_line(struct h1_call *x, const struct chunk *first, uint64_t pos, const uint8_t *p,
		       size_t n)
{
	bool bare = !n || p[n - 1] != '\r', is_strict = strict(x);
	struct h1_request_line r;
	enum proto_verdict v;
	int status, minor;

	if (h1_parse_status(p, n, &status, &minor)) {
		if (x->h->req_dir < 0)
			x->h->req_dir = !x->d;
		if (x->h->req_dir == (int)x->d)
			return false;
		x->dir->head_len = (uint32_t)n + 1;
		status_line(x, first, pos, status, minor, bare ? H1_BIT(H1_AN_BARE_LF) : 0);
		return true;
	}
	if (x->h->req_dir == (int)!x->d)
		return false;
	v = h1_parse_request(p, n, &r);
	if (v == PROTO_NO ||
	    (is_strict && (v == PROTO_MAYBE || r.anomalies & H1_BIT(H1_AN_BAD_TARGET))) ||
	    (x->dir->state == H1_SEEK && !h1_method_known(r.method, r.method_len)))
		return false;
	x->h->req_dir = (int8_t)x->d;
	x->dir->head_len = (uint32_t)n + 1;
	request_line(x, first, pos, &r);
	return true;
}

/* A start line longer than a head may be: what can be told of it is told. */
static bool start_line_cut(struct h1_call *x, const struct chunk *first, uint64_t pos,
			   const uint8_t *p, size_t n)
{
	const uint32_t large = H1_BIT(H1_AN_HEAD_TOO_LARGE);
	struct h1_request_line r;
	int status, minor;

	if (strict(x))
		return false;
	if (x->h->req_dir == (int)x->d) {
		if (h1_parse_request(p, n, &r) == PROTO_NO || !r.target_len)
			return false;
		r.minor = 1;
		r.anomalies = large;
		request_line(x, first, pos, &r);
	} else {
		if (!h1_parse_status(p, n, &status, &minor))
			return false;
		status_line(x, first, pos, status, minor, large);
	}
	h1_lose_step(x, H1_SEEK_HEAD, GAP_OMITTED, true);
	return true;
}

/* ---- out of step ---- */

static const char last_chunk[7] = "\r\n0\r\n\r\n";

/* Bytes in which nothing is to be found. */
static void pass_over(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;

	switch (dir->seek) {
	case H1_SEEK_HEAD:
		h1_emit_gap(x, dir, MSG_LOSS, pos, n, (enum gap_kind)dir->gap_kind);
		break;
	case H1_SEEK_CHUNKED:
		h1_emit_gap(x, dir, MSG_BODY_GAP, pos, n, (enum gap_kind)dir->gap_kind);
		if (n >= sizeof(last_chunk) &&
		    !memcmp(p + n - sizeof(last_chunk), last_chunk, sizeof(last_chunk)))
			h1_complete(x, pos + n);
		break;
	case H1_SEEK_BODY:
		h1_emit_body(x, pos, p, n);
		break;
	default:
		x->h->skipped += n;
	}
}

void h1_pass_over_kept(struct h1_call *x)
{
	struct h1_line *l = x->dir->line;

	if (!l)
		return;
	x->dir->line = NULL;
	if (l->len)
		pass_over(x, l->pos, l->b, l->len);
	h1_line_free(l);
}

/* Bytes where a start line should be and is not. */
static size_t garbage(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	struct msg m = { .kind = MSG_ANOMALY };

	if (dir->state == H1_START) {
		if (x->h->req_dir == (int)!x->d) {
			m.note.name = h1_anomaly_name[H1_AN_BAD_STATUS_LINE];
			h1_emit_waiting(x, &m, pos);
		}
		if (x->h->req_dir == (int)x->d) {
			x->h->gap_bytes = n + (dir->line ? dir->line->len : 0);
			x->h->gap_kind = GAP_OMITTED;
		}
		/* a server may have taken it for a request; a stray piece of body is no response */
		h1_lose_step(x, H1_SEEK_IDLE, GAP_OMITTED, x->h->req_dir == (int)x->d);
	}
	h1_pass_over_kept(x);
	pass_over(x, pos, p, n);
	return n;
}

/* The beginning of a line is kept: bring it on. Returns bytes used, 0: it is no start line. */
static size_t kept_start(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_line *l = x->dir->line;
	const uint8_t *lf = memchr(p, '\n', n);
	size_t used = lf ? (size_t)(lf - p) + 1 : n;
	uint32_t had = l->len;

	if (!h1_line_add(x, pos, p, used)) {
		size_t top = had + used > H1_HEAD_MAX ? H1_HEAD_MAX - had : 0;

		if (!h1_line_add(x, pos, p, top))
			top = 0;
		l = x->dir->line;
		if (!start_line_cut(x, &l->first, l->pos, l->b, l->len)) {
			l->len = had;
			return 0;
		}
		h1_line_drop(x->dir);
		pass_over(x, pos + top, p + top, n - top);
		return n;
	}
	l = x->dir->line;
	if (!lf && prefix(x, l->b, l->len) != PROTO_NO)
		return n;
	if (lf && prefix(x, l->b, l->len) != PROTO_NO &&
	    start_line(x, &l->first, l->pos, l->b, l->len - 1)) {
		l->len = 0;
		return used;
	}
	l->len = had;
	return 0;
}

/* No line is kept. Returns bytes used, 0: no start line begins here. */
static size_t fresh_start(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	size_t max = n < H1_HEAD_MAX ? n : H1_HEAD_MAX;
	const uint8_t *lf;

	if (prefix(x, p, n) == PROTO_NO)
		return 0;
	lf = memchr(p, '\n', max);
	if (lf)
		return start_line(x, NULL, pos, p, (size_t)(lf - p)) ? (size_t)(lf - p) + 1 : 0;
	if (n < H1_HEAD_MAX && h1_line_add(x, pos, p, n))
		return n;
	if (!start_line_cut(x, NULL, pos, p, max))
		return 0;
	pass_over(x, pos + max, p + max, n - max);
	return n;
}

size_t h1_start(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	size_t k = 0;

	if (x->dir->line && x->dir->line->len) {
		k = kept_start(x, pos, p, n);
		return k ? k : garbage(x, pos, p, n);
	}
	/* empty lines before a start line: RFC 9112 section 2.2 */
	while (k < n && (p[k] == '\r' || p[k] == '\n'))
		k++;
	if (k)
		return k;
	k = fresh_start(x, pos, p, n);
	return k ? k : garbage(x, pos, p, n);
}

/* May a chunk size be taken for a chunk of the message that lost step, or is it another's? */
static bool may_resume(const struct h1_call *x)
{
	const struct h1_dir *dir = x->dir, *res = h1_response_dir(x->h);

	if (dir->seek != H1_SEEK_CHUNKED)
		return false;
	if (h1_is_request(x->h, dir)) /* a request that is being answered is over */
		return h1_pair_waits(x->h, dir->index) &&
		       !(res->open && res->index == dir->index && !res->interim);
	return x->h->fifo_len == (dir->open && !dir->late ? 1 : 0);
}

bool h1_start_line_here(const struct h1_call *x, const uint8_t *p, size_t n)
{
	const uint8_t *lf = memchr(p, '\n', n);
	struct h1_request_line r;
	int status, minor;

	if (!lf)
		return false;
	if (x->h->req_dir != (int)x->d && h1_parse_status(p, (size_t)(lf - p), &status, &minor))
		return true;
	return x->h->req_dir != (int)!x->d &&
	       h1_parse_request(p, (size_t)(lf - p), &r) == PROTO_YES &&
	       h1_method_known(r.method, r.method_len);
}

size_t h1_seek(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n)
{
	struct h1_dir *dir = x->dir;
	size_t k, empty = 0;

	if (!x->call_start)
		return garbage(x, pos, p, n);
	if (dir->line && dir->line->len) {
		/* what is kept may be the end of something, and this the start line itself */
		if (!h1_start_line_here(x, p, n)) {
			k = kept_start(x, pos, p, n);
			if (k)
				return k;
		}
		h1_pass_over_kept(x);
		if (dir->state != H1_SEEK)
			return 0;
	}
	/* empty lines before a start line, or the line end of a chunk whose data was not seen */
	while (empty < n && (p[empty] == '\r' || p[empty] == '\n'))
		empty++;
	if (empty == n)
		return garbage(x, pos, p, n);
	k = fresh_start(x, pos + empty, p + empty, n - empty);
	if (k)
		return empty + k;
	if (may_resume(x) && (empty == 0 || empty == 2) &&
	    h1_chunk_plausible(p + empty, n - empty)) {
		if (empty)
			pass_over(x, pos, p, empty);
		x->h->resyncs++;
		dir->state = H1_CHUNK_SIZE;
		dir->seek = H1_SEEK_IDLE;
		dir->guess = true;
		dir->left = 0;
		dir->digits = dir->cr = false;
		return empty;
	}
	return garbage(x, pos, p, n);
}
