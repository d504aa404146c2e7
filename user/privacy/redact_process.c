/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* redact_process.c - arguments and environment of a process. */
#include "privacy/redactor.h"

#include <string.h>

/* A value on its own: a placeholder stays, all else goes. */
static unsigned put_secret(struct buf *out, const char *p, size_t n)
{
	if (!n)
		return 0;
	if (placeholder_length(p, n) == n) {
		buf_put(out, p, n);
		return 0;
	}
	placeholder_put(out, "key", n);
	return 1;
}

static unsigned put_value(const struct redactor *r, struct buf *out, const char *p, size_t n)
{
	if (redact_begins_json(p, n))
		return redact_json_at(r, out, p, n, 0, false);
	return redact_plain(r, out, p, n, false);
}

static size_t dashes(const char *s)
{
	return strspn(s, "-");
}

static bool is_user_option(const char *s)
{
	return !strcmp(s, "-u") || !strcmp(s, "--user") || !strcmp(s, "--proxy-user");
}

unsigned redact_arg(const struct redactor *r, struct buf *out, const char *prev, const char *arg)
{
	const size_t n = strlen(arg);
	const char *eq = strchr(arg, '=');
	const char *colon = strchr(arg, ':');

	/* --api-key X, where X may look like an option as well as like anything. */
	if (prev && prev[0] == '-' && !strchr(prev, '=') &&
	    redact_key_is_secret(prev + dashes(prev), strlen(prev) - dashes(prev)))
		return put_secret(out, arg, n);
	/* curl -u USER:PASSWORD */
	if (prev && is_user_option(prev) && colon) {
		buf_put(out, arg, (size_t)(colon + 1 - arg));
		return put_secret(out, colon + 1, n - (size_t)(colon + 1 - arg));
	}
	/* --api-key=X, KEY=X, -Dkey=X; the name must be one, not half a sentence. */
	if (eq && strcspn(arg, " \t\n{[\"'") > (size_t)(eq - arg)) {
		const size_t name = (size_t)(eq - arg);

		buf_put(out, arg, name + 1);
		if (redact_key_is_secret(arg + dashes(arg),
					 name - (dashes(arg) < name ? dashes(arg) : name)))
			return put_secret(out, eq + 1, n - name - 1);
		return put_value(r, out, eq + 1, n - name - 1);
	}
	return put_value(r, out, arg, n);
}

unsigned redact_env(const struct redactor *r, struct buf *out, const char *name, const char *value)
{
	if (redact_key_is_secret(name, strlen(name)))
		return put_secret(out, value, strlen(value));
	return put_value(r, out, value, strlen(value));
}
