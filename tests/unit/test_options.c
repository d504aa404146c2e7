/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_options.c - command line and config file: what is taken, what is refused, and in which
 * words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmd/options_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ARGS 16

static struct options opts;
static enum command cmd;
static struct err err;
static char *argv_now[MAX_ARGS + 2];

/* Parse words separated by blanks. */
static int parse(const char *line)
{
	static char copy[1024];
	char *save, *word;
	int argc = 0;

	options_free(&opts);
	memset(&err, 0, sizeof(err));
	argv_now[argc++] = (char *)"modelsnoop";
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(argc <= MAX_ARGS);
		argv_now[argc++] = word;
	}
	argv_now[argc] = NULL;
	return options_parse(&opts, &cmd, argc, argv_now, &err);
}

static void good(const char *line)
{
	if (parse(line))
		fail_msg("'%s' was refused: %s: %s", line, err.what, err.mend);
}

/* Refused as a usage error whose text (what, why, mend) holds every one of `parts`. */
static void bad(const char *line, const char *const parts[])
{
	char all[800];

	if (!parse(line))
		fail_msg("'%s' was taken", line);
	assert_int_equal(err.status, EXIT_USAGE);
	snprintf(all, sizeof(all), "%s|%s|%s", err.what, err.why, err.mend);
	for (size_t i = 0; parts[i]; i++)
		if (!strstr(all, parts[i]))
			fail_msg("'%s': no '%s' in '%s'", line, parts[i], all);
}
#define BAD(line, ...) bad(line, (const char *const[]){ __VA_ARGS__, NULL })

static int teardown(void **state)
{
	(void)state;
	options_free(&opts);
	return 0;
}

static void table_is_sound(void **state)
{
	(void)state;
	assert_in_range(opt_count, 1, 64);
	for (size_t i = 0; i < opt_count; i++) {
		const struct opt *a = &opt_table[i];
		const bool now = a->commands & ~a->later;

		assert_non_null(a->help);
		assert_true(!now || !(a->later & ~a->commands));
		assert_true(a->type == OPT_FLAG || a->metavar);
		/* Config files know no flags. */
		if (now && a->type == OPT_FLAG)
			assert_true(a->properties & OPT_NO_CONFIG);
		for (size_t j = 0; j < i; j++) {
			const struct opt *b = &opt_table[j];

			assert_string_not_equal(a->name, b->name);
			assert_true(!a->abbr || a->abbr != b->abbr);
			if (now && b->commands & ~b->later)
				assert_int_not_equal(a->field, b->field);
		}
	}
}

static void defaults(void **state)
{
	(void)state;
	good("run -p 1");
	assert_int_equal(cmd, CMD_RUN);
	assert_int_equal(opts.sample_bytes, 16384);
	assert_int_equal(opts.buffer, 8 << 20);
	assert_int_equal(opts.max_memory, 256 << 20);
	assert_true(opts.copy_head + opts.copy_tail <= 65536);
	assert_true(opts.sample_rate == 1.0);
	assert_int_equal(opts.payload, PAYLOAD_REDACTED);
	assert_int_equal(opts.interval, 10);
	assert_int_equal(opts.learn, 1000);
	assert_true(opts.false_alarms == 1.0);
	assert_true(opts.min_effect == 0.0075);
	assert_null(opts.service);
	assert_null(opts.cmd);
	assert_int_equal(opts.outputs.n, 0);
}

static void targets(void **state)
{
	(void)state;
	good("run -p 12 -p34 --pid=56 --pid 78 --port 8000 --comm uvi* --exe /usr/bin/* --cgroup "
	     "/a");
	assert_int_equal(opts.n_pids, 4);
	assert_int_equal(opts.pids[1], 34);
	assert_int_equal(opts.pids[3], 78);
	assert_int_equal(opts.ports[0], 8000);
	assert_string_equal(opts.comms.v[0], "uvi*");
	assert_null(opts.comms.v[1]);
	assert_string_equal(opts.exes.v[0], "/usr/bin/*");
	good("record -o x.cap -- uvicorn app:app --port 1 --help");
	assert_int_equal(cmd, CMD_RECORD);
	assert_false(opts.help);
	assert_string_equal(opts.cmd[0], "uvicorn");
	assert_string_equal(opts.cmd[4], "--help");
	assert_null(opts.cmd[5]);
	BAD("run", "run: no target", "-p PID", "--comm", "--exe", "--port", "--cgroup", "-- CMD");
	BAD("record -o x", "record: no target");
	BAD("run --", "-- needs a command");
	BAD("run 1234", "one argument too many: '1234'", "-p PID");
	BAD("replay f -- x", "-- CMD does not belong to replay");
	BAD("replay f -p 1", "--pid does not belong to replay", "run, record");
}

static void numbers(void **state)
{
	static const char *const not_counts[] = { "x",   "1x",  "-1",  "+1", "0x10",
						  "1.5", "1e3", "1_0", "１", "10 " };

	(void)state;
	for (size_t i = 0; i < sizeof(not_counts) / sizeof(not_counts[0]) - 1; i++) {
		char line[64];

		snprintf(line, sizeof(line), "run -p 1 --learn=%s", not_counts[i]);
		BAD(line, "--learn", not_counts[i], "is not a whole number", "10 to 1000000000",
		    "default 1000");
	}
	BAD("run -p 1 --learn=", "--learn: ''", "is not a whole number");
	BAD("run -p 1 --learn 5", "--learn: '5' is out of range", "10 to 1000000000");
	BAD("run -p 1 --learn 99999999999999999999", "is out of range");
	BAD("run -p 0", "--pid: '0' is out of range", "1 to 4194304");
	BAD("run -p abc", "--pid: 'abc' is not a whole number");
	BAD("run --port 65536", "--port: '65536' is out of range", "1 to 65535");
	BAD("run -p 1 --sample-rate 1.1", "--sample-rate: '1.1' is out of range", "0 to 1");
	BAD("run -p 1 --sample-rate nan", "is not a number");
	BAD("run -p 1 --sample-rate inf", "is not a number");
	BAD("run -p 1 --sample-rate 0x1", "is not a number");
	BAD("run -p 1 --sample-rate 1e999", "is out of range");
	BAD("run -p 1 --min-effect -0.1", "out of range");
	BAD("run -p 1 --interval 0", "out of range", "1 to 86400");
	BAD("run -p 1 --interval 5d", "is not a number of seconds");
	good("run -p 1 --interval 2m --sample-rate 0.25 --false-alarms 1e-2");
	assert_int_equal(opts.interval, 120);
	assert_true(opts.sample_rate == 0.25);
	assert_true(opts.false_alarms == 0.01);
}

static void sizes(void **state)
{
	static const char *const mib[] = { "1048576", "1024K", "1M", "1m", "1Mi", "1MiB", "1MB" };

	(void)state;
	for (size_t i = 0; i < sizeof(mib) / sizeof(mib[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "run -p 1 --buffer %s", mib[i]);
		good(line);
		assert_int_equal(opts.buffer, 1 << 20);
	}
	BAD("run -p 1 --buffer 1X", "--buffer: '1X' is not a size", "4K to 1G", "default 8M");
	BAD("run -p 1 --buffer M", "is not a size");
	BAD("run -p 1 --buffer 1MM", "is not a size");
	BAD("run -p 1 --buffer 1iB", "is not a size");
	BAD("run -p 1 --buffer 99999999T", "is not a size");
	BAD("run -p 1 --buffer 2G", "is out of range");
	good("run -p 1 --copy-bytes 4096");
	assert_int_equal(opts.copy_head, 4096);
	assert_int_equal(opts.copy_tail, 0);
	good("run -p 1 --copy-bytes 32K+32K");
	assert_int_equal(opts.copy_tail, 32768);
	BAD("run -p 1 --copy-bytes 32K+33K", "is out of range");
	BAD("run -p 1 --copy-bytes 1K+", "is not HEAD or HEAD+TAIL");
	BAD("run -p 1 --copy-bytes 1K+17179869184T", "HEAD");
	BAD("run -p 1 --sample-bytes 16M --max-memory 64M", "--sample-bytes", "--max-memory");
}

static void choices_and_texts(void **state)
{
	(void)state;
	good("replay f --payload none");
	assert_int_equal(opts.payload, PAYLOAD_NONE);
	good("replay f --payload=raw");
	assert_int_equal(opts.payload, PAYLOAD_RAW);
	BAD("replay f --payload redact", "--payload: 'redact'", "did you mean redacted?");
	BAD("replay f --payload xyz", "allowed: none|features|redacted|raw");
	good("replay f --tag a=1 --tag b=2 --tag a=3 --tag team/x.y-z=");
	assert_int_equal(opts.tags.n, 3);
	assert_string_equal(opts.tags.v[0], "a=3");
	BAD("replay f --tag a", "--tag: 'a' is not of its form", "KEY=VALUE");
	BAD("replay f --tag =b", "is not of its form");
	BAD("replay f --tag a\x01=b", "control characters");
	BAD("replay f --tag a\xff=b", "is not UTF-8");
	BAD("replay f --tag a\"=b", "KEY with other characters");
	BAD("replay f --redact x", "NAME=REGEX");
	BAD("replay f --redact x=", "NAME=REGEX");
	BAD("replay f --service=", "--service: '' is empty");
	good("baseline f --from csv --map a=b --map c=d -o out");
	assert_string_equal(opts.from, "csv");
	assert_int_equal(opts.maps.n, 2);
	BAD("baseline f --from cvs", "did you mean csv?");
	/* The last one counts, and nothing leaks (run under a leak checker). */
	good("replay f --service a --service b --learn 10 --learn 20");
	assert_string_equal(opts.service, "b");
	assert_int_equal(opts.learn, 20);
}

static void outputs(void **state)
{
	(void)state;
	good("replay f -o text -o jsonl:/tmp/x -ojsonl:y");
	assert_int_equal(opts.outputs.n, 3);
	good("replay f --output jsonl:-");
	BAD("replay f -o jsnol:x", "unknown format 'jsnol'", "did you mean jsonl:x?");
	BAD("replay f -o out.json", "unknown format 'out.json'", "-o jsonl:out.json");
	BAD("replay f -o otlp:dir", "otlp: not in this version");
	BAD("replay f -o prom", "prom: not in this version");
	BAD("replay f -o text -o jsonl", "write to the same stdout");
	BAD("replay f -o text:a -o jsonl:a", "write to the same file");
	good("record -p 1 -o jsonl:x");
	BAD("record -p 1", "record: no output file", "-o PATH");
	BAD("record -p 1 -o a -o b", "writes one file");
	BAD("run -p 1 --capture -", "--capture");
}

static void wrong_names(void **state)
{
	(void)state;
	BAD("run --lern 5", "unknown option '--lern'", "did you mean --learn?");
	BAD("run --out x", "unknown option '--out'", "did you mean --output?");
	BAD("run --fales-alarms=1", "unknown option '--fales-alarms'",
	    "did you mean --false-alarms?");
	BAD("run --zzzzzz", "unknown option '--zzzzzz'", "modelsnoop run --help");
	BAD("run -x", "unknown option '-x'");
	BAD("run -learn 5", "did you mean --learn?");
	BAD("rum -p 1", "unknown command 'rum'", "did you mean run?");
	BAD("recrod", "did you mean record?");
	BAD("quux", "unknown command 'quux'", "--help");
	BAD("", "no command");
	BAD("-p 1 run", "the command comes first");
	BAD("doctor --learn 5", "--learn does not belong to doctor", "run, replay");
	BAD("record -p 1 -o x --payload none", "--payload does not belong to record");
	BAD("run -p 1 --learn", "--learn needs a value", "--learn=N");
	BAD("run -p 1 --service --learn 50", "--service needs a value");
	BAD("replay", "replay: which file?");
	BAD("replay a b", "one argument too many: 'b'");
}

static void later_versions(void **state)
{
	static const char *const commands[] = { "merge", "explain x", "report", "top" };
	static const char *const options[] = { "auto",         "stdio",         "no-stdio",
					       "hang-after=3", "rotate=1M",     "label-path=/x",
					       "label-key=a",  "label-value=b", "state=/d" };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		BAD(commands[i], "not in this version");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "run -p 1 --%s", options[i]);
		BAD(line, "not in this version");
	}
	BAD("doctor -p 1", "not in this version of doctor");
}

static void help_anywhere(void **state)
{
	(void)state;
	good("--help");
	assert_true(opts.help);
	assert_int_equal(cmd, CMD_NONE);
	good("--version");
	assert_true(opts.version);
	good("run --bogus --help");
	assert_true(opts.help);
	assert_int_equal(cmd, CMD_RUN);
	good("doctor -V");
	assert_true(opts.version);
	good("merge --help");
	assert_int_equal(cmd, CMD_LATER);
	good("run -- sh --help");
	assert_false(opts.help);
}

static void service_from_environment(void **state)
{
	(void)state;
	setenv("OTEL_SERVICE_NAME", "from-env", 1);
	good("replay f");
	assert_string_equal(opts.service, "from-env");
	good("replay f --service mine");
	assert_string_equal(opts.service, "mine");
	setenv("OTEL_SERVICE_NAME", "a\nb", 1);
	BAD("replay f", "--service", "OTEL_SERVICE_NAME");
	setenv("OTEL_SERVICE_NAME", "", 1);
	good("replay f");
	assert_null(opts.service);
	unsetenv("OTEL_SERVICE_NAME");
}

/* ---- config file -------------------------------------------------------------------------- */

static char config_path[] = "/tmp/test_options.XXXXXX";

static void config_n(const char *text, size_t n)
{
	const int fd = open(config_path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
}

static void config(const char *text)
{
	config_n(text, strlen(text));
}

static const char *with_config(const char *line)
{
	static char all[256];

	snprintf(all, sizeof(all), "%s --config %s", line, config_path);
	return all;
}

static int make_config(void **state)
{
	const int fd = mkstemp(config_path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int drop_config(void **state)
{
	teardown(state);
	unlink(config_path);
	return 0;
}

static void config_is_read(void **state)
{
	(void)state;
	config("# a comment\n\n  learn = 77  # why\r\nservice=\"a # b \\\"c\\\"\"\n"
	       "tag = a=1\ntag = b=x#y\npid = 5\nredact = id=#[0-9]+\ninterval\t=\t3s");
	good(with_config("run"));
	assert_int_equal(opts.learn, 77);
	assert_string_equal(opts.service, "a # b \"c\"");
	assert_int_equal(opts.tags.n, 2);
	assert_string_equal(opts.tags.v[1], "b=x#y");
	assert_int_equal(opts.pids[0], 5);
	assert_string_equal(opts.redact.v[0], "id=#[0-9]+");
	assert_int_equal(opts.interval, 3);
	assert_int_equal(opts.sample_bytes, 16384);
}

static void command_line_wins(void **state)
{
	(void)state;
	config("learn = 77\ntag = a=1\nredact = x=y\npayload = none\n");
	good(with_config("replay f --learn 88 --tag b=2 --redact z=w"));
	assert_int_equal(opts.learn, 88);
	assert_int_equal(opts.tags.n, 1);
	assert_string_equal(opts.tags.v[0], "b=2");
	/* Rules that protect are never taken away by giving another one. */
	assert_int_equal(opts.redact.n, 2);
	assert_int_equal(opts.payload, PAYLOAD_NONE);
	/* A wrong value is one even where it does not count. */
	config("learn = x\n");
	BAD(with_config("replay f --learn 88"), ":1: learn: 'x'");
}

static void config_of_other_commands(void **state)
{
	(void)state;
	config("pid = 5\nlearn = 50\n");
	good(with_config("replay f"));
	assert_int_equal(opts.n_pids, 0);
	assert_int_equal(opts.learn, 50);
	good(with_config("doctor"));
	config("pid = x\n");
	BAD(with_config("replay f"), ":1: pid: 'x'");
}

static void config_errors(void **state)
{
	(void)state;
	config("learn = 50\n\nlern = 50\n");
	BAD(with_config("replay f"), config_path, ":3: unknown key 'lern'",
	    "did you mean 'learn'?");
	config("sample_bytes = 5\n");
	BAD(with_config("replay f"), ":1: unknown key 'sample_bytes'",
	    "did you mean 'sample-bytes'?");
	config("learn = 5\n");
	BAD(with_config("replay f"), ":1: learn: '5' is out of range", "10 to 1000000000");
	config("learn\n");
	BAD(with_config("replay f"), ":1: learn: no '='", "learn = N");
	config("learn 5\n");
	BAD(with_config("replay f"), ":1: learn: no '='");
	config("= 5\n");
	BAD(with_config("replay f"), ":1: unknown key ''");
	config("service = \"x\n");
	BAD(with_config("replay f"), ":1: a quote is not closed");
	config("service = \"x\" y\n");
	BAD(with_config("replay f"), ":1: there is more after");
	config("service =\n");
	BAD(with_config("replay f"), ":1: service: '' is empty");
	config("rotate = 1M\n");
	BAD(with_config("replay f"), ":1: rotate: not in this version");
	config("help = 1\n");
	BAD(with_config("replay f"), "help: belongs on the command line only");
	config("config = /x\n");
	BAD(with_config("replay f"), "config: belongs on the command line only");
	config_n("learn = 50\nservice = a\0b\n", 24);
	BAD(with_config("replay f"), ":2: a NUL byte");
	BAD("replay f --config /nonexistent/x", "cannot read '/nonexistent/x'", "No such file");
	BAD("replay f --config /tmp", "cannot read '/tmp'", "Is a directory");
}

static void config_that_everybody_writes(void **state)
{
	(void)state;
	config("learn = 50\n");
	chmod(config_path, 0666);
	good(with_config("replay f"));
	assert_int_equal(opts.learn, 50);
	config("learn = 50\non-alert = /bin/x\n");
	BAD(with_config("replay f"), ":2: on-alert: a file that everybody may write", "chmod o-w");
	chmod(config_path, 0600);
	good(with_config("replay f"));
	assert_string_equal(opts.on_alert, "/bin/x");
}

/* Any bytes as config or argument: an answer, no crash. */
static void noise(void **state)
{
	static const char letters[] = "learn=tagpid \"\\#\n\r\t=0159KMx-\xc3\xa4\x01";
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		char text[64];
		size_t n;

		for (n = 0; n < sizeof(text) - 1; n++) {
			seed = seed * 1664525 + 1013904223;
			text[n] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		text[n] = '\0';
		config(text);
		if (parse(with_config("replay f")))
			assert_int_equal(err.status, EXIT_USAGE);
		options_free(&opts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(table_is_sound, teardown),
		cmocka_unit_test_teardown(defaults, teardown),
		cmocka_unit_test_teardown(targets, teardown),
		cmocka_unit_test_teardown(numbers, teardown),
		cmocka_unit_test_teardown(sizes, teardown),
		cmocka_unit_test_teardown(choices_and_texts, teardown),
		cmocka_unit_test_teardown(outputs, teardown),
		cmocka_unit_test_teardown(wrong_names, teardown),
		cmocka_unit_test_teardown(later_versions, teardown),
		cmocka_unit_test_teardown(help_anywhere, teardown),
		cmocka_unit_test_teardown(service_from_environment, teardown),
	};
	const struct CMUnitTest config_tests[] = {
		cmocka_unit_test(config_is_read),
		cmocka_unit_test(command_line_wins),
		cmocka_unit_test(config_of_other_commands),
		cmocka_unit_test(config_errors),
		cmocka_unit_test(config_that_everybody_writes),
		cmocka_unit_test(noise),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	unsetenv("OTEL_SERVICE_NAME");
	failed += cmocka_run_group_tests(config_tests, make_config, drop_config);
	return failed;
}
