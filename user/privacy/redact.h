/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * redact.h - other people's secrets out of everything that leaves the program. Deterministic: the
 * same secret gives the same replacement within one run of the rules, of the form
 * [REDACTED:email:24] - kind and length class (the next power of two), never a byte of the secret.
 */
#ifndef PRIVACY_REDACT_H
#define PRIVACY_REDACT_H

#include "base/buf.h"
#include "base/err.h"

enum payload_mode { PAYLOAD_NONE, PAYLOAD_FEATURES, PAYLOAD_REDACTED, PAYLOAD_RAW };

struct redactor;
/* rules: "NAME=REGEX" (POSIX extended), n of them; NULL and e filled on a bad one. */
struct redactor *redactor_new(enum payload_mode mode, const char *const *rules, size_t n,
			      struct err *e);
void redactor_free(struct redactor *r);
enum payload_mode redactor_mode(const struct redactor *r);
/* Key of redact_key_hash from a seed that replay knows too (run or host id); else a constant. */
void redactor_set_hash_key(struct redactor *r, const void *seed, size_t n);

/*
 * Each appends to out the text of in with secrets replaced and returns how many were. The mode
 * plays no part: who wants raw text does not call. in may be cut at its end: half a secret there
 * counts.
 */
unsigned redact_text(const struct redactor *r, struct buf *out, const char *p, size_t n);
/* A JSON body, also a cut one (head or tail of a sample): values of secret-looking keys whatever
 * they hold, and every pattern of redact_text inside strings. Stays valid JSON if it was. */
unsigned redact_json(const struct redactor *r, struct buf *out, const char *p, size_t n);
/* application/x-www-form-urlencoded, also url.query: values of secret-looking names, patterns in
 * values (percent-coded ones too). */
unsigned redact_query(const struct redactor *r, struct buf *out, const char *p, size_t n);
/* A path: patterns, and segments that look like keys. */
unsigned redact_path(const struct redactor *r, struct buf *out, const char *p, size_t n);
/* One argument of a command line; prev is the argument before it (or NULL): "--api-key", "X" and
 * "--api-key=X", "KEY=VALUE", URLs with a password. */
unsigned redact_arg(const struct redactor *r, struct buf *out, const char *prev, const char *arg);
/* The value of an environment variable of that name. */
unsigned redact_env(const struct redactor *r, struct buf *out, const char *name, const char *value);
/* True if a JSON key, query parameter, header or variable of that name holds a secret. */
bool redact_key_is_secret(const char *p, size_t n);
/* True if a header of that name (any case) may leave the program at all (the allow-list of SPEC 2).
 */
bool redact_header_allowed(const char *p, size_t n);
/* True if a header carries an API key or token: authorization, x-api-key, api-key, cookie, ... */
bool redact_header_is_credential(const char *p, size_t n);
/* Keyed hash of a credential for `client.key_hash`: 16 hex digits, NUL-terminated. */
void redact_key_hash(const struct redactor *r, const char *p, size_t n, char out[17]);

#endif
