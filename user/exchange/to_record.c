// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* to_record.c - an exchange that ended, as the keys and values of an `exchange` record. */
#include "exchange/exchange_priv.h"

#include <string.h>
#include <sys/socket.h>

#include "origin/addr.h"

/*
 * Texts go to scratch, which moves while it grows: values (and keys) in it are noted by offset and
 * become pointers at the end.
 */
#define MAX_NOTES (2 * EXCHANGE_MAX_HEADERS + 16) /* a header may have a key of its own */
struct note {
	unsigned kv;
	bool key;
	size_t off;
};
struct builder {
	struct record *r;
	struct buf *scratch;
	const struct redactor *red;
	struct note note[MAX_NOTES];
	unsigned n;
	/* values that are shown under a second key: offset and length, 0: not there */
	size_t agent_off, agent_len, id_off, id_len;
};

static void note(struct builder *b, size_t off, bool key)
{
	if (b->r->overflow)
		return; /* the key was not added */
	if (b->n == MAX_NOTES) {
		b->r->n--; /* a value that would never find its bytes */
		return;
	}
	b->note[b->n++] = (struct note){ (unsigned)(b->r->n - 1), key, off };
}

/* The scratch's bytes from off on are the value. Inline: most keys are literals. */
static inline void put_from(struct builder *b, const char *key, size_t off)
{
	if (b->scratch->len <= off)
		return;
	record_str(b->r, key, NULL, b->scratch->len - off);
	note(b, off, false);
}

static void settle(struct builder *b)
{
	b->r->overflow |= b->n == MAX_NOTES;
	if (!b->scratch->p)
		return;
	for (unsigned i = 0; i < b->n; i++) {
		struct kv *kv = &b->r->kv[b->note[i].kv];
		char *p = b->scratch->p + b->note[i].off;

		if (b->note[i].key) {
			kv->key = p;
			kv->key_len = (uint32_t)strlen(p);
		} else {
			kv->s.p = p;
		}
	}
}

/* ---- parts -------------------------------------------------------------------------------------
 */

void target_split(const char *p, size_t n, struct target *out)
{
	const char *scheme, *slash, *mark;
	size_t skip = 0;

	*out = (struct target){ 0 };
	if (!n)
		return;
	if (p[0] != '/' && p[0] != '*') {
		/* Absolute form, or host:port of CONNECT, which has no path. */
		scheme = memmem(p, n < 16 ? n : 16, "://", 3);
		if (!scheme)
			return;
		skip = (size_t)(scheme - p) + 3;
		slash = memchr(p + skip, '/', n - skip);
		mark = memchr(p + skip, '?', n - skip);
		if (!slash && !mark) {
			*out = (struct target){ .path = "/", .path_len = 1 };
			return;
		}
		skip = (size_t)((slash && (!mark || slash < mark) ? slash : mark) - p);
	}
	p += skip;
	n -= skip;
	mark = memchr(p, '?', n);
	out->path = p;
	out->path_len = mark ? (size_t)(mark - p) : n;
	if (mark) {
		out->query = mark + 1;
		out->query_len = n - out->path_len - 1;
	}
	if (!out->path_len) {
		out->path = "/";
		out->path_len = 1;
	}
}

static void put_target(struct builder *b, const struct exchange *x)
{
	struct target t;
	size_t off;

	if (!x->req.begun)
		return;
	if (x->method_len)
		record_str(b->r, "http.request.method", x->text.p, x->method_len);
	target_split(x->text.p + x->target_off, x->target_len, &t);
	if (t.path_len) {
		off = b->scratch->len;
		redact_path(b->red, b->scratch, t.path, t.path_len);
		put_from(b, "url.path", off);
	}
	if (t.query_len) {
		off = b->scratch->len;
		redact_query(b->red, b->scratch, t.query, t.query_len);
		put_from(b, "url.query", off);
	}
	if (x->target_cut)
		record_bool(b->r, "url.truncated", true);
}

static void put_address(struct builder *b, const char *key, const char *port_key, uint16_t family,
			const uint8_t addr[16], uint16_t port)
{
	char text[ADDR_TEXT_MAX];
	const size_t off = b->scratch->len, n = addr_text(family, addr, text);

	if (!n)
		return;
	buf_put(b->scratch, text, n);
	put_from(b, key, off);
	record_u64(b->r, port_key, port);
}

static void put_network(struct builder *b, const struct exchange *x)
{
	const struct conn *c = x->conn;
	const bool server = x->role == CONN_SERVER;

	if (!c)
		return;
	record_cstr(b->r, "network.protocol.name", c->proto_row ? c->proto_row->name : "http");
	if (x->minor >= 0)
		record_cstr(b->r, "network.protocol.version", x->minor ? "1.1" : "1.0");
	if (c->transport == TRANSPORT_TCP)
		record_cstr(b->r, "network.transport", "tcp");
	else if (c->transport == TRANSPORT_UNIX)
		record_cstr(b->r, "network.transport", "unix");
	else if (c->transport == TRANSPORT_PIPE)
		record_cstr(b->r, "network.transport", "pipe");
	record_bool(b->r, "tls.established", false);
	if (c->transport == TRANSPORT_UNIX && c->path)
		record_cstr(b->r, "server.address", c->path);
	if (!c->endpoints_known || c->transport != TRANSPORT_TCP)
		return;
	put_address(b, "client.address", "client.port", c->family, server ? c->peer : c->local,
		    server ? c->peer_port : c->local_port);
	put_address(b, "server.address", "server.port", c->family, server ? c->local : c->peer,
		    server ? c->local_port : c->peer_port);
}

/* The same field twice is one list (RFC 9110 section 5.3): the values of h and of its namesakes. */
static void put_list(struct builder *b, const struct exchange *x, unsigned i, const char *key)
{
	const struct header *h = &x->header[i];
	const size_t off = b->scratch->len;

	for (unsigned k = i; k < x->n_headers; k++) {
		const struct header *o = &x->header[k];

		if (o->response != h->response || o->row != h->row || o->name_len != h->name_len ||
		    memcmp(x->text.p + o->name_off, x->text.p + h->name_off, h->name_len))
			continue;
		if (k != i)
			buf_put(b->scratch, ", ", 2);
		redact_text(b->red, b->scratch, x->text.p + o->value_off, o->value_len);
	}
	put_from(b, key, off);
}

/* A bit for each known header and side; x-ratelimit-… is compared by name. */
static bool met_before(const struct exchange *x, unsigned i, uint32_t met[2])
{
	const struct header *h = &x->header[i];

	if (h->row) {
		const uint32_t bit = 1u << h->row;
		const bool before = met[h->response] & bit;

		met[h->response] |= bit;
		return before;
	}
	for (unsigned k = 0; k < i; k++) {
		const struct header *o = &x->header[k];

		if (!o->row && o->response == h->response && o->name_len == h->name_len &&
		    !memcmp(x->text.p + o->name_off, x->text.p + h->name_off, h->name_len))
			return true;
	}
	return false;
}

static size_t ratelimit_key(struct builder *b, const struct exchange *x, const struct header *h)
{
	const size_t off = b->scratch->len;

	buf_puts(b->scratch, h->response ? "http.response.header." : "http.request.header.");
	buf_put(b->scratch, x->text.p + h->name_off, h->name_len);
	buf_putc(b->scratch, '\0');
	return off;
}

/* Known headers that came more than once, a bit for each. */
static void find_repeated(const struct exchange *x, uint32_t repeated[2])
{
	uint32_t met[2] = { 0, 0 };

	for (unsigned i = 0; i < x->n_headers; i++) {
		const struct header *h = &x->header[i];

		repeated[h->response] |= met[h->response] & 1u << h->row;
		met[h->response] |= 1u << h->row;
	}
}

static void put_headers(struct builder *b, const struct exchange *x)
{
	uint32_t met[2] = { 0, 0 }, repeated[2] = { 0, 0 };

	find_repeated(x, repeated);
	for (unsigned i = 0; i < x->n_headers; i++) {
		const struct header *h = &x->header[i];
		const char *key = headers_key(h);
		size_t before = b->r->n, off;

		/* Most: once, and no other key shows the value. */
		if (key && !headers_free_form(h) && !(repeated[h->response] & 1u << h->row)) {
			off = b->scratch->len;
			redact_text(b->red, b->scratch, x->text.p + h->value_off, h->value_len);
			put_from(b, key, off);
			continue;
		}
		if (met_before(x, i, met))
			continue;
		if (key) {
			off = b->scratch->len;
			put_list(b, x, i, key);
			if (headers_is_user_agent(h)) {
				b->agent_off = off;
				b->agent_len = b->scratch->len - off;
			} else if (h->value_off == x->req_id_off && x->req_id_len) {
				b->id_off = off;
				b->id_len = b->scratch->len - off;
			}
			continue;
		}
		off = ratelimit_key(b, x, h);
		if (b->scratch->overflow)
			return; /* a key without its end */
		put_list(b, x, i, "");
		if (b->r->n > before)
			note(b, off, true);
	}
	if (x->headers_dropped)
		record_u64(b->r, "exchange.headers_dropped", x->headers_dropped);
	if (b->agent_len) {
		record_str(b->r, "user_agent.original", NULL, b->agent_len);
		note(b, b->agent_off, false);
	}
}

static void put_times(struct builder *b, const struct exchange *x)
{
	const uint64_t t0 = x->req.first_ts;

	if (x->wait_ns != WAIT_UNKNOWN && x->role == CONN_SERVER && x->conn &&
	    x->conn->transport == TRANSPORT_TCP)
		record_ns(b->r, "socket.wait_time", (int64_t)x->wait_ns);
	/* Of a request that was not seen, no time is known either. */
	if (!x->req.begun)
		return;
	record_ns(b->r, "duration", x->end_ts > t0 ? (int64_t)(x->end_ts - t0) : 0);
	if (x->res.begun) {
		record_ns(b->r, "time_to_first_byte",
			  x->res.first_ts > t0 ? (int64_t)(x->res.first_ts - t0) : 0);
		if (x->first_byte_upper_bound)
			record_bool(b->r, "time_to_first_byte.upper_bound", true);
	}
	if (x->req.complete)
		record_ns(b->r, "request.receive_time",
			  x->req.last_ts > t0 ? (int64_t)(x->req.last_ts - t0) : 0);
	if (x->stall_ns) {
		record_ns(b->r, "stall.max", (int64_t)x->stall_ns);
		record_cstr(b->r, "stall.cause", x->stall_client ? "client_window" : "server");
	}
}

static const char *api_of(const struct exchange *x)
{
	const enum content_kind kind = x->req.kind != CONTENT_UNKNOWN ? x->req.kind : x->res.kind;

	switch (kind) {
	case CONTENT_JSON:
	case CONTENT_NDJSON:
		return "generic.json";
	case CONTENT_FORM:
	case CONTENT_MULTIPART:
		return "generic.form";
	case CONTENT_CSV:
		return "generic.csv";
	default:
		return "other";
	}
}

static void put_outcome(struct builder *b, const struct exchange *x)
{
	const size_t off = b->scratch->len;
	const char *error;
	char digits[4];

	record_cstr(b->r, "exchange.role", x->role == CONN_CLIENT ? "client" : "server");
	if (x->has_parent)
		record_hex(b->r, "exchange.parent", x->parent, sizeof(x->parent));
	if (x->role == CONN_SERVER)
		record_u64(b->r, "exchange.concurrency", x->concurrency);
	record_cstr(b->r, "exchange.outcome", outcome_name[x->outcome]);
	error = outcome_error_type(x, digits);
	if (error == digits) {
		buf_put(b->scratch, digits, 3);
		put_from(b, "error.type", off);
	} else {
		record_cstr(b->r, "error.type", error);
	}
	record_u64(b->r, "exchange.loss", x->lost);
	if (x->omitted)
		record_u64(b->r, "exchange.omitted", x->omitted);
	if (x->late)
		record_bool(b->r, "exchange.late", true);
	record_cstr(b->r, "exchange.closed_by",
		    x->closed_by == CLOSED_NOT                                       ? "none"
		    : (x->closed_by == CLOSED_BY_TARGET) == (x->role == CONN_SERVER) ? "server"
										     : "client");
	record_cstr(b->r, "exchange.anomaly", x->anomaly);
	if (x->upgraded)
		record_bool(b->r, "exchange.upgraded", true);
}

static void put_trace(struct builder *b, const struct exchange *x)
{
	record_hex(b->r, "trace_id", x->trace_id, sizeof(x->trace_id));
	record_hex(b->r, "span_id", x->span_id, sizeof(x->span_id));
	if (x->has_parent_span)
		record_hex(b->r, "parent_span_id", x->parent_span_id, sizeof(x->parent_span_id));
	if (b->id_len) {
		record_str(b->r, "request.id", NULL, b->id_len);
		note(b, b->id_off, false);
	} else {
		record_hex(b->r, "request.id", x->id, sizeof(x->id));
	}
	if (x->retry_count >= 0)
		record_u64(b->r, "request.retry_count", (uint64_t)x->retry_count);
	record_cstr(b->r, "client.key_hash", x->key_hash);
}

struct body_keys {
	const char *body, *omitted, *truncated, *redactions;
};
static const struct body_keys body_keys[2] = {
	{ "request.body", "request.body.omitted", "request.body.truncated",
	  "request.body.redactions" },
	{ "response.body", "response.body.omitted", "response.body.truncated",
	  "response.body.redactions" },
};

static void put_body(struct builder *b, const struct exchange *x, bool response)
{
	const struct body_keys *k = &body_keys[response];
	struct body_text t;

	body_render(x, response, b->red, b->scratch, &t);
	if (!t.shown)
		return;
	if (b->scratch->overflow) {
		/* Half a text may have lost what made it safe. */
		record_u64(b->r, k->omitted, response ? x->res.body.total : x->req.body.total);
		record_bool(b->r, k->truncated, true);
		return;
	}
	record_str(b->r, k->body, NULL, t.len);
	note(b, t.off, false);
	if (t.json)
		b->r->kv[b->r->n - 1].type = KV_JSON;
	if (t.omitted) {
		record_u64(b->r, k->omitted, t.omitted);
		record_bool(b->r, k->truncated, true);
	}
	if (t.redactions)
		record_u64(b->r, k->redactions, t.redactions);
}

static void put_sizes(struct builder *b, const struct exchange *x)
{
	if (x->status)
		record_u64(b->r, "http.response.status_code", (uint64_t)x->status);
	if (x->req.begun && !x->req.size_unknown)
		record_u64(b->r, "http.request.body.size", x->req.size);
	if (x->res.begun && !x->res.size_unknown)
		record_u64(b->r, "http.response.body.size", x->res.size);
}

void exchange_to_record(const struct exchange *x, const struct origin *o,
			const struct redactor *red, bool log_payload, struct record *r,
			struct buf *scratch)
{
	struct builder b;

	b.r = r;
	b.scratch = scratch;
	b.red = red;
	b.n = 0;
	b.agent_len = b.id_len = 0;
	record_init(r, RECORD_EXCHANGE, origin_realtime(o, x->req.first_ts));
	memcpy(r->id, x->id, sizeof(r->id));
	r->host = origin_host_scope(o);
	r->proc = x->proc ? &x->proc->scope : NULL;
	record_u64(r, "thread.id", x->tid);
	put_outcome(&b, x);
	put_network(&b, x);
	put_target(&b, x);
	put_sizes(&b, x);
	put_headers(&b, x);
	put_trace(&b, x);
	put_times(&b, x);
	record_cstr(r, "api", api_of(x));
	if (log_payload) {
		put_body(&b, x, false);
		put_body(&b, x, true);
	}
	settle(&b);
}
