/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * exchange.h - one request and its response: put together from protocol messages, held in the
 * in-flight table while open, and handed on once, when it ended.
 */
#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include "base/sample.h"
#include "origin/origin.h"
#include "privacy/redact.h"
#include "proto/proto.h"

enum outcome {
	OUTCOME_OK,
	OUTCOME_CLIENT_ERROR,
	OUTCOME_SERVER_ERROR,
	OUTCOME_ABORTED_BY_CLIENT,
	OUTCOME_ABORTED_BY_SERVER,
	OUTCOME_UNFINISHED,
};
extern const char *const outcome_name[];

#define EXCHANGE_MAX_HEADERS 24
#define EXCHANGE_MAX_TARGET 4096 /* longer request targets are cut, with url.truncated */

/* What a content type makes of a body. */
enum content_kind {
	CONTENT_UNKNOWN, /* no type was given */
	CONTENT_JSON,
	CONTENT_NDJSON, /* one document a line */
	CONTENT_FORM, /* application/x-www-form-urlencoded */
	CONTENT_MULTIPART,
	CONTENT_CSV,
	CONTENT_TEXT, /* text/…, XML, scripts */
	CONTENT_BINARY,
};

struct header {
	bool response;
	uint8_t row; /* of the table of known headers + 1; 0: x-ratelimit-… */
	uint32_t name_off, name_len, value_off,
		value_len; /* into exchange.text; name in lower case */
};

struct message {
	struct sample body; /* by --sample-bytes, transfer coding removed */
	uint64_t size; /* true content bytes as sent */
	bool size_unknown; /* framing or head went with a gap: size is not the true one */
	uint64_t first_ts, last_ts; /* monotonic ns of its first and last byte */
	bool begun, complete;
	enum content_kind kind;
	bool coded; /* content-encoding other than identity: the sample is not readable */
	uint32_t type_off,
		type_len; /* media type in exchange.text, lower case, without parameters */
};

struct exchange {
	uint8_t id[16];
	uint8_t trace_id[16], span_id[8], parent_span_id[8];
	bool has_parent_span;
	enum conn_role role;
	enum outcome outcome;
	struct process *proc;
	struct service *service;
	uint32_t tid;
	const struct conn *conn; /* valid while the sink runs; NULL if it went without an end */
	uint64_t index;
	bool late;
	uint8_t parent[16]; /* the server exchange that a client exchange served */
	bool has_parent;
	uint64_t end_ts; /* monotonic ns: last response byte; without any: when it was given up */
	uint64_t lost, omitted; /* bytes of this exchange */
	uint64_t wait_ns; /* WAIT_UNKNOWN */
	bool first_byte_upper_bound;
	unsigned concurrency;
	int minor, status;
	struct message req, res;
	struct buf text; /* method, target, header names and values */
	uint32_t method_len; /* at 0 */
	uint32_t target_off, target_len;
	bool target_cut;
	struct header header[EXCHANGE_MAX_HEADERS];
	unsigned n_headers, headers_dropped;
	char key_hash[17]; /* "" if no credential was seen */
	uint32_t req_id_off, req_id_len; /* x-request-id */
	int retry_count; /* -1: not said */
	uint64_t stall_ns; /* longest silence inside the reply */
	bool stall_client; /* it was the client's window */
	enum conn_closer closed_by;
	const char *anomaly; /* NULL or the shape that is not to be trusted */
	const char *error_type; /* NULL: by status */
	bool upgraded;
};

/* request.id: the x-request-id that was sent or answered, else NULL (records then show the id). */
const char *exchange_request_id(const struct exchange *x, size_t *n);

/* Content type of a message, lower case, parameters cut; "" if unknown. Returns its length. */
size_t exchange_content_type(const struct exchange *x, bool response, const char **p);
const struct header *exchange_header(const struct exchange *x, bool response, const char *name);

struct exchange_opts {
	size_t sample_bytes;
	double sample_rate; /* share of exchanges whose payload is logged; decided by the id */
	size_t max_in_flight; /* open at once; 0: as many as memory allows */
	/*
	 * Bytes that open exchanges hold, samples and texts included; 0: no limit. Three quarters
	 * at most go to what is no sample. When it is used up the samples of those that are open
	 * for longest are dropped, and when that is not enough they end unfinished.
	 */
	size_t max_memory;
};

/* Called once for each exchange that ended; nothing of x may be kept. */
struct exchange_sink {
	void *ctx;
	void (*done)(void *ctx, const struct exchange *x);
};

struct exchange_ctx;
struct exchange_ctx *exchange_new(const struct exchange_opts *o, struct origin *origin,
				  const struct redactor *red, const struct exchange_sink *sink);
void exchange_free(struct exchange_ctx *x);
/* The message sink for proto. */
struct msg_sink exchange_msg_sink(struct exchange_ctx *x);
/*
 * The in-flight list of a process, or of its whole service where the process never served one
 * itself:
 * [{"id":…,"request.id":…,"url.path":…,"age":…}], oldest first, at most 100 entries, [] if nothing
 * is open. *service_scope tells which.
 */
void exchange_in_flight(const struct exchange_ctx *x, const struct process *p, uint64_t now,
			struct buf *out, bool *service_scope);
struct exchange_stats {
	uint64_t begun, done, by_outcome[6];
	uint64_t table_full; /* ended for want of room */
	uint64_t samples_dropped; /* exchanges whose bodies gave way to others */
};
const struct exchange_stats *exchange_stats(const struct exchange_ctx *x);
size_t exchange_memory(const struct exchange_ctx *x); /* bytes held now */

/*
 * Exchange to record, with redaction: strings live in scratch, which must stay until the record was
 * emitted. Payload by the redactor's mode and log_payload.
 */
void exchange_to_record(const struct exchange *x, const struct origin *o,
			const struct redactor *red, bool log_payload, struct record *r,
			struct buf *scratch);

#endif
