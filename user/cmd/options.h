/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * options.h - the one table of options: command line, --help and config file (and a man page later)
 * are all read from it.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "privacy/redact.h"

struct str_list {
	char **v; /* NULL-terminated */
	size_t n;
};

struct options {
	/* targets */
	uint32_t *pids;
	size_t n_pids;
	uint16_t *ports;
	size_t n_ports;
	struct str_list comms, exes, cgroups;
	char **cmd; /* after --, NULL-terminated; NULL: none */
	/* capture */
	uint64_t sample_bytes, copy_head, copy_tail, buffer, max_memory;
	double sample_rate;
	enum payload_mode payload;
	struct str_list redact;
	/* output */
	struct str_list outputs; /* FORMAT[:PATH], or PATH for record and baseline */
	unsigned interval;
	struct str_list tags;
	char *service;
	char *capture; /* run: also write a capture */
	/* drift */
	char *baseline;
	uint64_t learn;
	double false_alarms, min_effect;
	char *on_alert;
	/* the rest */
	char *config;
	struct str_list files; /* positional arguments */
	bool help, version;
	char *from; /* baseline: kind of its file; NULL: told by the file itself */
	struct str_list maps; /* baseline: COLUMN=FEATURE */
};

enum command { CMD_NONE, CMD_RUN, CMD_RECORD, CMD_REPLAY, CMD_BASELINE, CMD_DOCTOR, CMD_LATER };

/*
 * argv[0] is the program, argv[1] the command (or --help/--version). Environment defaults
 * (OTEL_SERVICE_NAME) are read here. -1 and e with EXIT_USAGE: what is wrong, where (argument, or
 * config file key and line), and a did-you-mean. Commands and options of SPEC that this version
 * lacks answer "not in this version".
 */
int options_parse(struct options *o, enum command *cmd, int argc, char **argv, struct err *e);
void options_free(struct options *o);
/* Help of one command, or of the program for CMD_NONE, on stdout. */
void options_help(enum command cmd);

#endif
