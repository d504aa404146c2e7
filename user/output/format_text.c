// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* format_text.c - one line a record for people: rows of columns, one row a record type. */
#include "output/output.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "output/human.h"

/* How a cell shows its value. */
enum style {
	STYLE_TEXT, /* as it is, cut to the cell's width where it has one */
	STYLE_DURATION, /* nanoseconds, or a number of seconds */
	STYLE_BYTES,
	STYLE_NUMBER,
	STYLE_STATUS, /* HTTP status: coloured by class */
	STYLE_WORD, /* text, coloured by word_colour */
	STYLE_ROLE, /* an arrow for what the target asked somebody else */
	STYLE_PEER, /* of such: whom */
	STYLE_ITEMS, /* how many elements a JSON array has */
	STYLE_LOSSES, /* a JSON object of counts: those that are not zero */
};

struct cell {
	const char *key;
	const char *label; /* before the value */
	unsigned width; /* column: padded to it when shorter; 0: takes what it needs and may be
			   absent */
	enum style style;
	unsigned flags;
#define CELL_RIGHT 1u /* aligned */
#define CELL_CUT 2u /* a longer text is cut to width */
#define CELL_IF_NOT_ZERO 4u /* shown only then, in red: losses */
};

#define ROW_MAX 14
static const struct row {
	const char *tag; /* NULL: the record type goes without saying */
	struct cell cell[ROW_MAX]; /* ends at a cell without a key */
} rows[RECORD_TYPES] = {
	[RECORD_EXCHANGE] = {
		.cell = {
			{ "exchange.role", "", 1, STYLE_ROLE, 0 },
			{ "http.request.method", "", 6, STYLE_TEXT, 0 },
			{ "url.path", "", 32, STYLE_TEXT, CELL_CUT },
			{ "http.response.status_code", "", 3, STYLE_STATUS, CELL_RIGHT },
			{ "exchange.outcome", "", 12, STYLE_WORD, 0 },
			{ "duration", "", 8, STYLE_DURATION, CELL_RIGHT },
			{ "time_to_first_byte", "ttfb ", 8, STYLE_DURATION, CELL_RIGHT },
			{ "http.request.body.size", "", 8, STYLE_BYTES, CELL_RIGHT },
			{ "http.response.body.size", "→ ", 8, STYLE_BYTES, CELL_RIGHT },
			{ "exchange.loss", "lost ", 0, STYLE_BYTES, CELL_IF_NOT_ZERO },
			{ "error.type", "", 0, STYLE_TEXT, 0 },
			{ "server.address", "to ", 0, STYLE_PEER, 0 },
		},
	},
	[RECORD_LIFECYCLE] = {
		.tag = "life",
		.cell = {
			{ "lifecycle.event", "", 10, STYLE_WORD, 0 },
			{ "process.pid", "pid ", 7, STYLE_TEXT, 0 },
			{ "process.executable.path", "", 0, STYLE_TEXT, 0 },
			{ "exit.signal", "killed by ", 0, STYLE_TEXT, 0 },
			{ "process.exit.code", "exit ", 0, STYLE_TEXT, 0 },
			{ "exit.killed_by", "sent by ", 0, STYLE_TEXT, 0 },
			{ "oom.scope", "out of memory: ", 0, STYLE_TEXT, 0 },
			{ "process.parent_pid", "parent ", 0, STYLE_TEXT, 0 },
			{ "server.port", "port ", 0, STYLE_TEXT, 0 },
			{ "lifecycle.uptime", "after ", 0, STYLE_DURATION, 0 },
			{ "in_flight", "in flight ", 0, STYLE_ITEMS, 0 },
		},
	},
	[RECORD_CONFIG] = {
		.tag = "config",
		.cell = {
			{ "config.kind", "", 10, STYLE_TEXT, 0 },
			{ "config.event", "", 8, STYLE_TEXT, 0 },
			{ "process.pid", "pid ", 0, STYLE_TEXT, 0 },
			{ "config.data", "", 96, STYLE_TEXT, CELL_CUT },
		},
	},
	[RECORD_LOG] = {
		.tag = "log",
		.cell = {
			{ "log.iostream", "", 6, STYLE_TEXT, 0 },
			{ "severity_text", "", 0, STYLE_WORD, 0 },
			{ "anomaly", "", 0, STYLE_WORD, 0 },
			{ "body", "", 0, STYLE_TEXT, 0 },
		},
	},
	[RECORD_METRIC] = {
		.tag = "metric",
		.cell = {
			{ "metric.source", "", 10, STYLE_TEXT, 0 },
			{ "metrics", "metrics ", 0, STYLE_ITEMS, 0 },
		},
	},
	[RECORD_DRIFT] = {
		.tag = "drift",
		.cell = {
			{ "state", "", 10, STYLE_WORD, 0 },
			{ "feature", "", 32, STYLE_TEXT, 0 },
			{ "evidence", "evidence ", 0, STYLE_NUMBER, 0 },
			{ "threshold", "of ", 0, STYLE_NUMBER, 0 },
			{ "effect", "", 0, STYLE_TEXT, 0 },
		},
	},
	[RECORD_ALERT] = {
		.tag = "ALERT",
		.cell = {
			{ "alert.state", "", 10, STYLE_WORD, 0 },
			{ "alert.kind", "", 0, STYLE_TEXT, 0 },
			{ "summary", "", 0, STYLE_WORD, 0 },
			{ "recommendation", "=> ", 0, STYLE_TEXT, 0 },
		},
	},
	[RECORD_SELF] = {
		.tag = "self",
		.cell = {
			{ "modelsnoop.self.exchanges", "exchanges ", 8, STYLE_TEXT, 0 },
			{ "modelsnoop.self.cpu.time", "cpu ", 7, STYLE_DURATION, 0 },
			{ "modelsnoop.self.memory.usage", "memory ", 8, STYLE_BYTES, 0 },
			{ "modelsnoop.self.lost", "lost ", 0, STYLE_LOSSES, 0 },
		},
	},
};

enum colour {
	COLOUR_NONE,
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_YELLOW,
	COLOUR_CYAN,
	COLOUR_DIM,
	COLOUR_ALARM
};
static const char *const colour_on[] = {
	[COLOUR_NONE] = "",
	[COLOUR_RED] = "\033[31m",
	[COLOUR_GREEN] = "\033[32m",
	[COLOUR_YELLOW] = "\033[33m",
	[COLOUR_CYAN] = "\033[36m",
	[COLOUR_DIM] = "\033[2m",
	[COLOUR_ALARM] = "\033[1;31m",
};
#define COLOUR_OFF "\033[0m"

static const struct {
	const char *word;
	enum colour colour;
} word_colour[] = {
	{ "ok", COLOUR_GREEN },
	{ "client_error", COLOUR_YELLOW },
	{ "server_error", COLOUR_RED },
	{ "aborted_by_client", COLOUR_YELLOW },
	{ "aborted_by_server", COLOUR_RED },
	{ "unfinished", COLOUR_RED },
	{ "ready", COLOUR_GREEN },
	{ "crash", COLOUR_ALARM },
	{ "oom_kill", COLOUR_ALARM },
	{ "hang", COLOUR_ALARM },
	{ "restart_loop", COLOUR_ALARM },
	{ "warning", COLOUR_YELLOW },
	{ "drift", COLOUR_RED },
	{ "stable", COLOUR_GREEN },
	{ "recovered", COLOUR_GREEN },
	{ "resolved", COLOUR_GREEN },
	{ "firing", COLOUR_ALARM },
	{ "ERROR", COLOUR_RED },
	{ "WARN", COLOUR_YELLOW },
};

struct text_state {
	bool colours;
	time_t second; /* whose local time hms is */
	char hms[9];
};

static void *text_open(bool terminal)
{
	struct text_state *t = calloc(1, sizeof(*t));
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	if (t) {
		/* NO_COLOR: no-color.org */
		t->colours =
			terminal && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
		t->second = -1;
		tzset();
	}
	return t;
}

static void put_time(struct text_state *t, uint64_t ns, struct buf *out)
{
	time_t second = (time_t)(ns / 1000000000);
	unsigned ms = (unsigned)(ns / 1000000 % 1000);
	char milli[4] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
			  (char)('0' + ms % 10) };
	struct tm tm;

	if (second != t->second) {
		localtime_r(&second, &tm);
		strftime(t->hms, sizeof(t->hms), "%H:%M:%S", &tm);
		t->second = second;
	}
	buf_put(out, t->hms, 8);
	buf_put(out, milli, 4);
}

static bool kv_is(const struct kv *kv, const char *word)
{
	size_t n = strlen(word);

	return kv && kv->type == KV_STR && kv->s.n == n && memcmp(kv->s.p, word, n) == 0;
}

static uint64_t kv_number(const struct kv *kv)
{
	switch (kv->type) {
	case KV_U64:
		return kv->u;
	case KV_I64:
	case KV_NS:
		return kv->i > 0 ? (uint64_t)kv->i : 0;
	case KV_F64:
		return kv->f > 0 && kv->f < 1e18 ? (uint64_t)kv->f : 0;
	case KV_BOOL:
		return kv->b;
	default:
		return 0;
	}
}

static size_t json_items(const char *p, size_t n)
{
	struct json_reader r;
	struct json_token t;
	enum json_type y;
	size_t items = 0;

	json_open(&r, p, n);
	if (json_next(&r, &t) != JSON_ARR)
		return 0;
	while ((y = json_next(&r, &t)) != JSON_ARR_END && y < JSON_DONE) {
		items++;
		if (y == JSON_OBJ || y == JSON_ARR)
			json_skip(&r);
	}
	return items;
}

/* Any value as text; returns its width in columns. */
static size_t put_plain(struct buf *out, const struct kv *kv, size_t most)
{
	size_t from = out->len;

	switch (kv->type) {
	case KV_STR:
	case KV_JSON:
		return human_text(out, kv->s.p, kv->s.n, most);
	case KV_U64:
		buf_u64(out, kv->u);
		break;
	case KV_I64:
		buf_i64(out, kv->i);
		break;
	case KV_F64:
		human_number(out, kv->f);
		break;
	case KV_BOOL:
		buf_puts(out, kv->b ? "yes" : "no");
		break;
	case KV_NS:
		human_duration(out, kv->i);
		break;
	case KV_HEX:
		buf_hex(out, kv->s.p, kv->s.n);
		break;
	case KV_TIME:
		buf_rfc3339(out, kv->u);
		break;
	}
	from = out->len - from;
	return kv->type == KV_NS && memmem(out->p + out->len - from, from, "µ", 2) ? from - 1
										   : from;
}

static size_t put_losses(struct buf *out, const char *p, size_t n)
{
	size_t width = 0, key_len = 0;
	const char *key = NULL;
	struct json_reader r;
	struct json_token t;
	enum json_type y;

	json_open(&r, p, n);
	while ((y = json_next(&r, &t)) < JSON_DONE) {
		if (y == JSON_KEY) {
			key = t.p;
			key_len = t.n;
		} else if (y == JSON_NUM && key && t.num != 0) {
			size_t from;

			if (width)
				buf_putc(out, ' ');
			width += (width != 0) + human_text(out, key, key_len, 0) + 1;
			buf_putc(out, '=');
			from = out->len;
			human_number(out, t.num);
			width += out->len - from;
		}
	}
	if (!width)
		buf_putc(out, '0');
	return width ? width : 1;
}

static size_t put_peer(struct buf *out, const struct record *r, const struct kv *address)
{
	const struct kv *port = record_get(r, "server.port");
	size_t width = put_plain(out, address, 0), from = out->len;

	if (port) {
		buf_putc(out, ':');
		buf_u64(out, kv_number(port));
	}
	return width + out->len - from;
}

static enum colour colour_of(const struct cell *c, const struct record *r, const struct kv *kv)
{
	if (c->flags & CELL_IF_NOT_ZERO)
		return COLOUR_ALARM;
	if (c->style == STYLE_STATUS) {
		uint64_t status = kv_number(kv);

		return status >= 500 ? COLOUR_RED : status >= 400 ? COLOUR_YELLOW : COLOUR_GREEN;
	}
	if (c->style == STYLE_ROLE)
		return COLOUR_CYAN;
	if (c->style != STYLE_WORD)
		return COLOUR_NONE;
	if (r->type == RECORD_ALERT && kv_is(record_get(r, "alert.state"), "firing"))
		return COLOUR_ALARM; /* the sentence too */
	for (size_t i = 0; i < sizeof(word_colour) / sizeof(*word_colour); i++)
		if (kv_is(kv, word_colour[i].word))
			return word_colour[i].colour;
	return COLOUR_NONE;
}

/* The value alone, without label, colour or padding. Returns its width in columns. */
static size_t put_value(struct buf *out, const struct cell *c, const struct record *r,
			const struct kv *kv)
{
	size_t from = out->len;

	switch (c->style) {
	case STYLE_DURATION:
		if (kv->type == KV_U64 || kv->type == KV_F64) {
			double seconds = kv->type == KV_F64 ? kv->f : (double)kv->u;
			struct kv ns = { .type = KV_NS };

			ns.i = fabs(seconds) < 9e9 ? (int64_t)(seconds * 1e9) : 0;
			return put_plain(out, &ns, 0);
		}
		break;
	case STYLE_BYTES:
		human_bytes(out, kv_number(kv));
		return out->len - from;
	case STYLE_NUMBER:
		human_number(out, kv->type == KV_F64 ? kv->f : (double)kv_number(kv));
		return out->len - from;
	case STYLE_ITEMS:
		buf_u64(out, kv->type == KV_JSON ? json_items(kv->s.p, kv->s.n) : 0);
		return out->len - from;
	case STYLE_LOSSES:
		return kv->type == KV_JSON ? put_losses(out, kv->s.p, kv->s.n) : 0;
	case STYLE_ROLE:
		buf_puts(out, kv_is(kv, "client") ? "→" : " ");
		return 1;
	case STYLE_PEER:
		return put_peer(out, r, kv);
	default:
		break;
	}
	return put_plain(out, kv, c->flags & CELL_CUT ? c->width - 1 : 0);
}

static void pad(struct buf *out, size_t n)
{
	char *d = n ? buf_room(out, n) : NULL;

	if (d) {
		memset(d, ' ', n);
		out->len += n;
	}
}

static bool is_shown(const struct cell *c, const struct record *r, const struct kv *kv)
{
	if (!kv)
		return c->width != 0;
	if (c->flags & CELL_IF_NOT_ZERO)
		return kv_number(kv) != 0;
	if (c->style == STYLE_PEER)
		return kv_is(record_get(r, "exchange.role"), "client");
	return c->style != STYLE_ITEMS || kv->type != KV_JSON || json_items(kv->s.p, kv->s.n) != 0;
}

static size_t columns(const char *label)
{
	size_t n = 0;

	for (; *label; label++)
		n += ((unsigned char)*label & 0xc0) != 0x80; /* not the inside of a character */
	return n;
}

static void put_cell(struct text_state *t, struct buf *out, const struct cell *c,
		     const struct record *r)
{
	const struct kv *kv = record_find(r, c->key);
	enum colour colour = t->colours && kv ? colour_of(c, r, kv) : COLOUR_NONE;
	size_t at, width;

	if (!is_shown(c, r, kv))
		return;
	pad(out, 2);
	if (!kv) {
		pad(out, columns(c->label) + c->width);
		return;
	}
	buf_puts(out, c->label);
	at = out->len;
	buf_puts(out, colour_on[colour]);
	width = put_value(out, c, r, kv);
	if (colour != COLOUR_NONE)
		buf_puts(out, COLOUR_OFF);
	if (width < c->width && !out->overflow) {
		size_t n = c->width - width;

		pad(out, n);
		if ((c->flags & CELL_RIGHT) && !out->overflow) {
			memmove(out->p + at + n, out->p + at, out->len - at - n);
			memset(out->p + at, ' ', n);
		}
	}
}

#define SERVICE_WIDTH 16
#define TAG_WIDTH 7

static void text_record(void *state, const struct record *r, struct buf *out)
{
	const struct row *row = &rows[r->type];
	const struct kv *service = record_find(r, "service.name");
	struct text_state *t = state;
	size_t width = 0;

	if (!t)
		return; /* memory was out when the output was opened */
	put_time(t, r->ts, out);
	pad(out, 2);
	if (t->colours)
		buf_puts(out, colour_on[COLOUR_CYAN]);
	if (service)
		width = put_plain(out, service, SERVICE_WIDTH - 1);
	if (t->colours)
		buf_puts(out, COLOUR_OFF);
	pad(out, width < SERVICE_WIDTH ? SERVICE_WIDTH - width : 0);
	if (row->tag) {
		pad(out, 2);
		if (t->colours)
			buf_puts(out,
				 colour_on[r->type == RECORD_ALERT ? COLOUR_ALARM : COLOUR_DIM]);
		buf_puts(out, row->tag);
		if (t->colours)
			buf_puts(out, COLOUR_OFF);
		pad(out, TAG_WIDTH - strlen(row->tag));
	}
	for (size_t i = 0; i < ROW_MAX && row->cell[i].key; i++)
		put_cell(t, out, &row->cell[i], r);
	while (out->len && out->p[out->len - 1] == ' ')
		out->len--;
	buf_putc(out, '\n');
}

static void text_close(void *state)
{
	free(state);
}

const struct format format_text = {
	.name = "text",
	.open = text_open,
	.record = text_record,
	.close = text_close,
};
