// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_proto.c - which row of the protocol table gets a connection's bytes, and when none does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "evbuild.h"
#include "proto/proto.h"

/* A protocol whose messages begin with ASK! or TELL!; it writes down what it is told. */
static char log_text[4096];
static size_t log_len;
static bool refuse; /* bytes() fails */
static int states; /* alive */

static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_len += (size_t)vsnprintf(log_text + log_len, sizeof(log_text) - log_len, fmt, ap);
	va_end(ap);
	assert_true(log_len < sizeof(log_text));
}

static enum proto_verdict fake_detect(const struct conn *c, enum direction d, const uint8_t *p,
				      size_t n)
{
	(void)c;
	(void)d;
	for (int i = 0; i < 2; i++) {
		const char *word = i ? "TELL!" : "ASK!";
		size_t len = strlen(word);

		if (!memcmp(p, word, n < len ? n : len))
			return n >= len ? PROTO_YES : PROTO_MAYBE;
	}
	return PROTO_NO;
}

static bool fake_bytes(struct conn *c, enum direction d, uint64_t pos, const uint8_t *p, size_t n,
		       const struct chunk *ch, const struct msg_sink *out)
{
	const struct msg m = { .kind = MSG_ANOMALY, .conn = c };

	if (refuse)
		return false;
	if (!c->proto) {
		c->proto = malloc(1);
		states++;
	}
	note("%c%llu:%.*s@%llu ", d ? 'w' : 'r', (unsigned long long)pos, (int)n, (const char *)p,
	     (unsigned long long)(ch->ts / 1000 % 1000));
	if (memchr(p, '?', n))
		out->emit(out->ctx, &m);
	return true;
}

static void fake_gap(struct conn *c, enum direction d, uint64_t pos, uint64_t n, enum gap_kind kind,
		     const struct chunk *ch, const struct msg_sink *out)
{
	(void)c;
	(void)ch;
	(void)out;
	note("%c%llu-%llu%c ", d ? 'w' : 'r', (unsigned long long)pos,
	     (unsigned long long)(pos + n), kind == GAP_LOST ? 'L' : 'O');
}

static void fake_eof(struct conn *c, enum direction d, uint64_t ts, const struct msg_sink *out)
{
	(void)c;
	(void)ts;
	(void)out;
	note("%ceof ", d ? 'w' : 'r');
}

static void fake_end(struct conn *c, uint64_t ts, bool agent_stop, const struct msg_sink *out)
{
	(void)c;
	(void)ts;
	(void)out;
	note(agent_stop ? "stop " : "end ");
}

static void fake_stalled(struct conn *c, uint64_t ts, const struct msg_sink *out)
{
	(void)c;
	(void)ts;
	(void)out;
	note("stall ");
}

static void fake_free(void *state)
{
	states -= state != NULL;
	free(state);
}

static bool fake_is_request(const uint8_t *p, size_t n)
{
	return n && *p == 'A';
}

static const struct proto fake = {
	.name = "fake",
	.detect = fake_detect,
	.bytes = fake_bytes,
	.gap = fake_gap,
	.eof = fake_eof,
	.end = fake_end,
	.stalled = fake_stalled,
	.free = fake_free,
	.is_request = fake_is_request,
};
static const struct proto *const fakes[] = { &fake, NULL };

struct room {
	struct proto_ctx px;
	struct stream_sink sink;
	struct conn_table *t;
	struct evsim sim;
	struct evsock s;
	unsigned emitted;
};

static void on_msg(void *ctx, const struct msg *m)
{
	(void)m;
	((struct room *)ctx)->emitted++;
}

static void feed(void *ctx, const void *raw, size_t n)
{
	struct room *r = ctx;
	struct event ev;

	assert_int_equal(decode_event(&ev, raw, n), 0);
	conn_on_event(r->t, &ev);
}

static struct room *room_new(uint32_t flags)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	log_len = 0;
	log_text[0] = '\0';
	refuse = false;
	r->px.out = (struct msg_sink){ .ctx = r, .emit = on_msg };
	r->px.table = fakes;
	r->sink = proto_stream_sink(&r->px);
	r->t = conn_table_new(8, 250, &r->sink);
	assert_non_null(r->t);
	r->sim = evsim_new(feed, r);
	r->s = evsock_tcp(11);
	evsim_conn(&r->sim, &r->s, flags);
	return r;
}

static void room_free(struct room *r)
{
	conn_table_free(r->t);
	free(r);
	assert_int_equal(states, 0);
}

static void reads(struct room *r, const char *text)
{
	evsim_read(&r->sim, &r->s, text, strlen(text));
}

static void writes(struct room *r, const char *text)
{
	evsim_write(&r->sim, &r->s, text, strlen(text));
}

static void recognised_at_once(void **state)
{
	struct room *r = room_new(EV_F_ACCEPTED);

	(void)state;
	reads(r, "ASK!one");
	writes(r, "TELL!");
	writes(r, "why?");
	evsim_stall(&r->sim, &r->s);
	evsim_state(&r->sim, &r->s, 8, false);
	evsim_eof(&r->sim, &r->s);
	evsim_destroy(&r->sim, &r->s);
	assert_string_equal(log_text, "r0:ASK!one@2 w0:TELL!@3 w5:why?@4 stall reof end ");
	assert_int_equal(r->px.stats.anomalies, 1);
	assert_int_equal(r->emitted, 1);
	assert_int_equal(r->px.stats.bytes_unknown + r->px.stats.conns_unknown, 0);
	room_free(r);
}

/* Bytes kept until it was certain come back with their own position and time. */
static void byte_by_byte(void **state)
{
	struct room *r = room_new(0);

	(void)state;
	reads(r, "A");
	reads(r, "SK");
	assert_string_equal(log_text, "");
	assert_null(conn_lookup(r->t, 11)->proto_row);
	reads(r, "!x");
	assert_string_equal(log_text, "r0:ASK@2 r3:!x@4 ");
	assert_ptr_equal(conn_lookup(r->t, 11)->proto_row, &fake);
	assert_int_equal(conn_lookup(r->t, 11)->role, CONN_SERVER);
	room_free(r);
}

static void both_directions_kept(void **state)
{
	struct room *r = room_new(EV_F_LATE);

	(void)state;
	writes(r, "TE");
	reads(r, "AS");
	reads(r, "K!");
	assert_string_equal(log_text, "w0:TE@2 r0:AS@3 r2:K!@4 ");
	writes(r, "LL!");
	room_free(r);
	assert_string_equal(log_text, "w0:TE@2 r0:AS@3 r2:K!@4 w2:LL!@5 stop ");
}

static void role_by_who_asks(void **state)
{
	struct room *r = room_new(0);

	(void)state;
	writes(r, "ASK!");
	assert_int_equal(conn_lookup(r->t, 11)->role, CONN_CLIENT);
	room_free(r);
	r = room_new(EV_F_LATE);
	reads(r, "TELL!");
	assert_int_equal(conn_lookup(r->t, 11)->role, CONN_CLIENT);
	room_free(r);
	r = room_new(EV_F_LATE);
	writes(r, "TELL!");
	assert_int_equal(conn_lookup(r->t, 11)->role, CONN_SERVER);
	room_free(r);
	/* what was seen at accept stands */
	r = room_new(EV_F_ACCEPTED);
	writes(r, "ASK!");
	assert_int_equal(conn_lookup(r->t, 11)->role, CONN_SERVER);
	room_free(r);
}

static void something_else(void **state)
{
	struct room *r = room_new(EV_F_ACCEPTED);

	(void)state;
	reads(r, "\x80\x02pickle");
	reads(r, "ASK!"); /* it began as something else: never looked at again */
	evsim_stall(&r->sim, &r->s);
	evsim_destroy(&r->sim, &r->s);
	assert_string_equal(log_text, "");
	assert_int_equal(r->px.stats.bytes_unknown, 12);
	assert_int_equal(r->px.stats.conns_unknown, 1);
	room_free(r);
}

static void kept_then_else(void **state)
{
	struct room *r = room_new(EV_F_ACCEPTED);

	(void)state;
	reads(r, "AS");
	reads(r, "ZASK!");
	assert_int_equal(r->px.stats.bytes_unknown, 7);
	assert_int_equal(r->px.stats.conns_unknown, 1);
	room_free(r);
	/* it ends before anything is certain */
	r = room_new(EV_F_ACCEPTED);
	reads(r, "AS");
	evsim_destroy(&r->sim, &r->s);
	assert_int_equal(r->px.stats.bytes_unknown, 2);
	assert_int_equal(r->px.stats.conns_unknown, 1);
	room_free(r);
}

static void late_finds_its_step(void **state)
{
	struct room *r = room_new(EV_F_LATE);

	(void)state;
	writes(r, "tail of a reply");
	writes(r, "more of it");
	reads(r, "ASK!");
	writes(r, "TELL!");
	assert_string_equal(log_text, "r0:ASK!@4 w25:TELL!@5 ");
	assert_int_equal(r->px.stats.bytes_unknown, 25);
	assert_int_equal(r->px.stats.conns_unknown, 0);
	room_free(r);
}

static void late_gives_up(void **state)
{
	struct room *r = room_new(EV_F_LATE);

	(void)state;
	for (int i = 0; i < 8; i++) {
		reads(r, "xxxx");
		writes(r, "yyyy");
	}
	reads(r, "ASK!");
	assert_string_equal(log_text, "");
	assert_int_equal(r->px.stats.conns_unknown, 1);
	assert_int_equal(r->px.stats.bytes_unknown, 68);
	room_free(r);
	/* a long reply was under way: that alone proves nothing */
	r = room_new(EV_F_LATE);
	for (int i = 0; i < 1000; i++)
		writes(r, "yyyy");
	reads(r, "ASK!");
	assert_string_equal(log_text, "r0:ASK!@2 ");
	assert_int_equal(r->px.stats.conns_unknown, 0);
	room_free(r);
}

/* The first bytes were lost: as good as late. */
static void gap_first(void **state)
{
	struct room *r = room_new(EV_F_ACCEPTED);

	(void)state;
	reads(r, "A");
	r->sim.drop = true;
	reads(r, "SK!");
	r->sim.drop = false;
	reads(r, "rest of it");
	reads(r, "ASK!");
	assert_string_equal(log_text, "r14:ASK!@5 ");
	assert_int_equal(r->px.stats.bytes_unknown, 14);
	r->sim.drop = true;
	reads(r, "123");
	r->sim.drop = false;
	reads(r, "4");
	assert_string_equal(log_text, "r14:ASK!@5 r18-21L r21:4@7 ");
	room_free(r);
}

static void pipes_are_left_alone(void **state)
{
	struct room *r = room_new(EV_F_ACCEPTED);
	struct evsock p = evsock_pipe(20);

	(void)state;
	evsim_conn(&r->sim, &p, EV_F_LATE);
	evsim_write(&r->sim, &p, "ASK!", 4);
	assert_string_equal(log_text, "");
	assert_int_equal(r->px.stats.bytes_unknown, 0);
	room_free(r);
}

static void row_refuses(void **state)
{
	struct room *r = room_new(EV_F_ACCEPTED);

	(void)state;
	reads(r, "ASK!");
	refuse = true;
	reads(r, "12345");
	refuse = false;
	reads(r, "67");
	assert_string_equal(log_text, "r0:ASK!@2 end ");
	assert_int_equal(r->px.stats.bytes_unknown, 7);
	assert_int_equal(r->px.stats.conns_unknown, 1);
	room_free(r);
	r = room_new(EV_F_ACCEPTED); /* at the very first, with bytes kept */
	reads(r, "AS");
	refuse = true;
	reads(r, "K!");
	assert_int_equal(r->px.stats.bytes_unknown, 4);
	room_free(r);
}

static void the_table_knows_http(void **state)
{
	(void)state;
	assert_ptr_equal(proto_table[0], &proto_http1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recognised_at_once),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(both_directions_kept),
		cmocka_unit_test(role_by_who_asks),
		cmocka_unit_test(something_else),
		cmocka_unit_test(kept_then_else),
		cmocka_unit_test(late_finds_its_step),
		cmocka_unit_test(late_gives_up),
		cmocka_unit_test(gap_first),
		cmocka_unit_test(pipes_are_left_alone),
		cmocka_unit_test(row_refuses),
		cmocka_unit_test(the_table_knows_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
