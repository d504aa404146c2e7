/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* filter.c - where fingerprints stand: Teddy on SSSE3 and NEON, a table look-up a byte elsewhere.
 */
#include "privacy/filter.h"

#include <string.h>

#if defined(__x86_64__)
#include <tmmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static const char fingerprints[][4] = {
	/* names that hold secrets (names.c) */
	"pas",
	"pwd",
	"sec",
	"ses",
	"ssn",
	"tok",
	"key",
	"aut",
	"cre",
	"coo",
	"cvv",
	"cvc",
	"jwt",
	"bea",
	"car",
	"otp",
	"csr",
	"xsr",
	"iba",
	"soc",
	"pw=",
	"pw:",
	"pw\"",
	"pw ",
	"pw'",
	"pw\\",
	"pw\t",
	"pw/",
	/* ends of prefixes (scan.c) */
	"sk-",
	"hf_",
	"hp_",
	"ho_",
	"hu_",
	"hs_",
	"hr_",
	"at_",
	"xb-",
	"xa-",
	"xp-",
	"xr-",
	"xs-",
	"xe-",
	"pp-",
	"at-",
	"pi-",
	"lx-",
	"ai-",
	"sk_",
	"ve_",
	"st_",
	"pm_",
	"ec_",
	"r8_",
	/* JWT, clouds, schemes, PEM, escapes that may hide ASCII, a coded @ */
	"eyj",
	"aki",
	"asi",
	"aiz",
	"bas",
	"---",
	"\\u0",
	"%40",
	/* form-data */
	"m-d",
};

#define LETTER(c) ((c)&31)
#define PAIR(a, b) (LETTER(a) << 5 | LETTER(b))

static void add_nibbles(struct filter *f, unsigned at, char c, uint8_t bucket)
{
	f->low[at][c & 15] |= bucket;
	f->high[at][(uint8_t)c >> 4] |= bucket;
	if (c >= 'a' && c <= 'z')
		f->high[at][((uint8_t)c >> 4) - 2] |= bucket; /* the capital */
}

void filter_init(struct filter *f)
{
	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < sizeof(fingerprints) / sizeof(fingerprints[0]); i++) {
		const char *s = fingerprints[i];
		const uint8_t bucket = (uint8_t)(1u << (s[0] & 7));

		for (unsigned at = 0; at < 3; at++)
			add_nibbles(f, at, s[at], bucket);
		f->exact[PAIR(s[0], s[1])] |= 1u << LETTER(s[2]);
	}
}

static bool is_exact(const struct filter *f, const uint8_t *p)
{
	return f->exact[PAIR(p[0], p[1])] >> LETTER(p[2]) & 1;
}

static size_t next_by_table(const struct filter *f, const uint8_t *p, size_t n, size_t i)
{
	for (; i + 3 <= n; i++)
		if (is_exact(f, p + i))
			return i;
	return n;
}

/* A bit for each of 16 positions at which all three bytes share a bucket; as many bits as STEP
 * apart. */
#if defined(__x86_64__)
#define VECTOR 1
#define STEP 1
__attribute__((target("ssse3"))) static inline __m128i buckets(const struct filter *f, unsigned at,
							       const uint8_t *p)
{
	const __m128i v = _mm_loadu_si128((const __m128i *)p), nibble = _mm_set1_epi8(15);
	const __m128i low = _mm_loadu_si128((const __m128i *)f->low[at]);
	const __m128i high = _mm_loadu_si128((const __m128i *)f->high[at]);

	return _mm_and_si128(_mm_shuffle_epi8(low, _mm_and_si128(v, nibble)),
			     _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(v, 4), nibble)));
}

__attribute__((target("ssse3"))) static uint64_t candidates(const struct filter *f,
							    const uint8_t *p)
{
	const __m128i all = _mm_and_si128(_mm_and_si128(buckets(f, 0, p), buckets(f, 1, p + 1)),
					  buckets(f, 2, p + 2));

	return (uint16_t)~_mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_setzero_si128()));
}

static bool has_vector(void)
{
	return __builtin_cpu_supports("ssse3");
}
#elif defined(__aarch64__)
#define VECTOR 1
#define STEP 4
static inline uint8x16_t buckets(const struct filter *f, unsigned at, const uint8_t *p)
{
	const uint8x16_t v = vld1q_u8(p);

	return vandq_u8(vqtbl1q_u8(vld1q_u8(f->low[at]), vandq_u8(v, vdupq_n_u8(15))),
			vqtbl1q_u8(vld1q_u8(f->high[at]), vshrq_n_u8(v, 4)));
}

static uint64_t candidates(const struct filter *f, const uint8_t *p)
{
	const uint8x16_t all =
		vandq_u8(vandq_u8(buckets(f, 0, p), buckets(f, 1, p + 1)), buckets(f, 2, p + 2));
	const uint8x16_t hit = vtstq_u8(all, all);

	return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(hit), 4)), 0) &
	       0x1111111111111111u;
}

static bool has_vector(void)
{
	return true;
}
#else
#define VECTOR 0
#endif

size_t filter_next(const struct filter *f, const uint8_t *p, size_t n, size_t i)
{
#if VECTOR
	if (has_vector())
		for (; i + 18 <= n; i += 16)
			for (uint64_t hits = candidates(f, p + i); hits; hits &= hits - 1) {
				const size_t at = i + (size_t)__builtin_ctzll(hits) / STEP;

				if (is_exact(f, p + at))
					return at;
			}
#endif
	return next_by_table(f, p, n, i);
}
