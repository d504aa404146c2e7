/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * options_table.h - the rows behind options.h: every command and every option, this version's and
 * later ones. Private to options_*.c (and a man page writer).
 */
#ifndef CMD_OPTIONS_TABLE_H
#define CMD_OPTIONS_TABLE_H

#include "cmd/options.h"

enum opt_type {
	OPT_FLAG, /* bool; no value; not in config files */
	OPT_PID, /* list of uint32_t */
	OPT_PORT, /* list of uint16_t */
	OPT_COUNT, /* uint64_t */
	OPT_SIZE, /* uint64_t bytes; K, M, G, T are powers of 1024 */
	OPT_COPY, /* HEAD[+TAIL]: two uint64_t */
	OPT_SECONDS, /* unsigned; s, m, h */
	OPT_REAL, /* double */
	OPT_PAYLOAD, /* enum payload_mode by the row's choices */
	OPT_WORD, /* char *, one of the row's choices */
	OPT_TEXT, /* char * */
	OPT_LIST, /* struct str_list of texts */
	OPT_PAIRS, /* struct str_list of LEFT=RIGHT */
	OPT_TAGS, /* struct str_list of KEY=VALUE, the last of one KEY counts */
};

enum opt_group {
	GROUP_TARGETS,
	GROUP_CAPTURE,
	GROUP_OUTPUT,
	GROUP_DRIFT,
	GROUP_BASELINE,
	GROUP_GENERAL,
	OPT_GROUPS
};
extern const char *const opt_group_title[OPT_GROUPS];

enum opt_property {
	OPT_RELOADABLE = 1 << 0, /* may change at SIGHUP */
	OPT_NO_CONFIG = 1 << 1, /* command line only */
	OPT_ADDS = 1 << 2, /* a list where the command line adds to the config file's */
	OPT_TRUSTED = 1 << 3, /* runs a program: not from a file that everybody may write */
};

struct opt {
	const char *name;
	char abbr; /* one-letter form, 0: none */
	enum opt_group group;
	enum opt_type type;
	unsigned commands; /* CMD_BIT()s of those that it belongs to */
	unsigned later; /* of those, the ones that lack it in this version */
	unsigned properties;
	size_t field; /* offset in struct options */
	double min, max; /* of numbers; COPY: of either part */
	const char *def; /* as one would write it; NULL: none */
	const char *metavar;
	const char *help;
	const char *const *choices; /* PAYLOAD, WORD: NULL-terminated */
};
#define CMD_BIT(cmd) (1u << (cmd))

extern const struct opt opt_table[];
extern const size_t opt_count;

struct command_row {
	const char *name;
	enum command cmd; /* CMD_LATER: not in this version */
	const char *args; /* after the options, in its usage line */
	const char *help;
	unsigned files; /* positional arguments that it must have */
};
extern const struct command_row command_table[];
extern const size_t command_count;
const char *command_name(enum command cmd);

/* Where a value was found, for messages: "--learn" or "FILE:LINE: learn". */
struct opt_place {
	const char *file; /* NULL: command line */
	unsigned line;
};
/*
 * Check a value and store it in its field: lists grow, single values are replaced. -1 and e
 * (EXIT_USAGE) with the option, the value and what is allowed.
 */
int opt_store(struct options *o, const struct opt *row, const char *value,
	      const struct opt_place *at, struct err *e);
/* Forget what a field holds. */
void opt_clear(struct options *o, const struct opt *row);
/* "--learn" or "FILE:LINE: learn" into out. */
const char *opt_place_name(char *out, size_t n, const struct opt *row, const struct opt_place *at);
int str_list_add(struct str_list *l, const char *s, size_t n); /* 0 or -1: no memory */

/* Row by long name or by letter; NULL. */
const struct opt *opt_by_name(const char *name, size_t n);
const struct opt *opt_by_abbr(char c);
/*
 * Read key = value lines of a file into rows that the command line did not set (given[row]).
 * Keys of other commands are checked and passed over, so that one file serves all.
 */
int opt_read_config(struct options *o, enum command cmd, const char *path, const bool *given,
		    bool *from_file, struct err *e);

/* -o against what the command writes. */
int opt_check_outputs(const struct options *o, enum command cmd, struct err *e);

/* The candidate nearest to a misspelt word, or NULL when none is near. */
struct suggestion {
	const char *word;
	size_t word_len;
	const char *best;
	unsigned cost;
};
void suggest_start(struct suggestion *s, const char *word, size_t n);
void suggest_offer(struct suggestion *s, const char *candidate);

#endif
