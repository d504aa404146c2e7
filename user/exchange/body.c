// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* body.c - the sample of a body as text without secrets, or as base64 where secrets may pass. */
#include "exchange/exchange_priv.h"

#include <string.h>

#include "base/json.h"

/* Stands for what lies between head and tail. */
static const char ellipsis[] = "\xe2\x80\xa6";

/* A cut falls anywhere: an unfinished UTF-8 sequence at the end is left out. */
static size_t trim_end(const char *p, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		const uint8_t c = (uint8_t)p[n - back];
		const size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if ((c & 0xc0) == 0x80)
			continue;
		return need > back ? n - back : n;
	}
	return n;
}

static size_t skip_start(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && i < 3 && ((uint8_t)p[i] & 0xc0) == 0x80)
		i++;
	return i;
}

/* What the type promises is believed unless a NUL says otherwise; without a type the bytes decide.
 */
static enum content_kind judge(const struct message *m, const char *p, size_t n)
{
	if (m->coded || m->kind == CONTENT_BINARY || memchr(p, '\0', n))
		return CONTENT_BINARY;
	if (m->kind != CONTENT_UNKNOWN)
		return m->kind;
	if (!utf8_valid(p, n))
		return CONTENT_BINARY;
	return p[0] == '{' || p[0] == '[' ? CONTENT_JSON : CONTENT_TEXT;
}

static unsigned lines(const struct redactor *red, struct buf *out, const char *p, size_t n)
{
	unsigned count = 0;

	while (n) {
		const char *lf = memchr(p, '\n', n);
		const size_t len = lf ? (size_t)(lf - p) : n;

		count += redact_json(red, out, p, len);
		if (!lf)
			break;
		buf_putc(out, '\n');
		n -= len + 1;
		p = lf + 1;
	}
	return count;
}

static unsigned clean(const struct redactor *red, enum content_kind kind, struct buf *out,
		      const char *p, size_t n)
{
	if (redactor_mode(red) == PAYLOAD_RAW) {
		buf_put(out, p, n);
		return 0;
	}
	switch (kind) {
	case CONTENT_JSON:
		return redact_json(red, out, p, n);
	case CONTENT_NDJSON:
		return lines(red, out, p, n);
	case CONTENT_FORM:
		return redact_query(red, out, p, n);
	default:
		return redact_text(red, out, p, n);
	}
}

static void as_base64(const struct sample *s, struct buf *tail, struct buf *scratch,
		      struct body_text *out)
{
	buf_putc(scratch, '\0');
	out->off = scratch->len;
	out->json = out->shown = true;
	buf_puts(scratch, "{\"base64\":\"");
	buf_base64(scratch, s->head.p, s->head.len);
	if (tail->len) {
		buf_puts(scratch, "\",\"tail_base64\":\"");
		buf_base64(scratch, tail->p, tail->len);
	}
	buf_puts(scratch, "\"}");
	out->len = scratch->len - out->off;
}

static void as_text(const struct sample *s, struct buf *tail, enum content_kind kind,
		    const struct redactor *red, struct buf *scratch, struct body_text *out)
{
	const size_t head = sample_whole(s) ? s->head.len : trim_end(s->head.p, s->head.len);
	const size_t from = skip_start(tail->p, tail->len);

	buf_putc(scratch, '\0'); /* writers look back at what stands before them */
	out->off = scratch->len;
	out->shown = true;
	out->redactions = clean(red, kind, scratch, s->head.p, head);
	if (out->omitted) {
		buf_put(scratch, ellipsis, sizeof(ellipsis) - 1);
		if (tail->len > from)
			out->redactions +=
				clean(red, kind, scratch, tail->p + from, tail->len - from);
	} else if (tail->len) {
		out->redactions += clean(red, kind, scratch, tail->p, tail->len);
	}
	out->len = scratch->len - out->off;
}

void body_render(const struct exchange *x, bool response, const struct redactor *red,
		 struct buf *scratch, struct body_text *out)
{
	const struct message *m = response ? &x->res : &x->req;
	const struct sample *s = &m->body;
	const enum payload_mode mode = redactor_mode(red);
	struct buf tail = { 0 };
	enum content_kind kind;

	*out = (struct body_text){ 0 };
	if (mode < PAYLOAD_REDACTED || !s->total)
		return;
	out->omitted = sample_omitted(s);
	if (s->ring_len)
		sample_tail(s, &tail);
	kind = s->head.len                              ? judge(m, s->head.p,
                                   sample_whole(s) ? s->head.len : trim_end(s->head.p, s->head.len))
					    : m->coded || m->kind == CONTENT_UNKNOWN ? CONTENT_BINARY
							: m->kind;
	if (kind != CONTENT_BINARY)
		as_text(s, &tail, kind, red, scratch, out);
	else if (mode == PAYLOAD_RAW)
		as_base64(s, &tail, scratch, out);
	buf_free(&tail);
}
