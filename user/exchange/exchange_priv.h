/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* exchange_priv.h - what the files of this room share: the in-flight table and small helpers. */
#ifndef EXCHANGE_EXCHANGE_PRIV_H
#define EXCHANGE_EXCHANGE_PRIV_H

#include "base/hash.h"
#include "exchange/exchange.h"

#define MAX_METHOD 32
#define MAX_HEADER_VALUE 1024

struct open {
	struct exchange x; /* first */
	struct open *next; /* on the same connection, by index; in the pool: next free */
	struct lru_node node; /* all that are open, oldest first */
	struct lru_node sampled; /* those that hold samples, oldest first */
	size_t bytes, sample_bytes; /* of memory, as accounted */
	uint64_t inode;
	uint64_t reply_ts; /* of the last response bytes, 0: none */
	bool blocked; /* the peer's window was full since then */
	bool unsampled; /* its samples gave way: bodies are only counted from here on */
	bool req_headers_done, res_headers_done;
	bool interim; /* the last status line was a 1xx: its fields are not the response's */
};

struct exchange_ctx {
	struct exchange_opts opts;
	struct origin *origin;
	const struct redactor *red;
	bool sampling; /* bodies are kept */
	struct exchange_sink sink;
	struct table conns; /* inode -> struct open, first of its list */
	struct lru open, sampled;
	struct open *last; /* most messages are about the exchange of the one before */
	struct open *pool;
	size_t n_pool, n_open;
	size_t bytes, sample_bytes; /* that all of them hold, pooled ones included */
	struct id_hash id; /* with what all ids begin with */
	struct exchange_stats stats;
};

static inline struct open *open_of(struct lru_node *n)
{
	return (struct open *)((char *)n - offsetof(struct open, node));
}

static inline struct open *open_of_sampled(struct lru_node *n)
{
	return (struct open *)((char *)n - offsetof(struct open, sampled));
}

/* open.c */
struct open *open_new(struct exchange_ctx *ctx); /* NULL: no memory */
void open_put(struct exchange_ctx *ctx, struct open *o);
bool open_account(struct exchange_ctx *ctx, struct open *o); /* true: it grew or shrank */
void open_drop_samples(struct exchange_ctx *ctx, struct open *o);
void open_empty_pool(struct exchange_ctx *ctx);
void open_free_all(struct exchange_ctx *ctx);

/* headers.c */
/* True: it was kept. */
bool headers_take(struct exchange_ctx *ctx, struct open *o, const struct msg *m);
const char *headers_key(const struct header *h); /* record key, or NULL: x-ratelimit-… */
bool headers_free_form(const struct header *h); /* the value may hold anything a person wrote */
bool headers_is_user_agent(const struct header *h);

/* outcome.c */
void outcome_set(struct exchange *x, enum msg_abort abort);
const char *outcome_error_type(const struct exchange *x, char digits[4]); /* NULL: no error */

/* parent.c */
void parent_find(struct exchange_ctx *ctx, struct open *o);

/* traceparent.c */
bool traceparent_parse(const char *p, size_t n, uint8_t trace_id[16], uint8_t span_id[8]);

/* body.c: payload keys of one message, by the redactor's mode; offsets into scratch */
struct body_text {
	bool shown, json; /* json: {"base64":…} at off */
	size_t off, len;
	unsigned redactions;
	uint64_t omitted;
};
void body_render(const struct exchange *x, bool response, const struct redactor *red,
		 struct buf *scratch, struct body_text *out);

/* The path and query of a request target in origin or absolute form. */
struct target {
	const char *path, *query;
	size_t path_len, query_len;
};
void target_split(const char *p, size_t n, struct target *out);

#endif
