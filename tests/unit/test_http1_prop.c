/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_http1_prop.c - properties of the HTTP/1 parser over conversations made at random: what was
 * said is what comes out, however it is cut into calls; with gaps nothing is mispaired, what shows
 * no loss is whole, and the end of the stream is right again; damaged bytes do no harm.
 */
#include "test_http1_script.h"

static uint64_t rng_state;

static uint32_t rnd(uint32_t below) /* xorshift64*, Vigna 2016 */
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return (uint32_t)((rng_state * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

/* ---- conversations ---- */

#define MAX_X 24

struct truth {
	char method[8], target[24];
	int status, interims;
	bool last; /* of those that are asked before the first is answered */
	struct tap_text body[2]; /* request, response */
};
struct piece { /* what one side says without waiting for the other, and where it belongs */
	enum direction d; /* DIR_READ: a request */
	size_t x; /* exchange */
	struct tap_text bytes;
};
struct talk {
	struct truth x[MAX_X];
	size_t n;
	struct piece piece[MAX_X * 4];
	size_t pieces;
	bool to_close; /* the last response ends with the connection */
};

static void put(struct tap_text *t, const char *s)
{
	tap_add(t, s, strlen(s));
}

static void put_body(struct tap_text *t, bool wild)
{
	static const char *const bait[] = { "\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
					    "GET /bait HTTP/1.1\r\n\r\n", "\r\n\r\n",
					    "5\r\nhello\r\n" };
	uint32_t n = rnd(4) ? rnd(80) : rnd(3000);

	while (t->n < n) {
		char c = wild ? (char)rnd(256) : (char)('g' + rnd(20));

		if (wild && !rnd(12))
			put(t, bait[rnd(5)]);
		else
			tap_add(t, &c, 1);
	}
}

static void put_fields(struct tap_text *t, size_t id)
{
	static const char *const fields[] = {
		"Host: localhost:8000\r\n", "User-Agent:\t prop/1.0 \r\n",
		"Accept: */*\r\n",          "X-Empty:\r\n",
		"Content-Lengths: 7\r\n",   "x: y\r\n"
	};
	char line[40];

	for (uint32_t k = rnd(4); k; k--)
		put(t, fields[rnd(6)]);
	snprintf(line, sizeof(line), "X-Id: %zu\r\n", id);
	put(t, line);
}

static void put_chunked(struct tap_text *t, const struct tap_text *body)
{
	static const char *const ext[] = { "", "", "", ";a=b", " ;q=\"x\"" };
	char line[60];

	put(t, "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t off = 0; off < body->n;) {
		size_t k = 1 + rnd(rnd(2) ? 40 : 2000);

		if (k > body->n - off)
			k = body->n - off;
		snprintf(line, sizeof(line), rnd(2) ? "%zx%s\r\n" : "%03zX%s\r\n", k, ext[rnd(5)]);
		put(t, line);
		tap_add(t, body->p + off, k);
		put(t, "\r\n");
		off += k;
	}
	put(t, rnd(4) ? "0\r\n\r\n" : "0;last\r\nX-Trailer: t\r\n\r\n");
}

static void put_length(struct tap_text *t, const struct tap_text *body)
{
	char line[60];

	snprintf(line, sizeof(line), "content-length: %zu\r\n\r\n", body->n);
	put(t, line);
	tap_add(t, body->p, body->n);
}

static void make_request(struct truth *x, size_t id, struct tap_text *t, bool wild)
{
	static const char *const methods[] = { "GET", "POST", "HEAD", "PUT", "QUERY" };
	uint32_t m = rnd(5);

	snprintf(x->method, sizeof(x->method), "%s", methods[m]);
	snprintf(x->target, sizeof(x->target), "/%zu", id);
	put(t, rnd(8) ? "" : "\r\n");
	put(t, x->method);
	put(t, " ");
	put(t, x->target);
	put(t, " HTTP/1.1\r\n");
	put_fields(t, id);
	if (m == 1 || m == 3)
		put_body(&x->body[0], wild);
	if (m != 1 && m != 3)
		put(t, "\r\n");
	else if (rnd(2))
		put_chunked(t, &x->body[0]);
	else
		put_length(t, &x->body[0]);
}

static void make_response(struct truth *x, size_t id, struct tap_text *t, bool wild, bool to_close)
{
	static const int statuses[] = { 200, 200, 200, 201, 404, 500, 204, 304 };
	bool head = !strcmp(x->method, "HEAD");
	char line[60];

	x->interims = rnd(8) ? 0 : 1 + (int)rnd(2);
	for (int i = 0; i < x->interims; i++)
		put(t, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
	x->status = statuses[rnd(8)];
	snprintf(line, sizeof(line), "HTTP/1.%d %d Some Reason\r\n", to_close ? 0 : 1, x->status);
	put(t, line);
	put_fields(t, id);
	if (x->status == 204) {
		put(t, "\r\n");
	} else if (x->status == 304 || head) {
		put(t, rnd(2) ? "Content-Length: 12345\r\n\r\n" : "\r\n");
	} else {
		put_body(&x->body[1], wild);
		if (to_close) {
			put(t, "\r\n");
			tap_add(t, x->body[1].p, x->body[1].n);
		} else if (rnd(2)) {
			put_chunked(t, &x->body[1]);
		} else {
			put_length(t, &x->body[1]);
		}
	}
}

static void make_talk(struct talk *k, bool wild, bool pipelined)
{
	memset(k, 0, sizeof(*k));
	k->n = 2 + rnd(MAX_X - 2);
	k->to_close = !rnd(3);
	for (size_t i = 0; i < k->n;) {
		size_t group = pipelined ? 1 + rnd(5) : 1;

		if (i + group + 2 > k->n) /* the last two take turns */
			group = i + 3 < k->n ? k->n - 2 - i : 1;
		for (size_t j = i; j < i + group; j++) {
			struct piece *p = &k->piece[k->pieces++];

			p->d = DIR_READ;
			p->x = j;
			make_request(&k->x[j], j, &p->bytes, wild);
		}
		for (size_t j = i; j < i + group; j++) {
			struct piece *p = &k->piece[k->pieces++];

			p->d = DIR_WRITE;
			p->x = j;
			make_response(&k->x[j], j, &p->bytes, wild, k->to_close && j + 1 == k->n);
		}
		i += group;
		k->x[i - 1].last = true;
	}
}

static void free_talk(struct talk *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->x[i].body[0].p);
		free(k->x[i].body[1].p);
	}
	for (size_t i = 0; i < k->pieces; i++)
		free(k->piece[i].bytes.p);
}

static bool same_text(const struct tap_text *a, const struct tap_text *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->p, b->p, a->n));
}

static bool is_whole(const struct tap_x *x, const struct truth *w)
{
	return !strcmp(x->method, w->method) && !strcmp(x->target, w->target) &&
	       x->status == w->status && x->interims == w->interims &&
	       same_text(&x->req.body, &w->body[0]) && same_text(&x->res.body, &w->body[1]) &&
	       x->req.end && x->res.end && !x->aborted && !x->late && !x->anomalies.n &&
	       x->req.headers_end && x->res.headers_end;
}

static bool shows_loss(const struct tap_x *x)
{
	for (int k = 0; k < 2; k++)
		if (x->req.gap[k] || x->res.gap[k] || x->req.loss[k] || x->res.loss[k])
			return true;
	return x->req.size_unknown || x->res.size_unknown;
}

/* The id that a head carries; -1: none. */
static long head_id(const struct tap_side *s)
{
	const char *id = s->head.p ? strstr(s->head.p, "X-Id: ") : NULL;

	return id ? strtol(id + 6, NULL, 10) : -1;
}

static void finish(struct tap *t)
{
	t->c.closer = CLOSED_BY_TARGET;
	tap_eof(t, DIR_WRITE);
	tap_end(t, CLOSED_BY_TARGET, false, false);
	if (t->broken[0])
		fail_msg("%s", t->broken);
}

/* ---- properties ---- */

static void test_truth(void **state)
{
	(void)state;
	for (int round = 0; round < 1500; round++) {
		struct talk k;
		struct tap t;
		uint32_t most = rnd(3) ? 1 + rnd(100) : 1 + rnd(5000);

		rng_state = 0x9e3779b97f4a7c15ULL + (uint64_t)round;
		make_talk(&k, true, rnd(2));
		tap_init(&t, rnd(2) ? CONN_SERVER : CONN_UNKNOWN, false);
		for (size_t i = 0; i < k.pieces; i++) {
			const struct tap_text *b = &k.piece[i].bytes;

			for (size_t off = 0; off < b->n;) {
				size_t n = 1 + rnd(most);

				if (n > b->n - off)
					n = b->n - off;
				tap_bytes(&t, k.piece[i].d, b->p + off, n);
				off += n;
			}
		}
		finish(&t);
		assert_int_equal(t.n, k.n);
		for (size_t i = 0; i < k.n; i++)
			if (!is_whole(&t.x[i], &k.x[i]) || head_id(&t.x[i].req) != (long)i ||
			    head_id(&t.x[i].res) != (long)i)
				fail_msg("round %d, exchange %zu", round, i);
		tap_free(&t);
		free_talk(&k);
	}
}

static const char conv_requests[] =
	"\r\nPOST /a HTTP/1.1\r\nHost: x\r\nFold: a\r\n b\r\nTransfer-Encoding: chunked\r\n\r\n"
	"3;x\r\nabc\r\n1F\r\n0123456789012345678901234567890\r\n0\r\nT: u\r\n v\r\n\r\n"
	"HEAD /b HTTP/1.0\r\n\r\nPUT /c HTTP/1.1\nContent-Length: 4\n\nbodyGET /d HTTP/1.1\r\nX : "
	"y\r\n\r\n"
	"GET /e f HTTP/1.1\r\n\r\nPOST /g HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5 "
	"\nhello\n0\n\n";
static const char conv_responses[] =
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nHTTP/1.1 200\r\nTransfer-Encoding: "
	"chunked\r\n\r\n"
	"a\r\n0123456789\r\n0\r\nA: b\r\n\r\nHTTP/1.1 304 No\r\n\r\n\r\nHTTP/1.1 404 "
	"Not\nContent-Length: 0\n\n"
	"HTTP/1.0 200 OK\r\n\r\nuntil the end";

static void run_conv(size_t a, size_t b, size_t c, size_t d, struct tap_text *out)
{
	const size_t nq = sizeof(conv_requests) - 1, ns = sizeof(conv_responses) - 1;
	struct tap t;

	tap_init(&t, CONN_SERVER, false);
	tap_bytes(&t, DIR_READ, conv_requests, a);
	tap_bytes(&t, DIR_READ, conv_requests + a, b - a);
	tap_bytes(&t, DIR_READ, conv_requests + b, nq - b);
	tap_bytes(&t, DIR_WRITE, conv_responses, c);
	tap_bytes(&t, DIR_WRITE, conv_responses + c, d - c);
	tap_bytes(&t, DIR_WRITE, conv_responses + d, ns - d);
	finish(&t);
	tap_dump(&t, out);
	tap_free(&t);
}

static void test_two_way_splits(void **state)
{
	const size_t nq = sizeof(conv_requests) - 1, ns = sizeof(conv_responses) - 1;
	struct tap_text whole = { 0 }, cut = { 0 };

	(void)state;
	run_conv(nq, nq, ns, ns, &whole);
	assert_non_null(strstr(whole.p, "#5 POST /g"));
	for (size_t i = 0; i <= nq || i <= ns; i++) {
		run_conv(i < nq ? i : nq, nq, i < ns ? i : ns, ns, &cut);
		assert_string_equal(cut.p, whole.p);
	}
	/* and every place for two cuts that are close */
	for (size_t gap = 1; gap <= 3; gap++) {
		for (size_t i = 0; i + gap <= nq || i + gap <= ns; i++) {
			size_t q = i + gap <= nq ? i : 0, s = i + gap <= ns ? i : 0;

			run_conv(q, q + gap, s, s + gap, &cut);
			assert_string_equal(cut.p, whole.p);
		}
	}
	free(whole.p);
	free(cut.p);
}

/* A pipeline of which the first and the last are lost looks like no pipeline. */
static bool alone(const struct talk *k, const bool *seen, size_t q)
{
	bool piped = !k->x[q].last || (q && !k->x[q - 1].last);

	while (!k->x[q].last)
		if (seen[++q])
			return false;
	return piped;
}

/*
 * Calls are lost (met as a gap when the next bytes of that direction come) or copied in part (a
 * planned gap in their middle). Only the last two exchanges are spared; they take turns.
 */
static void gaps_round(uint64_t seed, bool pipelined, unsigned *whole, unsigned *all)
{
	uint64_t missing[2] = { 0, 0 };
	bool behind_loss[MAX_X] = { false }; /* bytes of requests before this one were lost */
	bool seen[MAX_X] = { false }; /* its request line was, in one call */
	bool lost_since = false;
	uint32_t most, loss_rate, cap;
	struct talk k;
	struct tap t;

	rng_state = seed;
	make_talk(&k, false, pipelined);
	k.to_close = false;
	tap_init(&t, rnd(2) ? CONN_SERVER : CONN_UNKNOWN, false);
	most = 20 + rnd(1000);
	loss_rate = 2 + rnd(30);
	cap = rnd(2) ? 40 + rnd(400) : UINT32_MAX;
	for (size_t i = 0; i < k.pieces; i++) {
		const struct tap_text *b = &k.piece[i].bytes;
		enum direction d = k.piece[i].d;
		bool spare = k.piece[i].x + 2 >= k.n;

		for (size_t off = 0; off < b->n;) {
			size_t n = spare ? b->n : 1 + rnd(most);

			if (n > b->n - off)
				n = b->n - off;
			if (!spare && !rnd(loss_rate)) {
				missing[d] += n;
				lost_since |= d == DIR_READ;
				off += n;
				continue;
			}
			if (missing[d])
				tap_gap(&t, d, missing[d], GAP_LOST);
			if (d == DIR_READ && off <= 2) {
				size_t x = k.piece[i].x;

				behind_loss[x] |= lost_since;
				seen[x] = (!off || (off == 2 && b->p[0] == '\r')) &&
					  memmem(b->p + off, n, "HTTP/1.1\r\n", 10);
				lost_since &= !seen[x];
			}
			missing[d] = 0;
			if (!spare && n > cap) {
				size_t half = cap / 2;

				tap_cut_call(&t, d, b->p + off, half, n - 2 * half, GAP_OMITTED,
					     b->p + off + n - half, half);
			} else {
				tap_bytes(&t, d, b->p + off, n);
			}
			off += n;
		}
	}
	finish(&t);
	assert_true(t.n <= k.n * 2);
	for (size_t i = 0; i < t.n; i++) {
		const struct tap_x *x = &t.x[i];
		long q = x->req.begun ? atol(x->target + 1) : -1, id = head_id(&x->res);

		/* the rest of its first line was lost, which did not show before the response */
		if (x->cut) {
			char asked[24];

			assert_true(id >= 0 || !x->res.headers_end || shows_loss(x));
			snprintf(asked, sizeof(asked), "/%ld", id);
			if (id >= 0)
				assert_int_equal(strncmp(asked, x->target, strlen(x->target)), 0);
			continue;
		}
		if (q >= 0 && behind_loss[q] && alone(&k, seen, (size_t)q))
			continue;
		if (q >= 0 && id >= 0 && q != id)
			fail_msg("seed %llu: request %ld with response %ld",
				 (unsigned long long)seed, q, id);
		if (q >= 0 && head_id(&x->req) >= 0)
			assert_int_equal(head_id(&x->req), q);
		if (q >= 0 && !shows_loss(x) && !x->aborted && !is_whole(x, &k.x[q]))
			fail_msg("seed %llu: exchange %zu shows no loss and is not whole",
				 (unsigned long long)seed, i);
		*whole += q >= 0 && is_whole(x, &k.x[q]);
	}
	*all += (unsigned)k.n;
	if (!t.n || !is_whole(&t.x[t.n - 1], &k.x[k.n - 1]))
		fail_msg("seed %llu: the last exchange is not right", (unsigned long long)seed);
	tap_free(&t);
	free_talk(&k);
}

/* Giving everything up would be no answer either. */
static void test_gaps(void **state)
{
	unsigned whole = 0, all = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 4000; seed++)
		gaps_round(seed * 0x2545f4914f6cdd1dULL, false, &whole, &all);
	assert_true(whole > all / 3);
}

static void test_gaps_pipelined(void **state)
{
	unsigned whole = 0, all = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++)
		gaps_round(seed * 0x2545f4914f6cdd1dULL, true, &whole, &all);
	assert_true(whole > all / 4);
}

/* One gap of any place and length in one direction of a talk that takes turns. */
static void test_every_gap(void **state)
{
	static const char *const turn[] = {
		"POST /0 HTTP/1.1\r\nX-Id: 0\r\nContent-Length: 4\r\n\r\nabcd",
		"HTTP/1.1 200 OK\r\nX-Id: 0\r\nTransfer-Encoding: "
		"chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"POST /1 HTTP/1.1\r\nX-Id: 1\r\nTransfer-Encoding: "
		"chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-Id: 1\r\nContent-Length: 5\r\n\r\nthere",
		"GET /2 HTTP/1.1\r\nX-Id: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-Id: 2\r\nContent-Length: 2\r\n\r\nok",
		"GET /3 HTTP/1.1\r\nX-Id: 3\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-Id: 3\r\nContent-Length: 2\r\n\r\nok",
	};

	(void)state;
	for (int at = 0; at < 4; at++) {
		const size_t len = strlen(turn[at]);

		for (size_t from = 0; from < len; from++) {
			for (size_t n = 1; n <= len - from; n++) {
				struct tap t;
				const struct tap_x *last;

				tap_init(&t, CONN_SERVER, false);
				for (int i = 0; i < 8; i++) {
					enum direction d = (enum direction)(i & 1);

					if (i != at) {
						tap_bytes(&t, d, turn[i], strlen(turn[i]));
						continue;
					}
					tap_cut_call(&t, d, turn[i], from, n,
						     n & 1 ? GAP_LOST : GAP_OMITTED,
						     turn[i] + from + n, len - from - n);
				}
				finish(&t);
				last = &t.x[t.n - 1];
				assert_string_equal(last->target, "/3");
				assert_int_equal(head_id(&last->res), 3);
				assert_true(last->res.end && last->req.end);
				for (size_t i = 0; i < t.n; i++)
					if (t.x[i].req.begun && t.x[i].target[0] &&
					    t.x[i].target[1] && head_id(&t.x[i].res) >= 0)
						assert_int_equal(head_id(&t.x[i].res),
								 atol(t.x[i].target + 1));
				tap_free(&t);
			}
		}
	}
}

static void test_byte_flips(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct talk k;
		struct tap t;
		size_t calls = 0;

		rng_state = 0xd1342543de82ef95ULL + (uint64_t)round;
		make_talk(&k, true, rnd(2));
		tap_init(&t, (enum conn_role)rnd(3), rnd(4) == 0);
		for (uint32_t f = 1 + rnd(4); f; f--) {
			struct tap_text *b = &k.piece[rnd((uint32_t)k.pieces)].bytes;

			b->p[rnd((uint32_t)b->n)] ^= (char)(1u << rnd(8));
		}
		for (size_t i = 0; i < k.pieces; i++) {
			const struct tap_text *b = &k.piece[i].bytes;

			for (size_t off = 0; off < b->n;) {
				size_t n = 1 + rnd(3000);

				if (n > b->n - off)
					n = b->n - off;
				tap_bytes(&t, k.piece[i].d, b->p + off, n);
				off += n;
				calls++;
			}
		}
		finish(&t);
		/* bodies hold start lines as bait: at worst each call begins with one */
		assert_true(t.n <= k.n * 2 + calls);
		tap_free(&t);
		free_talk(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truth),     cmocka_unit_test(test_two_way_splits),
		cmocka_unit_test(test_gaps),      cmocka_unit_test(test_gaps_pipelined),
		cmocka_unit_test(test_every_gap), cmocka_unit_test(test_byte_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
