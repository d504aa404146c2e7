// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_conn.c - any events in any order through the connection table: streams stay contiguous,
 * every byte is accounted for once, and every connection ends once.
 *
 * Input: records of a length byte (times 8) and that many bytes, overlaid on a valid header.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/event.h"
#include "conn/conn.h"

struct follow {
	uint64_t next[2];
	bool begun[2], eof[2];
};
struct world {
	uint64_t ended, told;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* The sink's own memory of a connection hangs where a protocol's would. */
static struct follow *of(struct conn *c)
{
	if (!c->proto)
		c->proto = calloc(1, sizeof(struct follow));
	check(c->proto);
	return c->proto;
}

static void check_sum(const struct conn *c)
{
	for (int d = 0; d < 2; d++)
		check(c->dir[d].pos == c->dir[d].parsed + c->dir[d].omitted + c->dir[d].lost);
}

static void follow(struct conn *c, enum direction d, uint64_t pos, uint64_t n)
{
	struct follow *f = of(c);

	check(!f->begun[d] || f->next[d] == pos);
	check(n && !f->eof[d]);
	f->begun[d] = true;
	f->next[d] = pos + n;
	check_sum(c);
}

static void on_bytes(void *ctx, struct conn *c, enum direction d, uint64_t pos, const uint8_t *p,
		     size_t n, const struct chunk *ch)
{
	volatile uint8_t last = p[n - 1];

	(void)last;
	(void)ch;
	((struct world *)ctx)->told += n;
	follow(c, d, pos, n);
}

static void on_gap(void *ctx, struct conn *c, enum direction d, uint64_t pos, uint64_t n,
		   enum gap_kind kind, const struct chunk *ch)
{
	(void)ctx;
	(void)kind;
	check(ch != NULL);
	follow(c, d, pos, n);
}

static void on_eof(void *ctx, struct conn *c, enum direction d, uint64_t ts)
{
	(void)ctx;
	(void)ts;
	check(!of(c)->eof[d]);
}

static void on_end(void *ctx, struct conn *c, uint64_t ts, bool agent_stop)
{
	(void)ts;
	(void)agent_stop;
	check_sum(c);
	free(c->proto);
	c->proto = NULL;
	((struct world *)ctx)->ended++;
}

static void on_stalled(void *ctx, struct conn *c, uint64_t ts)
{
	(void)ctx;
	(void)ts;
	of(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint16_t types[8] = { EV_DATA,  EV_DATA,  EV_DATA, EV_CONN,
					   EV_STATE, EV_CLOSE, EV_EXIT, EV_LISTEN };
	static uint8_t rec[4096];
	struct world w = { 0 };
	const struct stream_sink sink = { &w, on_bytes, on_gap, on_eof, on_end, on_stalled };
	struct conn_table *t = conn_table_new(4, 250, &sink);
	uint64_t ts = 1000, seq[2][4] = { { 0 } };
	const struct conn_stats *st;

	if (!t)
		return 0;
	while (n >= 4) {
		const uint16_t type = types[p[0] & 7];
		const bool state = type == EV_STATE;
		struct ev_hdr h = { .type = type, .version = EV_VERSION };
		struct event ev;
		size_t len;

		len = p[1] * 4u;
		h.cpu = p[2] & 3;
		seq[state][h.cpu] += 1 + (p[2] >> 6 == 3); /* a hole now and then */
		h.cpu_seq = seq[state][h.cpu] | (uint64_t)state << 56;
		h.tgid = 1 + (p[2] >> 2 & 3);
		h.flags = (uint32_t)(p[3] << (p[0] >> 3 & 7));
		ts += (uint64_t)p[0] << 16;
		h.ts = ts;
		p += 4;
		n -= 4;
		if (len > n)
			len = n;
		h.len = (uint32_t)(sizeof(h) + 512 + len);
		memset(rec, 0, sizeof(h) + 512 + len);
		memcpy(rec, &h, sizeof(h));
		memcpy(rec + sizeof(h), p, len);
		p += len;
		n -= len;
		/* few identities, so that records meet */
		if (type == EV_DATA) {
			struct ev_data *d = (struct ev_data *)rec;

			d->inode &= 7;
			d->sk &= 3;
			d->ret = (int16_t)d->ret;
			d->proto &= 3;
			d->dir &= 1;
			d->head_len = d->ret > 0 ? d->head_len % (uint32_t)(d->ret + 1) : 0;
			d->tail_len = 0;
			if (d->head_len > 400)
				d->head_len = 400;
		} else if (type == EV_CONN || type == EV_LISTEN) {
			struct ev_conn *c = (struct ev_conn *)rec;

			c->inode &= 7;
			c->sk &= 3;
			c->proto &= 3;
			c->rx_pos &= UINT64_MAX >> 8; /* sums of the test must not wrap */
			c->tx_pos &= UINT64_MAX >> 8;
		} else if (state) {
			struct ev_state *s = (struct ev_state *)rec;

			s->inode &= 7;
			s->sk &= 3;
			s->new_state &= s->new_state > 15 ? 255 : 15;
			s->rx_pos &= UINT64_MAX >> 8;
			s->tx_pos &= UINT64_MAX >> 8;
		} else if (type == EV_CLOSE) {
			((struct ev_close *)rec)->inode &= 7;
		}
		if (!decode_event(&ev, rec, h.len))
			conn_on_event(t, &ev);
	}
	conn_stop(t, ts);
	st = conn_stats(t);
	check(conn_count(t) == 0);
	check(st->opened == st->closed && st->closed == w.ended);
	check(st->parsed == w.told);
	conn_table_free(t);
	return 0;
}
