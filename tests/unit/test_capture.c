// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_capture.c - capture files: what was written is read; whatever breaks costs what it must, no
 * more. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/capture.h"
#include "capture/format.h"

static const struct capture_meta meta = {
	.arch = "x86_64",
	.hz = 250,
	.boot_id = "b1b2b3b4-0000-1111-2222-333344445555",
	.run_id = "0123456789abcdef0123456789abcdef",
	.version = "0.1.0",
	.created = 1790000000123456789,
};

static char dir[] = "/tmp/test_capture.XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static const char *in_dir(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* Content of record i: its length and bytes follow from i. */
static size_t content(unsigned i, uint8_t *p)
{
	size_t n = i % 7 == 6 ? 60000 : 48 + i * 37 % 900;

	for (size_t k = 0; k < n; k++)
		p[k] = (uint8_t)(i * 31 + k * 7 + (k >> 8));
	return n;
}

static bool is_content(unsigned i, const void *p, size_t n)
{
	static uint8_t want[EV_MAX_LEN];

	return n == content(i, want) && !memcmp(p, want, n);
}

static void write_file(const char *path, unsigned records)
{
	static uint8_t b[EV_MAX_LEN];
	struct err e;
	struct capture_writer *w = capture_create(path, &meta, &e);

	assert_non_null(w);
	for (unsigned i = 0; i < records; i++) {
		size_t n = content(i, b);

		assert_int_equal(capture_write(w, b, n), 0);
	}
	assert_int_equal(capture_lost(w), 0);
	assert_int_equal(capture_close(w), 0);
}

static uint8_t *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = malloc(16 << 20);

	assert_non_null(f);
	assert_non_null(p);
	*n = fread(p, 1, 16 << 20, f);
	fclose(f);
	return p;
}

static void spit(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

/* Read to the end; every record must be one that was written, in order. Returns how many. */
static unsigned read_all(struct capture_reader *r, unsigned written, struct capture_damage *d)
{
	unsigned got = 0, at = 0;
	const void *raw;
	size_t n;
	int ret;

	while ((ret = capture_read(r, &raw, &n)) == 1) {
		while (at < written && !is_content(at, raw, n))
			at++;
		assert_true(at < written);
		at++;
		got++;
	}
	capture_damage(r, d);
	assert_int_equal(d->records, got);
	assert_int_equal(ret, d->cut && (got || d->bad_records || d->skipped_types) ? -1 : 0);
	assert_int_equal(capture_read(r, &raw, &n), ret); /* and so for ever */
	return got;
}

static void round_trip(void **state)
{
	const char *path = in_dir("round");
	struct capture_reader *r;
	struct capture_damage d;
	struct capture_meta m;
	struct stat st;
	struct err e;

	(void)state;
	write_file(path, 100);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	r = capture_open(path, &m, &e);
	assert_non_null(r);
	assert_memory_equal(&m, &meta, sizeof(m));
	assert_int_equal(read_all(r, 100, &d), 100);
	assert_int_equal(d.bad_records + d.bytes_skipped + d.skipped_types, 0);
	assert_false(d.cut);
	capture_reader_free(r);
	/* a shorter one in its place */
	assert_int_equal(chmod(path, 0666), 0);
	write_file(path, 3);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	r = capture_open(path, &m, &e);
	assert_int_equal(read_all(r, 3, &d), 3);
	assert_false(d.cut);
	capture_reader_free(r);
}

/* The bytes are those that the README tells; the two checksums were computed by other means. */
static void layout(void **state)
{
	const char *path = in_dir("layout");
	struct capture_writer *w;
	struct err e;
	uint8_t *p;
	size_t n;
	uint32_t v;

	(void)state;
	w = capture_create(path, &meta, &e);
	assert_int_equal(capture_write(w, "0123456789", 10), 0);
	assert_int_equal(capture_close(w), 0);
	p = slurp(path, &n);
	assert_int_equal(n, 176 + 16 + 10 + 16 + 16);
	assert_memory_equal(p, "\x89MSCAP\r\n\x04\x03\x02\x01\x01\0\0\0\xb0\0\0\0\xfa\0\0\0", 24);
	assert_memory_equal(p + 40, "x86_64", 7);
	assert_memory_equal(p + 56, meta.boot_id, 36);
	assert_memory_equal(p + 96, meta.run_id, 32);
	assert_memory_equal(p + 136, "0.1.0", 6);
	memcpy(&v, p + 172, 4);
	assert_int_equal(v, crc32(0, p, 172));
	assert_memory_equal(p + 176, "\xa9\x5c\xab\xcd\x0a\0\0\0\x01\0\0\0", 12);
	assert_memory_equal(p + 192, "0123456789", 10);
	assert_memory_equal(p + 202, "\xa9\x5c\xab\xcd\x10\0\0\0\x02\0\0\0", 12);
	assert_memory_equal(p + 218, "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	free(p);
}

/* Cut anywhere: all whole records before the cut are read. */
static void any_cut(void **state)
{
	const char *path = in_dir("cut");
	size_t n, whole = sizeof(struct cap_header), k = 0;
	struct capture_damage d;
	struct capture_meta m;
	struct err e;
	uint8_t *p;

	(void)state;
	write_file(path, 6);
	p = slurp(path, &n);
	for (size_t cut = 0; cut < n; cut++) {
		static uint8_t b[EV_MAX_LEN];
		struct capture_reader *r = capture_open_mem(p, cut, &m, &e);

		if (cut < sizeof(struct cap_header)) {
			assert_null(r);
			assert_int_equal(e.status, EXIT_FAILED);
			continue;
		}
		assert_non_null(r);
		while (k < 6 && cut >= whole + sizeof(struct cap_record) + content((unsigned)k, b))
			whole += sizeof(struct cap_record) + content((unsigned)k++, b);
		assert_int_equal(read_all(r, 6, &d), k);
		assert_true(d.cut);
		assert_int_equal(d.bytes_skipped, cut - whole);
		capture_reader_free(r);
	}
	free(p);
}

/* Any byte changed: at most the record that it is in is missing, and it is counted. */
static void any_flip(void **state)
{
	const char *path = in_dir("flip");
	struct capture_damage d;
	struct capture_meta m;
	struct err e;
	uint8_t *p;
	size_t n;

	(void)state;
	write_file(path, 6);
	p = slurp(path, &n);
	for (size_t i = 0; i < n; i++) {
		const uint8_t was = p[i];
		struct capture_reader *r;

		p[i] ^= (uint8_t)(1 + i % 255);
		r = capture_open_mem(p, n, &m, &e);
		if (i < 16) {
			assert_null(r); /* magic, byte order, version */
		} else if (i < sizeof(struct cap_header)) {
			assert_non_null(r);
			assert_int_equal(read_all(r, 6, &d), 6);
			assert_false(d.cut);
			assert_int_equal(d.bad_records, 1);
		} else {
			unsigned got;

			assert_non_null(r);
			got = read_all(r, 6, &d);
			if (i >= n - sizeof(struct cap_record) - sizeof(struct cap_end)) {
				assert_int_equal(got, 6);
				assert_true(d.cut);
			} else {
				assert_int_equal(got, 5);
				assert_false(d.cut);
			}
			assert_int_equal(d.bad_records, 1);
			assert_true(d.bytes_skipped > 0);
		}
		capture_reader_free(r);
		p[i] = was;
	}
	free(p);
}

/* Stretches of the file vanish, are doubled or turn to noise: the rest is found again. */
static void any_stretch(void **state)
{
	const char *path = in_dir("stretch");
	struct capture_damage d;
	struct capture_meta m;
	struct err e;
	uint8_t *p, *q;
	size_t n;
	uint32_t x = 12345;

	(void)state;
	write_file(path, 60);
	p = slurp(path, &n);
	q = malloc(n);
	for (unsigned round = 0; round < 300; round++) {
		const size_t head = sizeof(struct cap_header);
		struct capture_reader *r;
		size_t a, len;

		x = x * 1103515245 + 12345;
		a = head + (x >> 8) % (n - head);
		x = x * 1103515245 + 12345;
		len = (x >> 8) % 5000;
		if (len > n - a)
			len = n - a;
		memcpy(q, p, n);
		if (round % 2) {
			for (size_t i = 0; i < len; i++)
				q[a + i] = (uint8_t)(x >> (i % 24));
			r = capture_open_mem(q, n, &m, &e);
		} else {
			memmove(q + a, q + a + len, n - a - len);
			r = capture_open_mem(q, n - len, &m, &e);
		}
		assert_non_null(r);
		/* a record is at least 64 bytes: so many can be touched */
		assert_true(read_all(r, 60, &d) + len / 64 + 2 >= 60);
		if (!d.cut)
			assert_true(d.records + d.bad_records >= 60 || !len);
		capture_reader_free(r);
	}
	free(q);
	free(p);
}

static size_t put_record(uint8_t *to, uint32_t seed, uint16_t type, const void *p, uint32_t n)
{
	struct cap_record rec = { .mark = CAP_MARK, .len = n, .type = type };

	rec.crc = cap_crc(seed, &rec, p, n);
	memcpy(to, &rec, sizeof(rec));
	if (n)
		memcpy(to + sizeof(rec), p, n);
	return sizeof(rec) + n;
}

static void unknown_types(void **state)
{
	const char *path = in_dir("types");
	struct capture_damage d;
	struct capture_meta m;
	struct capture_reader *r;
	static uint8_t q[4096], b[EV_MAX_LEN];
	struct err e;
	uint32_t seed;
	uint8_t *p;
	size_t n, at;

	(void)state;
	write_file(path, 2);
	p = slurp(path, &n);
	memcpy(&seed, p + 172, 4);
	at = sizeof(struct cap_header);
	memcpy(q, p, at);
	at += put_record(q + at, seed, 7, "later", 5);
	at += put_record(q + at, seed, CAP_EVENT, b, (uint32_t)content(0, b));
	at += put_record(q + at, seed, 65535, NULL, 0);
	at += put_record(q + at, seed, CAP_END, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0more", 20);
	r = capture_open_mem(q, at, &m, &e);
	assert_int_equal(read_all(r, 2, &d), 1);
	assert_int_equal(d.skipped_types, 2);
	assert_int_equal(d.bad_records + d.bytes_skipped, 0);
	assert_false(d.cut);
	capture_reader_free(r);
	free(p);
}

/* Records of another capture inside a payload are not taken for records when the frame breaks. */
static void capture_in_a_payload(void **state)
{
	struct capture_meta other = meta, m;
	const char *path = in_dir("inner");
	struct capture_writer *w;
	struct capture_reader *r;
	struct capture_damage d;
	struct err e;
	uint8_t *inner, *p;
	size_t n_inner, n;
	const void *raw;

	(void)state;
	w = capture_create(path, &meta, &e);
	capture_write(w, "inner record", 12);
	capture_close(w);
	inner = slurp(path, &n_inner);
	other.created++;
	w = capture_create(path, &other, &e);
	capture_write(w, inner, n_inner);
	capture_write(w, "outer record", 12);
	capture_close(w);
	p = slurp(path, &n);
	p[sizeof(struct cap_header)] ^= 1; /* the frame of the first */
	r = capture_open_mem(p, n, &m, &e);
	assert_int_equal(capture_read(r, &raw, &n), 1);
	assert_int_equal(n, 12);
	assert_memory_equal(raw, "outer record", 12);
	assert_int_equal(capture_read(r, &raw, &n), 0);
	capture_damage(r, &d);
	assert_int_equal(d.bad_records, 1);
	capture_reader_free(r);
	free(p);
	free(inner);
}

static void unreadable(void **state)
{
	struct capture_meta m;
	struct err e;
	uint8_t *p;
	size_t n;

	(void)state;
	assert_null(capture_open(in_dir("nothing"), &m, &e));
	assert_int_equal(e.status, EXIT_USAGE);
	assert_null(capture_open(dir, &m, &e));
	assert_int_equal(e.status, EXIT_USAGE);
	spit(in_dir("x"), "", 0);
	assert_null(capture_open(in_dir("x"), &m, &e));
	assert_int_equal(e.status, EXIT_FAILED);
	assert_string_equal(e.why, "it is empty");
	spit(in_dir("x"), "{\"ts\":\"2026\"}\n{}", 16);
	assert_null(capture_open(in_dir("x"), &m, &e));
	assert_int_equal(e.status, EXIT_FAILED);
	write_file(in_dir("x"), 1);
	p = slurp(in_dir("x"), &n);
	p[12]++;
	spit(in_dir("x"), p, n);
	assert_null(capture_open(in_dir("x"), &m, &e));
	assert_int_equal(e.status, EXIT_FAILED);
	assert_non_null(strstr(e.why, "version"));
	free(p);
}

/* No records, no end mark: what an agent leaves that was killed at once. */
static void only_a_header(void **state)
{
	struct capture_damage d;
	struct capture_meta m;
	struct capture_reader *r;
	struct err e;
	uint8_t *p;
	size_t n;

	(void)state;
	write_file(in_dir("x"), 0);
	p = slurp(in_dir("x"), &n);
	r = capture_open_mem(p, sizeof(struct cap_header), &m, &e);
	assert_int_equal(read_all(r, 0, &d), 0);
	assert_true(d.cut);
	capture_reader_free(r);
	r = capture_open_mem(p, n, &m, &e);
	assert_int_equal(read_all(r, 0, &d), 0);
	assert_false(d.cut);
	capture_reader_free(r);
	free(p);
}

static void from_stdin(void **state)
{
	const char *path = in_dir("in");
	struct capture_damage d;
	struct capture_reader *r;
	struct capture_meta m;
	int was = dup(0), fd[2];
	struct err e;
	pid_t pid;

	(void)state;
	write_file(path, 50);
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (!pid) {
		char b[1000];
		int in = open(path, O_RDONLY);
		ssize_t n;

		close(fd[0]);
		while ((n = read(in, b, sizeof(b))) > 0)
			if (write(fd[1], b, (size_t)n) != n)
				_exit(1);
		_exit(0);
	}
	close(fd[1]);
	dup2(fd[0], 0);
	close(fd[0]);
	r = capture_open("-", &m, &e);
	assert_non_null(r);
	assert_int_equal(read_all(r, 50, &d), 50);
	assert_false(d.cut);
	capture_reader_free(r);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	dup2(was, 0);
	close(was);
}

static void no_symlinks(void **state)
{
	char link[96], target[96];
	struct stat st;
	struct err e;

	(void)state;
	snprintf(target, sizeof(target), "%s/target", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	spit(target, "precious", 8);
	assert_int_equal(symlink(target, link), 0);
	assert_null(capture_create(link, &meta, &e));
	assert_int_equal(e.status, EXIT_FAILED);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 8);
	/* one that leads nowhere makes no file either */
	unlink(target);
	assert_null(capture_create(link, &meta, &e));
	assert_int_not_equal(stat(target, &st), 0);
	assert_null(capture_create(dir, &meta, &e));
	assert_null(capture_create(in_dir("no/such/dir"), &meta, &e));
	assert_int_equal(e.status, EXIT_FAILED);
}

/* The device takes no more: the file ends at a whole record, and what follows is counted. */
static void full_disk(void **state)
{
	const char *path = in_dir("full");
	struct rlimit was, limit;
	static uint8_t b[EV_MAX_LEN];
	struct capture_damage d;
	struct capture_writer *w;
	struct capture_reader *r;
	struct capture_meta m;
	unsigned failed = 0;
	struct stat st;
	struct err e;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	limit = was;
	limit.rlim_cur = 700001;
	w = capture_create(path, &meta, &e);
	assert_non_null(w);
	setrlimit(RLIMIT_FSIZE, &limit);
	for (unsigned i = 0; i < 100; i++)
		failed += capture_write(w, b, content(i, b)) != 0;
	assert_int_equal(capture_flush(w), -EFBIG);
	assert_true(failed > 0);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(capture_write(w, b, content(0, b)),
			 -EFBIG); /* not once there is room again */
	d.records = 101 - capture_lost(w);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= 700001 && st.st_size > 600000);
	assert_int_equal(capture_close(w), -EFBIG);
	r = capture_open(path, &m, &e);
	assert_non_null(r);
	{
		const unsigned kept = (unsigned)d.records;

		assert_int_equal(read_all(r, 100, &d), kept);
	}
	assert_true(d.cut);
	assert_int_equal(d.bad_records + d.bytes_skipped, 0);
	capture_reader_free(r);

	/* not even the header */
	unlink(path);
	limit.rlim_cur = 100;
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_null(capture_create(path, &meta, &e));
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(e.status, EXIT_FAILED);
	assert_int_not_equal(stat(path, &st), 0);
}

static void too_long(void **state)
{
	static uint8_t b[EV_MAX_LEN + 1];
	struct capture_damage d;
	struct capture_writer *w;
	struct capture_reader *r;
	struct capture_meta m;
	struct err e;
	const void *raw;
	size_t n;

	(void)state;
	w = capture_create(in_dir("long"), &meta, &e);
	assert_int_equal(capture_write(w, b, sizeof(b)), -EMSGSIZE);
	assert_int_equal(capture_lost(w), 1);
	assert_int_equal(capture_write(w, b, sizeof(b) - 1), 0);
	assert_int_equal(capture_close(w), 0);
	r = capture_open(in_dir("long"), &m, &e);
	assert_int_equal(capture_read(r, &raw, &n), 1);
	assert_int_equal(n, EV_MAX_LEN);
	assert_int_equal(capture_read(r, &raw, &n), 0);
	capture_damage(r, &d);
	assert_int_equal(d.bad_records, 0);
	capture_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(layout),
		cmocka_unit_test(any_cut),
		cmocka_unit_test(any_flip),
		cmocka_unit_test(any_stretch),
		cmocka_unit_test(unknown_types),
		cmocka_unit_test(capture_in_a_payload),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(only_a_header),
		cmocka_unit_test(from_stdin),
		cmocka_unit_test(no_symlinks),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
