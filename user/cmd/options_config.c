/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options_config.c - the configuration file: `key = value` lines, told apart by file and line. */
#include "cmd/options_table.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_MAX ((size_t)1 << 20)

struct config {
	struct options *o;
	enum command cmd;
	const bool *given; /* rows that the command line set */
	bool *from_file; /* rows that this file has set */
	bool everybody_writes;
	struct opt_place at;
	struct err *e;
};

static int config_error(const struct config *c, const char *what, const char *detail)
{
	return err_set(c->e, EXIT_USAGE, "%s:%u: %s%s", c->at.file, c->at.line, what, detail);
}

static int unknown_key(const struct config *c, const char *key, size_t n)
{
	struct suggestion near;

	suggest_start(&near, key, n);
	for (size_t i = 0; i < opt_count; i++)
		if (!(opt_table[i].properties & OPT_NO_CONFIG))
			suggest_offer(&near, opt_table[i].name);
	err_set(c->e, EXIT_USAGE, "%s:%u: unknown key '%.*s'", c->at.file, c->at.line,
		(int)(n < 64 ? n : 64), key);
	if (near.best)
		err_mend(c->e, "did you mean '%s'?", near.best);
	else
		err_mend(c->e, "keys are the long option names: modelsnoop --help lists them");
	return -1;
}

/*
 * The value of a line, in place: without the blanks around it and without a comment (a # after a
 * blank). In double quotes everything stands, with \" and \\ for the two.
 */
static int unquote(const struct config *c, char *v)
{
	char *out = v;
	char *p = v;

	if (*p != '"') {
		for (; *p; p++)
			if (*p == '#' && (p == v || p[-1] == ' ' || p[-1] == '\t'))
				break;
		while (p > v && (p[-1] == ' ' || p[-1] == '\t'))
			p--;
		*p = '\0';
		return 0;
	}
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		*out++ = *p;
	}
	if (!*p)
		return config_error(c, "a quote is not closed", "");
	p++;
	p += strspn(p, " \t");
	if (*p && *p != '#')
		return config_error(c, "there is more after the closing quote", "");
	*out = '\0';
	return 0;
}

static int config_set(struct config *c, const struct opt *row, const char *value)
{
	const size_t i = (size_t)(row - opt_table);
	const bool other = !(row->commands & ~row->later & CMD_BIT(c->cmd));
	struct options aside = { 0 };
	int rc;

	if (row->properties & OPT_NO_CONFIG)
		return config_error(c, row->name, ": belongs on the command line only");
	if (!(row->commands & ~row->later))
		return config_error(c, row->name, ": not in this version");
	if (row->properties & OPT_TRUSTED && c->everybody_writes) {
		config_error(c, row->name,
			     ": a file that everybody may write must not name a program to run");
		err_mend(c->e, "chmod o-w %s", c->at.file);
		return -1;
	}
	/* What does not count here is checked all the same: a typing error is one for every
	 * command. */
	if (other || (c->given[i] && !(row->properties & OPT_ADDS))) {
		rc = opt_store(&aside, row, value, &c->at, c->e);
		opt_clear(&aside, row);
		return rc;
	}
	c->from_file[i] = true;
	return opt_store(c->o, row, value, &c->at, c->e);
}

static int config_line(struct config *c, char *line)
{
	char *key = line + strspn(line, " \t");
	const size_t n = strcspn(key, " \t=#");
	char *value = key + n + strspn(key + n, " \t");
	const struct opt *row;

	if (!*key || *key == '#')
		return 0;
	row = opt_by_name(key, n);
	if (!row)
		return unknown_key(c, key, n);
	if (*value != '=') {
		config_error(c, row->name, ": no '=' after it");
		err_mend(c->e, "write it as %s = %s", row->name,
			 row->metavar ? row->metavar : "VALUE");
		return -1;
	}
	value++;
	value += strspn(value, " \t");
	if (unquote(c, value))
		return -1;
	return config_set(c, row, value);
}

static int config_lines(struct config *c, char *text, size_t n)
{
	char *const end = text + n;

	for (char *line = text; line < end;) {
		char *eol = memchr(line, '\n', (size_t)(end - line));
		char *next = eol ? eol + 1 : end;

		if (!eol)
			eol = end;
		if (eol > line && eol[-1] == '\r')
			eol--;
		*eol = '\0'; /* text has room for one more */
		c->at.line++;
		if (memchr(line, '\0', (size_t)(eol - line)))
			return config_error(c, "a NUL byte", "");
		if (config_line(c, line))
			return -1;
		line = next;
	}
	return 0;
}

static int read_all(int fd, struct buf *b)
{
	for (;;) {
		char *room = buf_room(b, 4097);
		ssize_t n;

		if (!room || b->len > CONFIG_MAX)
			return -EFBIG;
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		b->len += (size_t)n;
	}
}

int opt_read_config(struct options *o, enum command cmd, const char *path, const bool *given,
		    bool *from_file, struct err *e)
{
	struct config c = { .o = o,
			    .cmd = cmd,
			    .given = given,
			    .from_file = from_file,
			    .at = { path, 0 },
			    .e = e };
	struct buf text = { .max = CONFIG_MAX * 2 };
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int rc = fd < 0 || fstat(fd, &st) ? -errno : 0;

	if (!rc && S_ISDIR(st.st_mode))
		rc = -EISDIR;
	if (!rc)
		rc = read_all(fd, &text);
	if (fd >= 0)
		close(fd);
	if (rc) {
		err_set(e, EXIT_USAGE, "--config: cannot read '%s'", path);
		err_why(e, "%s", rc == -EFBIG ? "it is larger than 1 MiB" : strerror(-rc));
		buf_free(&text);
		return -1;
	}
	c.everybody_writes = S_ISREG(st.st_mode) && st.st_mode & S_IWOTH;
	if (c.everybody_writes)
		warn_print("%s: everybody may write this file (chmod o-w mends it)", path);
	rc = config_lines(&c, text.p, text.len);
	buf_free(&text);
	return rc;
}
