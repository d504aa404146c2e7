// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* exchange.c - protocol messages put together into exchanges; the table of those that are open. */
#include "exchange/exchange_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define MAX_IN_FLIGHT_LISTED 100

/* ---- the table ---------------------------------------------------------------------------------
 */

static struct open *find(struct exchange_ctx *ctx, uint64_t inode, uint64_t index)
{
	struct open *o = ctx->last;

	if (o && o->inode == inode && o->x.index == index)
		return o;
	for (o = table_get(&ctx->conns, inode); o; o = o->next)
		if (o->x.index == index) {
			ctx->last = o;
			return o;
		}
	return NULL;
}

static bool link_in(struct exchange_ctx *ctx, struct open *o)
{
	struct open *head = table_get(&ctx->conns, o->inode);

	o->next = NULL;
	if (!head) {
		if (table_put(&ctx->conns, o->inode, o))
			return false;
	} else {
		while (head->next)
			head = head->next;
		head->next = o;
	}
	lru_touch(&ctx->open, &o->node);
	ctx->n_open++;
	ctx->last = o;
	return true;
}

static void unlink_from(struct exchange_ctx *ctx, struct open *o)
{
	struct open *head = table_get(&ctx->conns, o->inode);

	if (head == o) {
		if (o->next)
			table_put(&ctx->conns, o->inode, o->next);
		else
			table_del(&ctx->conns, o->inode);
	} else {
		while (head && head->next != o)
			head = head->next;
		if (head)
			head->next = o->next;
	}
	lru_remove(&o->node);
	ctx->n_open--;
	if (ctx->last == o)
		ctx->last = NULL;
}

/* ---- begin and end -----------------------------------------------------------------------------
 */

static void done(struct exchange_ctx *ctx, struct open *o, enum msg_abort abort, uint64_t ts)
{
	struct exchange *x = &o->x;

	unlink_from(ctx, o);
	outcome_set(x, abort);
	x->end_ts = x->res.last_ts ? x->res.last_ts : ts;
	if (x->proc) {
		/* The process may have moved to its parent's service meanwhile. */
		x->service = x->proc->service;
		x->proc->pins--;
		if (x->role == CONN_SERVER) {
			x->proc->in_flight--;
			if (x->service && x->service->in_flight)
				x->service->in_flight--;
		}
	}
	ctx->stats.done++;
	ctx->stats.by_outcome[x->outcome]++;
	ctx->sink.done(ctx->sink.ctx, x);
	open_put(ctx, o);
}

/*
 * Ids hold what any observer of the same connection knows: boot, socket, role, place of the request
 * in the stream. Never a time, a counter of ours or a run.
 */
static void make_id(const struct exchange_ctx *ctx, struct exchange *x, uint64_t inode,
		    uint64_t pos, bool by_response)
{
	struct id_hash h = ctx->id;
	uint8_t any = 0;

	id_u64(&h, inode);
	id_u64(&h, (uint64_t)x->role << 1 | by_response);
	id_u64(&h, pos);
	id_finish(&h, x->id);
	memcpy(x->trace_id, x->id, sizeof(x->trace_id));
	memcpy(x->span_id, x->id + 8, sizeof(x->span_id));
	for (int i = 0; i < 8; i++)
		any |= x->span_id[i];
	if (!any)
		x->span_id[7] = 1; /* all zeros would be no span id */
}

static void enter_process(struct exchange_ctx *ctx, struct exchange *x, const struct msg *m)
{
	const struct chunk *ch = m->chunk;

	x->tid = ch ? ch->tid : m->conn->tid;
	x->proc = origin_process(ctx->origin, ch ? ch->tgid : m->conn->tgid,
				 ch ? ch->start : m->conn->start);
	if (!x->proc)
		return;
	x->proc->pins++;
	x->service = x->proc->service;
	if (x->role != CONN_SERVER)
		return;
	x->proc->in_flight++;
	x->proc->served = true;
	if (x->service)
		x->concurrency = (unsigned)x->service->in_flight++;
}

/* What is still listed for this socket, although its successor begins. */
static void settle(struct exchange_ctx *ctx, const struct msg *m)
{
	struct open *o = table_get(&ctx->conns, m->conn->inode), *next;

	for (; o; o = next) {
		next = o->next;
		/* Of a connection that had this socket's number before: gone, and never ended. */
		if (o->x.conn != m->conn || o->x.index >= m->index) {
			o->x.conn = NULL;
			done(ctx, o, ABORT_LOST_SYNC, m->ts);
		}
		/* Answered early; the rest of the request will not come any more. */
		else if (o->x.res.complete)
			done(ctx, o, ABORT_NONE, m->ts);
	}
}

/*
 * Bring what is held back under its bound: samples of those that are open for longest go first,
 * where it is not samples that need the room they end. Never the one that is being worked on.
 */
static void make_room(struct exchange_ctx *ctx, const struct open *keep, uint64_t ts)
{
	const size_t max = ctx->opts.max_memory, max_other = max - max / 4;
	struct lru_node *n;

	if (!max || (ctx->bytes <= max && ctx->bytes - ctx->sample_bytes <= max_other))
		return;
	open_empty_pool(ctx);
	while (ctx->bytes - ctx->sample_bytes > max_other && (n = lru_oldest(&ctx->open)) &&
	       open_of(n) != keep) {
		ctx->stats.table_full++;
		done(ctx, open_of(n), ABORT_EVICTED, ts);
	}
	while (ctx->bytes > max && (n = lru_oldest(&ctx->sampled))) {
		ctx->stats.samples_dropped++;
		open_drop_samples(ctx, open_of_sampled(n));
	}
}

/* More may be kept of o than before. */
static void grown(struct exchange_ctx *ctx, struct open *o, uint64_t ts)
{
	if (open_account(ctx, o))
		make_room(ctx, o, ts);
}

static struct open *begin(struct exchange_ctx *ctx, const struct msg *m, bool by_response)
{
	struct open *o;
	struct exchange *x;

	settle(ctx, m);
	if (ctx->opts.max_in_flight && ctx->n_open >= ctx->opts.max_in_flight) {
		ctx->stats.table_full++;
		done(ctx, open_of(lru_oldest(&ctx->open)), ABORT_EVICTED, m->ts);
	}
	o = open_new(ctx);
	if (!o) {
		ctx->stats.table_full++;
		return NULL;
	}
	x = &o->x;
	x->conn = m->conn;
	x->index = m->index;
	x->role = m->conn->role == CONN_CLIENT ? CONN_CLIENT : CONN_SERVER;
	x->late = m->late;
	x->minor = -1;
	x->retry_count = -1;
	x->wait_ns = WAIT_UNKNOWN;
	x->req.first_ts = m->ts;
	o->inode = m->conn->inode;
	if (!link_in(ctx, o)) {
		open_put(ctx, o);
		ctx->stats.table_full++;
		return NULL;
	}
	make_id(ctx, x, o->inode, m->pos, by_response);
	enter_process(ctx, x, m);
	ctx->stats.begun++;
	grown(ctx, o, m->ts);
	return o;
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static void on_request_line(struct exchange_ctx *ctx, const struct msg *m)
{
	struct open *o = begin(ctx, m, false);
	struct exchange *x;
	size_t mn = m->request_line.method_len, tn = m->request_line.target_len;

	if (!o)
		return;
	x = &o->x;
	x->req.begun = true;
	x->req.last_ts = m->ts;
	x->minor = m->request_line.minor;
	if (x->role == CONN_SERVER && m->chunk)
		x->wait_ns = m->chunk->wait_ns;
	if (mn > MAX_METHOD)
		mn = MAX_METHOD;
	if (tn > EXCHANGE_MAX_TARGET) {
		tn = EXCHANGE_MAX_TARGET;
		x->target_cut = true;
	}
	x->target_cut |= m->request_line.cut;
	buf_put(&x->text, m->request_line.method, mn);
	buf_put(&x->text, m->request_line.target, tn);
	grown(ctx, o, m->ts);
	if (x->text.overflow)
		return;
	x->method_len = (uint32_t)mn;
	x->target_off = (uint32_t)mn;
	x->target_len = (uint32_t)tn;
}

static void on_status_line(struct open *o, const struct msg *m)
{
	struct exchange *x = &o->x;
	const int status = m->status_line.status;

	o->interim = status >= 100 && status < 200 && status != 101;
	if (o->interim)
		return;
	x->status = status;
	if (x->minor < 0)
		x->minor = m->status_line.minor;
	x->res.begun = true;
	x->res.first_ts = x->res.last_ts = m->ts;
	x->first_byte_upper_bound = m->chunk && m->chunk->blocking;
}

/* Silence between two arrivals of response bytes, and whose it was. */
static void on_reply_bytes(struct open *o, const struct msg *m)
{
	struct exchange *x = &o->x;

	if (!m->chunk || o->interim)
		return;
	if (o->reply_ts && m->ts > o->reply_ts && m->ts - o->reply_ts > x->stall_ns) {
		x->stall_ns = m->ts - o->reply_ts;
		x->stall_client = o->blocked;
	}
	if (m->ts > o->reply_ts) {
		o->reply_ts = m->ts;
		o->blocked = false;
	}
	if (m->chunk->blocked && x->role == CONN_SERVER)
		o->blocked = true;
	if (m->ts > x->res.last_ts)
		x->res.last_ts = m->ts;
}

static void on_bytes(struct open *o, const struct msg *m)
{
	if (!m->request)
		on_reply_bytes(o, m);
	else if (m->chunk && m->ts > o->x.req.last_ts)
		o->x.req.last_ts = m->ts;
}

static void count_missing(struct exchange *x, const struct msg *m)
{
	if (m->body.gap == GAP_LOST)
		x->lost += m->body.n;
	else
		x->omitted += m->body.n;
}

static void on_body(struct exchange_ctx *ctx, struct open *o, const struct msg *m)
{
	struct message *side = m->request ? &o->x.req : &o->x.res;

	side->size += m->body.n;
	if (!ctx->sampling)
		return;
	if (m->kind == MSG_BODY_GAP || o->unsampled) {
		sample_gap(&side->body, ctx->opts.sample_bytes, m->body.n);
		return;
	}
	sample_add(&side->body, ctx->opts.sample_bytes, m->body.p, (size_t)m->body.n);
	if (!o->sampled.next)
		lru_touch(&ctx->sampled, &o->sampled);
	grown(ctx, o, m->ts);
}

static void on_end(struct exchange_ctx *ctx, struct open *o, const struct msg *m)
{
	struct exchange *x = &o->x;

	if (m->request)
		x->req.complete = true;
	else if (!o->interim)
		x->res.complete = true;
	if (x->res.complete && (x->req.complete || !x->req.begun))
		done(ctx, o, ABORT_NONE, m->ts);
}

static void on_headers_end(struct exchange_ctx *ctx, struct open *o, const struct msg *m)
{
	if (m->request) {
		o->req_headers_done = true;
		if (o->x.role == CONN_CLIENT)
			parent_find(ctx, o);
	} else if (!o->interim) {
		o->res_headers_done = true;
	}
}

/* A head with a hole does not tell where its body ends, nor how long it is. */
static void on_loss(struct open *o, const struct msg *m)
{
	struct exchange *x = &o->x;

	count_missing(x, m);
	if (m->request && !o->req_headers_done)
		x->req.size_unknown = true;
	else if (!m->request && x->res.begun && !o->res_headers_done)
		x->res.size_unknown = true;
}

static void on_msg(void *arg, const struct msg *m)
{
	struct exchange_ctx *ctx = arg;
	struct open *o;

	if (m->kind == MSG_REQUEST_LINE) {
		on_request_line(ctx, m);
		return;
	}
	o = find(ctx, m->conn->inode, m->index);
	/* A reply to what was asked before we came. */
	if (!o && m->kind == MSG_STATUS_LINE && m->late)
		o = begin(ctx, m, true);
	if (!o)
		return;
	switch (m->kind) {
	case MSG_REQUEST_LINE:
		break;
	case MSG_STATUS_LINE:
		on_status_line(o, m);
		on_bytes(o, m);
		break;
	case MSG_HEADER:
		if ((m->request || !o->interim) && headers_take(ctx, o, m))
			grown(ctx, o, m->ts);
		on_bytes(o, m);
		break;
	case MSG_HEADERS_END:
		on_headers_end(ctx, o, m);
		on_bytes(o, m);
		break;
	case MSG_BODY_GAP:
		count_missing(&o->x, m);
		on_body(ctx, o, m);
		on_bytes(o, m);
		break;
	case MSG_BODY:
		on_body(ctx, o, m);
		on_bytes(o, m);
		break;
	case MSG_END:
		on_bytes(o, m);
		on_end(ctx, o, m);
		break;
	case MSG_LOSS:
		on_loss(o, m);
		break;
	case MSG_SIZE_UNKNOWN:
		(m->request ? &o->x.req : &o->x.res)->size_unknown = true;
		break;
	case MSG_UPGRADE:
		o->x.upgraded = true;
		break;
	case MSG_ABORT:
		done(ctx, o, m->abort, m->ts);
		break;
	case MSG_ANOMALY:
		if (!o->x.anomaly)
			o->x.anomaly = m->note.name;
		break;
	case MSG_STALL:
		/* Who writes is the target: of a server exchange that is the reply. */
		if (o->x.role == CONN_SERVER)
			o->blocked = true;
		break;
	}
}

/* ---- for the other rooms -----------------------------------------------------------------------
 */

static void list_one(const struct exchange_ctx *ctx, const struct exchange *x, uint64_t now,
		     struct buf *tmp, struct buf *out)
{
	struct target t;
	const char *id;
	size_t n;

	json_obj(out);
	json_key(out, "id");
	buf_clear(tmp);
	buf_hex(tmp, x->id, sizeof(x->id));
	json_str(out, tmp->p, tmp->len);
	id = exchange_request_id(x, &n);
	if (id) {
		json_key(out, "request.id");
		json_str(out, id, n);
	}
	target_split(x->target_len ? x->text.p + x->target_off : NULL, x->target_len, &t);
	if (t.path_len) {
		buf_clear(tmp);
		redact_path(ctx->red, tmp, t.path, t.path_len);
		json_key(out, "url.path");
		json_str(out, tmp->p, tmp->len);
	}
	json_key(out, "age");
	buf_clear(tmp);
	buf_seconds(tmp, now > x->req.first_ts ? (int64_t)(now - x->req.first_ts) : 0);
	json_raw(out, tmp->p, tmp->len);
	json_obj_end(out);
}

void exchange_in_flight(const struct exchange_ctx *ctx, const struct process *p, uint64_t now,
			struct buf *out, bool *service_scope)
{
	size_t listed = 0;
	struct buf tmp = { 0 };

	*service_scope = process_serves_through_tree(p);
	json_arr(out);
	/* The deaths of helpers, which are many, need not look at what others have open. */
	if (!*service_scope && !p->in_flight)
		listed = MAX_IN_FLIGHT_LISTED;
	for (struct lru_node *n = ctx->open.head.next;
	     n != &ctx->open.head && listed < MAX_IN_FLIGHT_LISTED; n = n->next) {
		const struct exchange *x = &open_of(n)->x;

		if (x->role != CONN_SERVER || !x->proc ||
		    (*service_scope ? x->proc->service != p->service : x->proc != p))
			continue;
		list_one(ctx, x, now, &tmp, out);
		listed++;
	}
	json_arr_end(out);
	buf_free(&tmp);
}

struct msg_sink exchange_msg_sink(struct exchange_ctx *ctx)
{
	return (struct msg_sink){ .ctx = ctx, .emit = on_msg };
}

const struct exchange_stats *exchange_stats(const struct exchange_ctx *ctx)
{
	return &ctx->stats;
}

size_t exchange_memory(const struct exchange_ctx *ctx)
{
	return ctx->bytes;
}

struct exchange_ctx *exchange_new(const struct exchange_opts *opts, struct origin *origin,
				  const struct redactor *red, const struct exchange_sink *sink)
{
	struct exchange_ctx *ctx = calloc(1, sizeof(*ctx));
	const char *boot = origin_boot_id(origin);

	if (!ctx)
		return NULL;
	ctx->opts = *opts;
	ctx->origin = origin;
	ctx->red = red;
	ctx->sampling = redactor_mode(red) != PAYLOAD_NONE && opts->sample_bytes;
	ctx->sink = *sink;
	table_init(&ctx->conns, SIZE_MAX);
	lru_init(&ctx->open);
	lru_init(&ctx->sampled);
	id_start(&ctx->id, "exchange");
	id_bytes(&ctx->id, boot, strlen(boot));
	return ctx;
}

void exchange_free(struct exchange_ctx *ctx)
{
	if (!ctx)
		return;
	open_free_all(ctx);
	table_free(&ctx->conns);
	free(ctx);
}
