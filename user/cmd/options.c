/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options.c - argv to struct options: command line first, then config file, environment, defaults.
 */
#include "cmd/options_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/memory.h"

#define MAX_ROWS 64

struct parse {
	struct options *o;
	enum command cmd;
	const char *command; /* its name */
	char **argv; /* what is left */
	bool given[MAX_ROWS]; /* by the command line */
	bool from_file[MAX_ROWS];
	struct err *e;
};

static const struct opt_place command_line;

static void mend_help(struct parse *p)
{
	err_mend(p->e, "modelsnoop %s --help lists the options", p->command);
}

static int unknown_option(struct parse *p, const char *name, size_t n)
{
	struct suggestion near;

	err_set(p->e, EXIT_USAGE, "unknown option '--%.*s'", (int)(n < 64 ? n : 64), name);
	suggest_start(&near, name, n);
	for (size_t i = 0; i < opt_count; i++)
		suggest_offer(&near, opt_table[i].name);
	if (near.best)
		err_mend(p->e, "did you mean --%s?", near.best);
	else
		mend_help(p);
	return -1;
}

static int unknown_command(struct err *e, const char *word)
{
	struct suggestion near;

	err_set(e, EXIT_USAGE, "unknown command '%.64s'", word);
	suggest_start(&near, word, strlen(word));
	for (size_t i = 0; i < command_count; i++)
		suggest_offer(&near, command_table[i].name);
	if (near.best)
		err_mend(e, "did you mean %s?", near.best);
	else
		err_mend(e, "modelsnoop --help lists the commands");
	return -1;
}

/* Names of the commands that have an option now, for messages. */
static const char *owners(char *out, size_t n, const struct opt *row)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < command_count; i++) {
		const struct command_row *c = &command_table[i];

		if (c->cmd == CMD_LATER || !(row->commands & ~row->later & CMD_BIT(c->cmd)) ||
		    len >= n)
			continue;
		len += (size_t)snprintf(out + len, n - len, "%s%s", len ? ", " : "", c->name);
	}
	return out;
}

static int check_belongs(struct parse *p, const struct opt *row)
{
	char who[128];

	if (!(row->commands & CMD_BIT(p->cmd))) {
		err_set(p->e, EXIT_USAGE, "--%s does not belong to %s", row->name, p->command);
		if (row->commands & ~row->later)
			err_mend(p->e, "it belongs to: %s", owners(who, sizeof(who), row));
		return -1;
	}
	if (row->later & CMD_BIT(p->cmd)) {
		if (!(row->commands & ~row->later))
			return err_set(p->e, EXIT_USAGE, "--%s: not in this version", row->name);
		err_set(p->e, EXIT_USAGE, "--%s: not in this version of %s", row->name, p->command);
		err_mend(p->e, "it belongs to: %s", owners(who, sizeof(who), row));
		return -1;
	}
	return 0;
}

/* Would the next argument rather be an option of its own than a value? */
static bool looks_like_option(const char *arg)
{
	return !strncmp(arg, "--", 2) && (!arg[2] || opt_by_name(arg + 2, strcspn(arg + 2, "=")));
}

/* joined: the value that hung on the option (--opt=value, -pVALUE), or NULL: the next argument. */
static int take_option(struct parse *p, const struct opt *row, const char *joined)
{
	const char *value = joined;

	if (check_belongs(p, row))
		return -1;
	if (row->type == OPT_FLAG) {
		if (joined)
			return err_set(p->e, EXIT_USAGE, "--%s takes no value", row->name);
		return opt_store(p->o, row, "", &command_line, p->e);
	}
	if (!value) {
		value = *p->argv;
		if (!value || looks_like_option(value)) {
			err_set(p->e, EXIT_USAGE, "--%s needs a value", row->name);
			err_mend(p->e, "write --%s=%s", row->name, row->metavar);
			return -1;
		}
		p->argv++;
	}
	p->given[row - opt_table] = true;
	return opt_store(p->o, row, value, &command_line, p->e);
}

static int take_long(struct parse *p, const char *arg)
{
	const size_t n = strcspn(arg, "=");
	const struct opt *row = opt_by_name(arg, n);

	if (!row)
		return unknown_option(p, arg, n);
	return take_option(p, row, arg[n] ? arg + n + 1 : NULL);
}

static int take_short(struct parse *p, const char *arg)
{
	const struct opt *row = opt_by_abbr(arg[0]);

	if (!row) {
		err_set(p->e, EXIT_USAGE, "unknown option '-%.64s'", arg);
		/* -learn for --learn is the usual slip. */
		if (opt_by_name(arg, strcspn(arg, "=")))
			err_mend(p->e, "did you mean --%.64s?", arg);
		else
			mend_help(p);
		return -1;
	}
	return take_option(p, row, arg[1] ? arg + 1 : NULL);
}

static int take_command(struct parse *p)
{
	if (p->cmd != CMD_RUN && p->cmd != CMD_RECORD)
		return err_set(p->e, EXIT_USAGE, "-- CMD does not belong to %s", p->command);
	if (!*p->argv)
		return err_set(p->e, EXIT_USAGE, "-- needs a command after it");
	p->o->cmd = p->argv;
	return 0;
}

static int take_arguments(struct parse *p)
{
	while (*p->argv) {
		const char *arg = *p->argv++;
		int rc;

		if (!strcmp(arg, "--"))
			return take_command(p);
		if (!strncmp(arg, "--", 2))
			rc = take_long(p, arg + 2);
		else if (arg[0] == '-' && arg[1])
			rc = take_short(p, arg + 1);
		else
			rc = str_list_add(&p->o->files, arg, strlen(arg))
				     ? err_set(p->e, EXIT_FAILED, "out of memory")
				     : 0;
		if (rc)
			return -1;
	}
	return 0;
}

/* Rows that nobody gave: environment, then the table's default. */
static int fill_defaults(struct parse *p)
{
	const char *service = getenv("OTEL_SERVICE_NAME");

	for (size_t i = 0; i < opt_count; i++) {
		const struct opt *row = &opt_table[i];
		const char *def = row->def;

		if (p->given[i] || p->from_file[i] || !(row->commands & ~row->later))
			continue;
		if (!strcmp(row->name, "service") && service && *service)
			def = service;
		if (!def || opt_store(p->o, row, def, &command_line, p->e) == 0)
			continue;
		if (def == service)
			err_why(p->e, "it comes from OTEL_SERVICE_NAME");
		return -1;
	}
	return 0;
}

static int check_files(struct parse *p)
{
	const struct options *o = p->o;
	const struct command_row *row = command_table;

	while (row->cmd != p->cmd)
		row++;
	if (o->files.n > row->files) {
		err_set(p->e, EXIT_USAGE, "%s: one argument too many: '%.64s'", p->command,
			o->files.v[row->files]);
		if (!row->files && (p->cmd == CMD_RUN || p->cmd == CMD_RECORD))
			err_mend(p->e, "targets are options (-p PID, --comm GLOB …); a command to "
				       "start stands "
				       "after --");
		return -1;
	}
	if (o->files.n < row->files)
		return err_set(p->e, EXIT_USAGE, "%s: which file? modelsnoop %s [OPTIONS] %s",
			       p->command, p->command, row->args);
	return 0;
}

static int check_targets(struct parse *p)
{
	const struct options *o = p->o;

	if (p->cmd != CMD_RUN && p->cmd != CMD_RECORD)
		return 0;
	if (o->n_pids || o->n_ports || o->comms.n || o->exes.n || o->cgroups.n || o->cmd)
		return 0;
	err_set(p->e, EXIT_USAGE, "%s: no target", p->command);
	err_mend(p->e, "give -p PID, --comm GLOB, --exe GLOB, --port PORT, --cgroup PATH, or -- "
		       "CMD ARGS…");
	return -1;
}

static int check_together(struct parse *p)
{
	const struct options *o = p->o;

	/* Some dozens of messages are open at once; less memory would drop exchanges from the
	 * start. */
	if (o->sample_bytes * 64 > o->max_memory) {
		err_set(p->e, EXIT_USAGE, "--sample-bytes %llu is too much for --max-memory %llu",
			(unsigned long long)o->sample_bytes, (unsigned long long)o->max_memory);
		err_mend(p->e, "--max-memory must be at least 64 times --sample-bytes");
		return -1;
	}
	if ((p->cmd == CMD_RUN || p->cmd == CMD_RECORD || p->cmd == CMD_REPLAY) &&
	    memory_check(o, p->e))
		return -1;
	if (o->capture && !strcmp(o->capture, "-"))
		return err_set(p->e, EXIT_USAGE, "--capture: '-' is for record -o; name a file");
	return opt_check_outputs(o, p->cmd, p->e);
}

static int finish(struct parse *p)
{
	if (p->o->config &&
	    opt_read_config(p->o, p->cmd, p->o->config, p->given, p->from_file, p->e))
		return -1;
	if (fill_defaults(p) || check_files(p) || check_targets(p))
		return -1;
	return check_together(p);
}

/* --help and --version count anywhere before --, whatever else is wrong. */
static bool asks_for_help(struct options *o, char **argv)
{
	for (; *argv && strcmp(*argv, "--"); argv++) {
		if (!strcmp(*argv, "--help") || !strcmp(*argv, "-h"))
			o->help = true;
		if (!strcmp(*argv, "--version") || !strcmp(*argv, "-V"))
			o->version = true;
	}
	return o->help || o->version;
}

static const struct command_row *command_by_name(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (!strcmp(command_table[i].name, name))
			return &command_table[i];
	return NULL;
}

int options_parse(struct options *o, enum command *cmd, int argc, char **argv, struct err *e)
{
	struct parse p = { .o = o, .e = e };
	const struct command_row *row;
	bool help;

	*o = (struct options){ 0 };
	*cmd = CMD_NONE;
	help = argc > 0 && asks_for_help(o, argv + 1);
	row = argc > 1 ? command_by_name(argv[1]) : NULL;
	if (row)
		*cmd = row->cmd;
	if (help)
		return 0;
	if (argc < 2) {
		err_set(e, EXIT_USAGE, "no command");
		err_mend(e, "modelsnoop --help lists the commands");
		return -1;
	}
	if (argv[1][0] == '-')
		return err_set(e, EXIT_USAGE,
			       "the command comes first: modelsnoop COMMAND [OPTIONS]");
	if (!row)
		return unknown_command(e, argv[1]);
	if (row->cmd == CMD_LATER)
		return err_set(e, EXIT_USAGE, "%s: not in this version", row->name);
	p.cmd = row->cmd;
	p.command = row->name;
	p.argv = argv + 2;
	return take_arguments(&p) || finish(&p) ? -1 : 0;
}

void options_free(struct options *o)
{
	const struct opt files = { .type = OPT_LIST, .field = offsetof(struct options, files) };

	for (size_t i = 0; i < opt_count; i++)
		if (opt_table[i].commands & ~opt_table[i].later)
			opt_clear(o, &opt_table[i]);
	opt_clear(o, &files);
	*o = (struct options){ 0 };
}
