// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_decode.c - raw records: what they say comes out; what contradicts itself does not get in. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/decode.h"
#include "evbuild.h"

/* The newest record, at an odd address and with nothing readable behind it. */
struct grab {
	uint8_t *mem, *p;
	size_t n;
};

static void grab(void *ctx, const void *raw, size_t n)
{
	struct grab *g = ctx;

	free(g->mem);
	g->mem = malloc(n + 1);
	assert_non_null(g->mem);
	g->p = g->mem + 1;
	g->n = n;
	memcpy(g->p, raw, n);
}

static void data(void **state)
{
	struct grab g = { 0 };
	struct evsim sim = evsim_new(grab, &g);
	struct evsock s = evsock_tcp(42);
	const struct evdata o = { .ts_enter = 1, .ts_sent = 2, .wait = 3, .msg_flags = 4 };
	struct event ev;

	(void)state;
	sim.copy_head = 4;
	sim.copy_tail = 3;
	evsim_data(&sim, &s, EV_WRITE, "0123456789", 10, &o);
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(ev.type, EVENT_DATA);
	assert_int_equal(ev.source, SOURCE_SYSCALL);
	assert_int_equal(ev.tgid, 100);
	assert_int_equal(ev.tid, 101);
	assert_int_equal(ev.cpu_seq, 1);
	assert_int_equal(ev.ts, sim.ts);
	assert_int_equal(ev.data.inode, 42);
	assert_int_equal(ev.data.sk, s.sk);
	assert_int_equal(ev.data.ret, 10);
	assert_int_equal(ev.data.seq32, s.isn[1] + 10);
	assert_int_equal(ev.data.ts_enter, 1);
	assert_int_equal(ev.data.ts_sent, 2);
	assert_int_equal(ev.data.wait, 3);
	assert_int_equal(ev.data.msg_flags, 4);
	assert_int_equal(ev.data.transport, TRANSPORT_TCP);
	assert_int_equal(ev.data.dir, DIR_WRITE);
	assert_int_equal(ev.data.head_len, 4);
	assert_memory_equal(ev.data.head, "0123", 4);
	assert_int_equal(ev.data.tail_len, 3);
	assert_memory_equal(ev.data.tail, "789", 3);
	free(g.mem);
}

static void flags(void **state)
{
	struct grab g = { 0 };
	struct evsim sim = evsim_new(grab, &g);
	struct evsock s = evsock_tcp(42);
	struct event ev;
	const struct {
		uint32_t bit;
		size_t off;
	} row[] = {
		{ EV_F_LATE, offsetof(struct event, late) },
		{ EV_F_PEEK, offsetof(struct event, peek) },
		{ EV_F_TRUNC, offsetof(struct event, trunc) },
		{ EV_F_COPY_FAULT, offsetof(struct event, copy_fault) },
		{ EV_F_BLOCKED, offsetof(struct event, blocked) },
		{ EV_F_UNORDERED, offsetof(struct event, unordered) },
		{ EV_F_OMITTED, offsetof(struct event, omitted) },
		{ EV_F_ACCEPTED, offsetof(struct event, accepted) },
		{ EV_F_CONNECTED, offsetof(struct event, connected) },
		{ EV_F_EOF, offsetof(struct event, eof) },
		{ EV_F_ITER, offsetof(struct event, from_iter) },
		{ EV_F_WAIT_TICKS, offsetof(struct event, wait_ticks) },
		{ EV_F_COUNTED, offsetof(struct event, counted) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct evdata o = { .flags = row[i].bit };

		evsim_data(&sim, &s, EV_READ, NULL, 0, &o);
		assert_int_equal(decode_event(&ev, g.p, g.n), 0);
		for (size_t k = 0; k < sizeof(row) / sizeof(row[0]); k++)
			assert_int_equal(*((bool *)&ev + row[k].off), k == i);
	}
	free(g.mem);
}

static void every_type(void **state)
{
	struct grab g = { 0 };
	struct evsim sim = evsim_new(grab, &g);
	struct evsock s = evsock_unix(42);
	struct ev_signal sig = { .target = 9, .sig = 11, .code = -6 };
	struct event ev;

	(void)state;
	s.backlog = 128;
	evsim_conn(&sim, &s, EV_F_ACCEPTED);
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(ev.type, EVENT_CONN);
	assert_string_equal(ev.conn.path, "/run/server.sock");
	assert_int_equal(ev.conn.transport, TRANSPORT_UNIX);
	memset(g.p + offsetof(struct ev_conn, path), 'x', 108); /* not terminated */
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(strlen(ev.conn.path), 108);
	evsim_listen(&sim, &s);
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(ev.type, EVENT_LISTEN);
	assert_int_equal(ev.conn.backlog, 128);

	evsim_state(&sim, &s, 8, false);
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(ev.type, EVENT_STATE);
	assert_int_equal(ev.state.old_state, 1);
	assert_int_equal(ev.state.new_state, 8);
	assert_false(ev.state.destroyed);
	evsim_destroy(&sim, &s);
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_true(ev.state.destroyed);
	assert_false(ev.state.own_abort);

	evsim_close(&sim, &s, -1);
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(ev.type, EVENT_CLOSE);
	assert_int_equal(ev.close.how, -1);
	assert_int_equal(ev.close.inode, 42);

	for (uint16_t t = EV_FORK; t <= EV_TASK; t++) {
		static const enum event_type want[] = { EVENT_FORK, EVENT_EXEC, EVENT_EXIT,
							EVENT_OOM };

		if (t > EV_OOM && t != EV_TASK)
			continue;
		evsim_life(&sim, t, 0x8b);
		memset(g.p + offsetof(struct ev_life, comm), 'c', EV_COMM_LEN);
		memset(g.p + offsetof(struct ev_life, path), 'p', EV_PATH_LEN);
		assert_int_equal(decode_event(&ev, g.p, g.n), 0);
		assert_int_equal(ev.type, t == EV_TASK ? EVENT_TASK : want[t - EV_FORK]);
		assert_int_equal(ev.life.exit_code, 0x8b);
		assert_int_equal(strlen(ev.life.comm), EV_COMM_LEN);
		assert_int_equal(strlen(ev.life.path), EV_PATH_LEN);
	}

	sig.h = evsim_hdr(&sim, EV_SIGNAL, sizeof(sig), 0);
	memcpy(sig.comm, "killer", 7);
	evsim_out(&sim, &sig, sizeof(sig));
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(ev.type, EVENT_SIGNAL);
	assert_int_equal(ev.signal.sig, 11);
	assert_int_equal(ev.signal.code, -6);
	assert_string_equal(ev.signal.comm, "killer");

	evsim_clock(&sim, 1234567890);
	assert_int_equal(decode_event(&ev, g.p, g.n), 0);
	assert_int_equal(ev.type, EVENT_CLOCK);
	assert_int_equal(ev.clock.realtime, 1234567890);

	for (uint16_t t = EV_TARGET; t <= EV_STOP; t++) {
		evsim_text(&sim, t, "{\"a\":1}", 2);
		assert_int_equal(decode_event(&ev, g.p, g.n), 0);
		assert_int_equal(ev.type, EVENT_TARGET + (t - EV_TARGET));
		assert_int_equal(ev.source, SOURCE_PROC);
		assert_int_equal(ev.text.n, 7);
		assert_memory_equal(ev.text.p, "{\"a\":1}", 7);
		assert_int_equal(ev.text.kind, 2);
	}
	free(g.mem);
}

static void counters(void **state)
{
	struct {
		struct ev_counters c;
		struct ev_cpu_counts cpu[3];
	} r = { 0 };
	struct event_count out;
	struct event ev;

	(void)state;
	r.c.h = (struct ev_hdr){ .len = sizeof(r), .type = EV_COUNTERS, .version = EV_VERSION };
	r.c.cpus = 3;
	r.c.final = 1;
	r.cpu[2].kind[EV_COUNT_LIFE] = (struct ev_count){
		.seen = 10, .submitted = 4, .lost = { 1, 2, 3 }, .bytes_seen = 50, .bytes_lost = 60
	};
	assert_int_equal(decode_event(&ev, &r, sizeof(r)), 0);
	assert_int_equal(ev.counters.cpus, 3);
	assert_true(ev.counters.final);
	decode_counts(&ev.counters, 2, EV_COUNT_LIFE, &out);
	assert_string_equal(event_count_name[EV_COUNT_LIFE], "life");
	assert_int_equal(out.seen, 10);
	assert_int_equal(out.submitted, 4);
	assert_int_equal(out.lost_ring_full, 1);
	assert_int_equal(out.lost_table_full, 2);
	assert_int_equal(out.lost_copy_fault, 3);
	assert_int_equal(out.bytes_seen, 50);
	assert_int_equal(out.bytes_lost, 60);
	/* outside of it: nothing */
	decode_counts(&ev.counters, 3, EV_COUNT_LIFE, &out);
	assert_int_equal(out.seen, 0);
	decode_counts(&ev.counters, 2, EVENT_COUNT_KINDS, &out);
	assert_int_equal(out.seen, 0);
	decode_counts(&ev.counters, 2, -1, &out);
	assert_int_equal(out.seen, 0);
	r.c.cpus = 4;
	assert_int_equal(decode_event(&ev, &r, sizeof(r)), -EINVAL);
	r.c.cpus = UINT32_MAX;
	assert_int_equal(decode_event(&ev, &r, sizeof(r)), -EINVAL);
}

static void contradictions(void **state)
{
	struct {
		struct ev_data d;
		uint8_t payload[16];
	} r = { 0 }, good;
	struct {
		struct ev_text t;
		char text[8];
	} t = { 0 };
	struct event ev;

	(void)state;
	r.d.h = (struct ev_hdr){ .len = sizeof(r.d) + 16, .type = EV_DATA, .version = EV_VERSION };
	r.d.ret = 16;
	r.d.head_len = 10;
	r.d.tail_len = 6;
	good = r;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), 0);
	/* rings round up; a record is never longer than what holds it */
	r.d.h.len--;
	r.d.tail_len--;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), 0);
	r = good;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 15), -EINVAL);
	r.d.head_len = 11;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	r.d.head_len = UINT32_MAX;
	r.d.tail_len = UINT32_MAX;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	r = good;
	r.d.ret = 15; /* more shown than moved */
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	r.d.ret = -11;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	r.d.ret = INT64_MAX;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	r = good;
	r.d.dir = 2;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	r = good;
	r.d.proto = 4;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	r = good;
	r.d.h.source = 9;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -EINVAL);
	/* of a later version */
	r = good;
	r.d.h.version++;
	assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -ENOMSG);
	r = good;
	for (unsigned type = 0; type < 65536; type++) {
		r.d.h.type = (uint16_t)type;
		if (type == 0 || (type > EV_CLOSE && type < EV_FORK) || type > EV_STOP)
			assert_int_equal(decode_event(&ev, &r, sizeof(r.d) + 16), -ENOMSG);
	}
	t.t.h = (struct ev_hdr){ .len = sizeof(t.t) + 8, .type = EV_HOST, .version = EV_VERSION };
	t.t.text_len = 8;
	assert_int_equal(decode_event(&ev, &t, sizeof(t.t) + 8), 0);
	t.t.text_len = 9;
	assert_int_equal(decode_event(&ev, &t, sizeof(t.t) + 8), -EINVAL);
}

/* Cut anywhere, no record is read past its end (the sanitizer watches) or taken for whole. */
static void any_cut(void **state)
{
	struct grab g = { 0 };
	struct evsim sim = evsim_new(grab, &g);
	struct evsock s = evsock_tcp(42);
	struct event ev;

	(void)state;
	for (int what = 0; what < 6; what++) {
		switch (what) {
		case 0:
			evsim_read(&sim, &s, "0123456789", 10);
			break;
		case 1:
			evsim_conn(&sim, &s, 0);
			break;
		case 2:
			evsim_state(&sim, &s, 8, false);
			break;
		case 3:
			evsim_life(&sim, EV_EXEC, 0);
			break;
		case 4:
			evsim_text(&sim, EV_PROC, "{\"a\":1}", 0);
			break;
		case 5:
			evsim_clock(&sim, 1);
			break;
		}
		for (size_t n = 0; n < g.n; n++) {
			uint8_t *cut = malloc(n ? n : 1);
			uint32_t len = (uint32_t)n;

			assert_non_null(cut);
			memcpy(cut, g.p, n);
			assert_int_equal(decode_event(&ev, cut, n), -EINVAL);
			if (n >= sizeof(struct ev_hdr)) {
				memcpy(cut, &len, sizeof(len)); /* the length agrees */
				assert_int_equal(decode_event(&ev, cut, n), -EINVAL);
			}
			free(cut);
		}
	}
	free(g.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data),           cmocka_unit_test(flags),
		cmocka_unit_test(every_type),     cmocka_unit_test(counters),
		cmocka_unit_test(contradictions), cmocka_unit_test(any_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
