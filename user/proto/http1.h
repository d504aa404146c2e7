/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http1.h - what the files of the HTTP/1.x parser share: its state and the calls between grammar
 * (http1_head.c), start lines (http1_start.c), fields (http1_line.c), framing (http1_body.c),
 * pairing (http1_pair.c) and connection (http1.c). Nobody outside of these and their tests includes
 * it; others use proto_http1.
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include "proto/proto.h"

#define H1_HEAD_MAX                                                                   \
	65536u /* bytes of one head, start line included; servers stop at 8 to 64 KiB \
		*/
#define H1_METHOD_MAX 32u
#define H1_OPEN_MAX 256u /* requests that wait for a response on one connection */

/* Shapes that are not to be trusted. Names are in h1_anomaly_name and README.md: stable. */
enum h1_anomaly {
	H1_AN_BAD_REQUEST_LINE,
	H1_AN_BAD_STATUS_LINE,
	H1_AN_BAD_TARGET,
	H1_AN_BAD_FIELD,
	H1_AN_SPACE_BEFORE_COLON,
	H1_AN_OBS_FOLD,
	H1_AN_BARE_LF,
	H1_AN_BARE_CR,
	H1_AN_NUL,
	H1_AN_CONTROL_BYTE,
	H1_AN_BAD_LENGTH,
	H1_AN_CONFLICTING_LENGTH,
	H1_AN_DUPLICATE_LENGTH,
	H1_AN_LENGTH_AND_TRANSFER_CODING,
	H1_AN_BAD_TRANSFER_CODING,
	H1_AN_TRANSFER_CODING_IN_1_0,
	H1_AN_BODY_IN_204,
	H1_AN_BAD_CHUNK,
	H1_AN_HEAD_TOO_LARGE,
	H1_AN_TOO_MANY_PIPELINED,
	H1_AN_RESPONSE_WITHOUT_REQUEST,
	H1_ANOMALIES
};
#define H1_BIT(a) (1u << (a))
extern const char *const h1_anomaly_name[H1_ANOMALIES];

/* ---- grammar: pure functions over one line; n excludes the LF, a CR at its end is allowed ---- */

struct h1_request_line {
	const char *method, *target;
	size_t method_len, target_len;
	int minor;
	uint32_t anomalies; /* of H1_BIT */
};
struct h1_field {
	const char *name, *value; /* value trimmed */
	size_t name_len, value_len;
	uint32_t anomalies;
};

/*
 * May these bytes begin a request line? strict: as a stranger, who has nothing but the bytes to go
 * by (upper case method, a target that looks like one); else any token will do. YES: the method
 * and a blank were there.
 */
enum proto_verdict h1_request_prefix(const uint8_t *p, size_t n, bool strict);
/* A method that is in use: behind a gap "ST /x HTTP/1.1" is the rest of a request line, no method
 * ST. */
bool h1_method_known(const char *p, size_t n);
enum proto_verdict h1_status_prefix(const uint8_t *p, size_t n);
/* YES: a request line. MAYBE: a method and something that is no HTTP/1 request line (flagged). */
enum proto_verdict h1_parse_request(const uint8_t *p, size_t n, struct h1_request_line *r);
bool h1_parse_status(const uint8_t *p, size_t n, int *status, int *minor);
/* False: no field (f->anomalies says why). */
bool h1_parse_field(const uint8_t *p, size_t n, struct h1_field *f);
/* Case-insensitive comparison with a literal of lower case letters and '-'. */
bool h1_is(const char *p, size_t n, const char *lit, size_t lit_len);
#define H1_IS(p, n, lit) h1_is(p, n, lit, sizeof(lit) - 1)

/* ---- state ---- */

enum h1_state {
	H1_INIT, /* no bytes yet */
	H1_START, /* in step, before a start line */
	H1_START_REST, /* of a request line that was answered before it was whole */
	H1_FIELDS,
	H1_BODY_LENGTH,
	H1_BODY_CLOSE, /* until the connection closes */
	H1_CHUNK_SIZE, /* from here to H1_TRAILERS: chunked, RFC 9112 section 7.1 */
	H1_CHUNK_EXT,
	H1_CHUNK_DATA,
	H1_CHUNK_END, /* the line end behind the data */
	H1_TRAILERS,
	H1_SEEK, /* out of step: looks for a start line where a call begins */
	H1_DEAD, /* end of this direction, or of HTTP: bytes are ignored and counted */
};

/* What the bytes are that H1_SEEK passes over. */
enum h1_seek {
	H1_SEEK_IDLE, /* nobody's: no message is open in this direction */
	H1_SEEK_HEAD, /* of a message whose head was not seen whole */
	H1_SEEK_CHUNKED, /* of a chunked body whose framing went with a gap */
	H1_SEEK_BODY, /* of a body whose length cannot be told (bad or conflicting lengths) */
};

enum h1_kind { H1_PLAIN, H1_HEAD, H1_CONNECT, H1_UNSURE }; /* of a waiting request */

/* A line that is not complete, or a complete field that might be folded. */
struct h1_line {
	struct lru_node node; /* in room, those that went on last at the end */
	struct proto_room *room; /* NULL: no limit */
	struct conn *c;
	enum direction d;
	struct chunk first; /* of the call that brought the first byte */
	uint64_t pos; /* of the first byte */
	uint32_t len, cap;
	bool whole; /* ends with LF; what follows decides whether it goes on */
	uint8_t b[];
};

struct h1_framing { /* what the fields of a head say about its body */
	uint64_t length;
	bool has_length, bad_length, coding, chunked_last, bad_coding;
	uint8_t upgrade; /* index of h1_upgrade_name */
};

struct h1_dir {
	uint64_t index; /* of the exchange in work */
	uint64_t left; /* bytes left of the body or chunk; the chunk size while it is read */
	uint64_t last_ts; /* of the last bytes or gap */
	uint64_t pos; /* stream position up to which everything was taken */
	struct h1_line *line;
	struct h1_framing f;
	uint32_t head_len;
	uint32_t seen; /* H1_BIT of the anomalies that this message had already */
	uint16_t status;
	uint8_t state; /* enum h1_state */
	uint8_t seek; /* enum h1_seek */
	uint8_t minor;
	uint8_t gap_kind; /* of the gap that led to H1_SEEK */
	bool open; /* exchange `index` was announced and this side has not ended: messages may go
		      out */
	bool late; /* response whose request was not seen */
	bool unsolicited; /* response to no request: parsed, and no exchange */
	bool interim; /* the last response head was a 1xx: the response itself is still to come */
	bool empty; /* no byte of the body was seen yet */
	bool digits,
		cr; /* chunk size: a digit was there; it is over (then: the last byte was CR) */
	bool guess; /* in a chunk whose size was found behind a gap, its end not yet confirmed */
	bool after_bytes; /* the last thing was bytes, no gap */
	bool mid_call; /* the last thing was a gap in the middle of a call: what follows is its tail
			*/
	bool gap; /* whole messages may have been missed: pairing is not sure from here on */
};

struct http1 {
	struct h1_dir dir[2]; /* by enum direction */
	uint64_t next_index;
	uint64_t
		gap_bytes; /* of the newest gap: what an exchange that it put out of step is told */
	uint64_t told_index; /* exchanges below this were told of it when it came */
	uint64_t ignored; /* bytes after an upgrade or end */
	uint64_t skipped; /* bytes that belong to no exchange: H1_SEEK_IDLE */
	uint32_t resyncs;
	uint8_t gap_kind; /* enum gap_kind of gap_bytes */
	int8_t req_dir; /* enum direction that carries requests; -1: not known yet */
	bool gapped; /* a gap that was not exactly accounted for was ever seen */
	bool owed; /* since then requests may have gone unseen whose responses are to come */
	uint8_t pipelining; /* the client was seen to pipeline: counts down while it does not */
	bool doubt; /* the oldest waiting request came right behind a gap */
	uint8_t fifo_head;
	uint16_t fifo_len; /* exchanges next_index - fifo_len … next_index - 1 wait for their
			      response's end */
	uint8_t fifo_kind[H1_OPEN_MAX / 4]; /* enum h1_kind, two bits each */
};

/* One call of the stream sink. */
struct h1_call {
	struct conn *c;
	struct http1 *h;
	const struct msg_sink *out;
	const struct chunk *ch; /* may be NULL */
	uint64_t ts;
	enum direction d;
	struct h1_dir *dir; /* h->dir[d] */
	bool call_start; /* the next byte is the first of a call */
};

static inline struct h1_dir *h1_request_dir(struct http1 *h)
{
	return &h->dir[h->req_dir];
}
static inline struct h1_dir *h1_response_dir(struct http1 *h)
{
	return &h->dir[!h->req_dir];
}
static inline bool h1_is_request(const struct http1 *h, const struct h1_dir *dir)
{
	return h->req_dir >= 0 && dir == &h->dir[h->req_dir];
}

/* ---- http1.c ---- */
/* A message about the side `dir` of its exchange, if that is open. m: kind and its data are set. */
void h1_emit(struct h1_call *x, struct h1_dir *dir, struct msg *m, uint64_t pos);
/* About the response of the oldest waiting exchange, of which nothing was seen yet. */
void h1_emit_waiting(struct h1_call *x, struct msg *m, uint64_t pos);
/* Flag each anomaly of the mask, once a message. */
void h1_flag(struct h1_call *x, struct h1_dir *dir, uint32_t mask, uint64_t pos);
/* The message of x->dir is complete; pos: behind its last byte. */
void h1_complete(struct h1_call *x, uint64_t pos);
/* Lose step: from here on look for a start line. missed: messages may have gone unseen. */
void h1_lose_step(struct h1_call *x, enum h1_seek mode, enum gap_kind kind, bool missed);

/* ---- http1_start.c ---- */
/* H1_START and H1_SEEK. Return the bytes used. */
size_t h1_start(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n);
size_t h1_seek(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n);
/* H1_START_REST. */
size_t h1_start_rest(struct h1_call *x, const uint8_t *p, size_t n);
/* A gap in a request line whose method is known: its exchange begins with what is there. */
bool h1_cut_by_gap(struct h1_call *x);
/* Is the beginning of a request line kept, in step? */
bool h1_request_pending(struct http1 *h);
/* Do these bytes begin with a whole start line of x->dir? */
bool h1_start_line_here(const struct h1_call *x, const uint8_t *p, size_t n);
/* Nothing will come of the line that was kept. */
void h1_pass_over_kept(struct h1_call *x);

/* ---- http1_line.c ---- */
/* Append to x->dir's line; false when memory, room or H1_HEAD_MAX is out. */
bool h1_line_add(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n);
void h1_line_drop(struct h1_dir *dir);
void h1_line_free(struct h1_line *l); /* one that was taken off its direction */
/* Fields of a head or trailer section. Returns the bytes used; the state has changed at its end. */
size_t h1_fields(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n);
/* A field that is complete but for the doubt whether it is folded: taken as it is. */
void h1_fields_flush(struct h1_call *x);

/* ---- http1_body.c ---- */
/* Take a field into account; returns anomalies. */
uint32_t h1_framing_field(struct h1_framing *f, const struct h1_field *field);
/* The head is complete: choose the state that reads the body (RFC 9112 section 6.3). */
void h1_body_begin(struct h1_call *x, uint64_t pos);
void h1_emit_body(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n);
size_t h1_body(struct h1_call *x, uint64_t pos, const uint8_t *p, size_t n);
/* A gap inside a body; returns how many of its bytes were that body's (exactly accounted for), or
 * n and the framing is lost. */
uint64_t h1_body_gap(struct h1_call *x, uint64_t pos, uint64_t n, enum gap_kind kind);
void h1_emit_gap(struct h1_call *x, struct h1_dir *dir, enum msg_kind mk, uint64_t pos, uint64_t n,
		 enum gap_kind kind);
/* Do these bytes, the first of a call, begin a chunk? */
bool h1_chunk_plausible(const uint8_t *p, size_t n);

/* ---- http1_pair.c ---- */
/* A request line: opens the exchange dir->index. */
uint32_t h1_pair_request(struct h1_call *x, enum h1_kind kind);
/* A status line (dir->status): finds its exchange (dir->index), or makes one without a request, or
 * none. */
uint32_t h1_pair_response(struct h1_call *x);
enum h1_kind
h1_pair_kind(const struct http1 *h); /* of the oldest waiting request; H1_PLAIN if none */
/* Is the exchange still waiting for (the end of) its response? */
bool h1_pair_waits(const struct http1 *h, uint64_t index);
/* Every waiting exchange ends. */
void h1_abort_all(struct h1_call *x, enum msg_abort why);
/* One side of an exchange, found complete by something else than its last byte. */
void h1_end_side(struct h1_call *x, struct h1_dir *dir, uint64_t ts);
void h1_end_response(struct h1_call *x, uint64_t ts);
/* No response byte can come any more. complete: a body of unknown length may end so. */
void h1_finish(struct h1_call *x, bool complete, enum msg_abort why);

extern const char *const h1_upgrade_name[];

#endif
