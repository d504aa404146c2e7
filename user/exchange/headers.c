// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* headers.c - which header fields are kept, and what some of them mean; the rest is gone at once.
 */
#include "exchange/exchange_priv.h"

enum known {
	K_CONTENT_TYPE,
	K_CONTENT_ENCODING,
	K_CONTENT_LENGTH,
	K_TRANSFER_ENCODING,
	K_USER_AGENT,
	K_TRACEPARENT,
	K_REQUEST_ID,
	K_FORWARDED_FOR,
	K_RETRY_COUNT,
	K_RETRY_AFTER,
	K_ANTHROPIC_VERSION,
	K_SERVER,
	K_NONE = -1,
	K_RATELIMIT = -2,
};

#define ROW(k, lit, free_form)                                                                 \
	[k] = { lit, sizeof(lit) - 1, "http.request.header." lit, "http.response.header." lit, \
		free_form }
static const struct {
	const char *name;
	size_t len;
	const char *request_key, *response_key;
	bool free_form;
} row[] = {
	ROW(K_CONTENT_TYPE, "content-type", false),
	ROW(K_CONTENT_ENCODING, "content-encoding", false),
	ROW(K_CONTENT_LENGTH, "content-length", false),
	ROW(K_TRANSFER_ENCODING, "transfer-encoding", false),
	ROW(K_USER_AGENT, "user-agent", true),
	ROW(K_TRACEPARENT, "traceparent", false),
	ROW(K_REQUEST_ID, "x-request-id", true),
	ROW(K_FORWARDED_FOR, "x-forwarded-for", false),
	ROW(K_RETRY_COUNT, "x-stainless-retry-count", false),
	ROW(K_RETRY_AFTER, "retry-after", false),
	ROW(K_ANTHROPIC_VERSION, "anthropic-version", false),
	ROW(K_SERVER, "server", false),
};

#define FOLD8 0x2020202020202020u

static uint64_t fold8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v | FOLD8;
}

/*
 * Field names are tokens (RFC 9110 section 5.6.2); on those, | 0x20 folds case and nothing else
 * that stands in our names. Eight at a time, the last eight overlapping.
 */
static bool same(const char *p, const char *lower, size_t n)
{
	if (n < 8) {
		for (size_t i = 0; i < n; i++)
			if ((p[i] | 0x20) != lower[i])
				return false;
		return true;
	}
	for (size_t i = 0; i + 8 < n; i += 8)
		if (fold8(p + i) != fold8(lower + i))
			return false;
	return fold8(p + n - 8) == fold8(lower + n - 8);
}

static int check(enum known k, const char *p, size_t n)
{
	return n == row[k].len && same(p, row[k].name, n) ? (int)k : K_NONE;
}

static int lookup(const char *p, size_t n)
{
	const char first = n ? (char)(p[0] | 0x20) : 0;

	if (first == 'x' && n > 12 && same(p, "x-ratelimit-", 12))
		return K_RATELIMIT;
	switch (n) {
	case 6:
		return check(K_SERVER, p, n);
	case 10:
		return check(K_USER_AGENT, p, n);
	case 11:
		return check(first == 't' ? K_TRACEPARENT : K_RETRY_AFTER, p, n);
	case 12:
		return check(first == 'x' ? K_REQUEST_ID : K_CONTENT_TYPE, p, n);
	case 14:
		return check(K_CONTENT_LENGTH, p, n);
	case 15:
		return check(K_FORWARDED_FOR, p, n);
	case 16:
		return check(K_CONTENT_ENCODING, p, n);
	case 17:
		return check(first == 't' ? K_TRANSFER_ENCODING : K_ANTHROPIC_VERSION, p, n);
	case 23:
		return check(K_RETRY_COUNT, p, n);
	default:
		return K_NONE;
	}
}

const char *headers_key(const struct header *h)
{
	if (!h->row)
		return NULL;
	return h->response ? row[h->row - 1].response_key : row[h->row - 1].request_key;
}

bool headers_free_form(const struct header *h)
{
	return !h->row || row[h->row - 1].free_form;
}

bool headers_is_user_agent(const struct header *h)
{
	return h->row == K_USER_AGENT + 1 && !h->response;
}

/* ---- meaning -----------------------------------------------------------------------------------
 */

static bool ends(const char *p, size_t n, const char *s, size_t sn)
{
	return n >= sn && !memcmp(p + n - sn, s, sn);
}
#define IS(p, n, lit) ((n) == sizeof(lit) - 1 && !memcmp(p, lit, sizeof(lit) - 1))
#define BEGINS(p, n, lit) ((n) >= sizeof(lit) - 1 && !memcmp(p, lit, sizeof(lit) - 1))
#define ENDS(p, n, lit) ends(p, n, lit, sizeof(lit) - 1)

static enum content_kind kind_of(const char *p, size_t n)
{
	if (IS(p, n, "application/json") || ENDS(p, n, "+json"))
		return CONTENT_JSON;
	if (BEGINS(p, n, "text/"))
		return IS(p, n, "text/csv") ? CONTENT_CSV : CONTENT_TEXT;
	if (IS(p, n, "application/x-www-form-urlencoded"))
		return CONTENT_FORM;
	if (BEGINS(p, n, "multipart/"))
		return CONTENT_MULTIPART;
	if (ENDS(p, n, "ndjson") || ENDS(p, n, "jsonl") || ENDS(p, n, "jsonlines"))
		return CONTENT_NDJSON;
	if (IS(p, n, "application/csv"))
		return CONTENT_CSV;
	if (ENDS(p, n, "/xml") || ENDS(p, n, "+xml") || ENDS(p, n, "javascript") ||
	    ENDS(p, n, "yaml"))
		return CONTENT_TEXT;
	return CONTENT_BINARY;
}

/* Media type in lower case, parameters cut, beside the value itself. */
static void take_type(struct exchange *x, struct message *m, const char *p, size_t n)
{
	const char *semicolon = memchr(p, ';', n);
	char *out;

	if (semicolon)
		n = (size_t)(semicolon - p);
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	if (!n || m->type_len)
		return;
	out = buf_room(&x->text, n);
	if (!out)
		return;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
	m->type_off = (uint32_t)x->text.len;
	m->type_len = (uint32_t)n;
	x->text.len += n;
	m->kind = kind_of(out, n);
}

static void take_retries(struct exchange *x, const char *p, size_t n)
{
	int v = 0;

	if (!n || n > 6)
		return;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return;
		v = v * 10 + (p[i] - '0');
	}
	x->retry_count = v;
}

/*
 * The headers by which API clients name themselves. Not every secret is one: cookies are sessions,
 * and Sec-WebSocket-Key is a nonce.
 */
static bool is_api_key(const char *p, size_t n)
{
	switch (n) {
	case 6:
		return same(p, "apikey", n);
	case 7:
		return same(p, "api-key", n);
	case 9:
		return same(p, "x-api-key", n);
	case 11:
		return same(p, "x-api-token", n);
	case 12:
		return same(p, "x-auth-token", n);
	case 13:
		return same(p, "authorization", n);
	case 14:
		return same(p, "x-goog-api-key", n);
	case 25:
		return same(p, "ocp-apim-subscription-key", n);
	default:
		return false;
	}
}

/* A key is the same key with and without its scheme. */
static void take_credential(struct exchange_ctx *ctx, struct exchange *x, const struct msg *m)
{
	const char *p = m->header.value;
	size_t n = m->header.value_len;

	if (x->key_hash[0] || !m->request || !is_api_key(m->header.name, m->header.name_len))
		return;
	if (n > 7 && same(p, "bearer ", 7)) {
		p += 7;
		n -= 7;
	}
	if (n)
		redact_key_hash(ctx->red, p, n, x->key_hash);
}

static void take_meaning(struct exchange *x, int k, bool request, const char *p, size_t n)
{
	struct message *side = request ? &x->req : &x->res;

	switch (k) {
	case K_CONTENT_TYPE:
		take_type(x, side, p, n);
		break;
	case K_CONTENT_ENCODING:
		side->coded = n && !(n == 8 && same(p, "identity", 8));
		break;
	case K_TRACEPARENT:
		if (request && !x->has_parent_span)
			x->has_parent_span =
				traceparent_parse(p, n, x->trace_id, x->parent_span_id);
		break;
	case K_RETRY_COUNT:
		if (request)
			take_retries(x, p, n);
		break;
	default:
		break;
	}
}

/* x-ratelimit-* becomes a key, and keys are written as they are. */
static bool lower_key(char *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		out[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
		if (!((out[i] >= 'a' && out[i] <= 'z') || (out[i] >= '0' && out[i] <= '9') ||
		      out[i] == '-' || out[i] == '_'))
			return false;
	}
	return true;
}

static void keep(struct exchange *x, int k, const struct msg *m)
{
	const size_t nn = m->header.name_len;
	size_t vn = m->header.value_len;
	struct header *h;
	char *out;

	if (x->n_headers == EXCHANGE_MAX_HEADERS || nn > 128) {
		x->headers_dropped++;
		return;
	}
	if (vn > MAX_HEADER_VALUE)
		vn = MAX_HEADER_VALUE;
	out = buf_room(&x->text, nn + vn);
	if (!out || (k == K_RATELIMIT && !lower_key(out, m->header.name, nn))) {
		x->headers_dropped++;
		return;
	}
	h = &x->header[x->n_headers++];
	h->response = !m->request;
	h->row = k == K_RATELIMIT ? 0 : (uint8_t)(k + 1);
	h->name_off = (uint32_t)x->text.len;
	h->name_len = (uint32_t)nn;
	h->value_off = h->name_off + h->name_len;
	h->value_len = (uint32_t)vn;
	if (k >= 0)
		memcpy(out, row[k].name, nn);
	memcpy(out + nn, m->header.value, vn);
	x->text.len += nn + vn;
	/* The request's own id wins over what the server answers. */
	if (k == K_REQUEST_ID && vn && (m->request || !x->req_id_len)) {
		x->req_id_off = h->value_off;
		x->req_id_len = h->value_len;
	}
}

bool headers_take(struct exchange_ctx *ctx, struct open *o, const struct msg *m)
{
	const int k = lookup(m->header.name, m->header.name_len);

	if (m->header.trailer)
		return false;
	if (k == K_NONE) {
		take_credential(ctx, &o->x, m);
		return false;
	}
	keep(&o->x, k, m);
	if (k >= 0)
		take_meaning(&o->x, k, m->request, m->header.value, m->header.value_len);
	return true;
}

const struct header *exchange_header(const struct exchange *x, bool response, const char *name)
{
	const size_t n = strlen(name);

	for (unsigned i = 0; i < x->n_headers; i++) {
		const struct header *h = &x->header[i];

		if (h->response == response && h->name_len == n &&
		    !memcmp(x->text.p + h->name_off, name, n))
			return h;
	}
	return NULL;
}

size_t exchange_content_type(const struct exchange *x, bool response, const char **p)
{
	const struct message *m = response ? &x->res : &x->req;

	*p = m->type_len ? x->text.p + m->type_off : "";
	return m->type_len;
}

const char *exchange_request_id(const struct exchange *x, size_t *n)
{
	*n = x->req_id_len;
	return x->req_id_len ? x->text.p + x->req_id_off : NULL;
}
