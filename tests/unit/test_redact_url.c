/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_redact_url.c - queries, paths, arguments, environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "privacy/redact.h"

#include <string.h>

static struct redactor *red;
static struct buf out;

typedef unsigned (*redact_fn)(const struct redactor *, struct buf *, const char *, size_t);

static const char *through(redact_fn fn, const char *in)
{
	buf_clear(&out);
	fn(red, &out, in, strlen(in));
	buf_putc(&out, '\0');
	return out.p;
}

#define QUERY(in, want) assert_string_equal(through(redact_query, in), want)
#define PATH(in, want) assert_string_equal(through(redact_path, in), want)

static void arg_is(const char *prev, const char *arg, const char *want)
{
	buf_clear(&out);
	redact_arg(red, &out, prev, arg);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, want);
}

static void env_is(const char *name, const char *value, const char *want)
{
	buf_clear(&out);
	redact_env(red, &out, name, value);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, want);
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	red = redactor_new(PAYLOAD_REDACTED, NULL, 0, &e);
	return red ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	redactor_free(red);
	buf_free(&out);
	return 0;
}

static void queries(void **state)
{
	(void)state;
	QUERY("api_key=abc&n=1", "api_key=[REDACTED:key:4]&n=1");
	QUERY("api%5Fkey=abc", "api%5Fkey=[REDACTED:key:4]");
	QUERY("user[password]=abc&user%5Bpassword%5D=d",
	      "user[password]=[REDACTED:key:4]&user%5Bpassword%5D=[REDACTED:key:1]");
	QUERY("q=joe%40x.com&r=joe@x.com", "q=[REDACTED:email:16]&r=[REDACTED:email:16]");
	QUERY("q=Bearer+abcdef123456", "q=Bearer%20[REDACTED:bearer:16]");
	QUERY("X-Amz-Signature=0123abcd&sig=x&key=y",
	      "X-Amz-Signature=[REDACTED:key:8]&sig=[REDACTED:key:1]&key=[REDACTED:key:1]");
	QUERY("u=http%3A%2F%2Fa%3Ab%40h", "u=http:%2F%2Fa:[REDACTED:password:1]@h");
	QUERY("j=%7B%22password%22%3A%22x%22%7D", "j={%22password%22:%22[REDACTED:key:1]%22}");
	QUERY("joe%40x.com", "[REDACTED:email:16]");
	QUERY("joe@x.com=1", "[REDACTED:email:16]=1");
	QUERY("a=b&&=&c&max_tokens=5&token=", "a=b&&=&c&max_tokens=5&token=");
	QUERY("a=100%&b=%zz&c=%4", "a=100%&b=%zz&c=%4");
	QUERY("token=[REDACTED:key:8]", "token=[REDACTED:key:8]");
	QUERY("", "");
}

static void paths(void **state)
{
	(void)state;
	PATH("/v1/chat/completions", "/v1/chat/completions");
	PATH("/v2/models/Meta-Llama-3-8B-Instruct-GPTQ-Q4/infer",
	     "/v2/models/Meta-Llama-3-8B-Instruct-GPTQ-Q4/infer");
	PATH("/runs/123e4567-e89b-12d3-a456-426614174000",
	     "/runs/123e4567-e89b-12d3-a456-426614174000");
	PATH("/blobs/0123456789abcdef0123456789abcdef01234567",
	     "/blobs/0123456789abcdef0123456789abcdef01234567");
	PATH("/users/joe@x.com/", "/users/[REDACTED:email:16]/");
	PATH("/users/joe%40x.com", "/users/[REDACTED:email:16]");
	PATH("/bot12345:AAabcDEF1234ghIJKL567mnop89x/send", "/[REDACTED:key:64]/send");
	PATH("/services/T0001/B0002/aBcD1234eFgH5678iJkL9012",
	     "/services/T0001/B0002/[REDACTED:key:32]");
	PATH("/reset/token/abc12345", "/reset/token/[REDACTED:key:8]");
	PATH("/auth/login", "/auth/login");
	PATH("/a;jsessionid=abcdef12", "/a;jsessionid=[REDACTED:key:8]");
	PATH("/sk-abcdefgh12345678", "/[REDACTED:api_key:32]");
	PATH("/token/[REDACTED:key:8]", "/token/[REDACTED:key:8]");
	PATH("", "");
}

static void arguments(void **state)
{
	(void)state;
	arg_is(NULL, "--api-key=abc", "--api-key=[REDACTED:key:4]");
	arg_is("--api-key", "abc", "[REDACTED:key:4]");
	arg_is("--password", "--dashpw1", "[REDACTED:key:16]");
	arg_is("--password", "-pw", "[REDACTED:key:4]");
	arg_is("--password=x", "--verbose", "--verbose");
	arg_is("--model", "abc", "abc");
	arg_is(NULL, "HF_TOKEN=abc", "HF_TOKEN=[REDACTED:key:4]");
	arg_is(NULL, "-Ddb.password=abc def", "-Ddb.password=[REDACTED:key:8]");
	arg_is("--db", "postgres://u:p@h/x", "postgres://u:[REDACTED:password:1]@h/x");
	arg_is(NULL, "--db=postgres://u:p@h/x", "--db=postgres://u:[REDACTED:password:1]@h/x");
	arg_is("-u", "joe:abc", "joe:[REDACTED:key:4]");
	arg_is("-H", "Authorization: Bearer abc", "Authorization: [REDACTED:key:16]");
	arg_is("-d", "{\"password\":\"x\"}", "{\"password\":\"[REDACTED:key:1]\"}");
	arg_is("--max-tokens", "5", "5");
	arg_is(NULL, "--max-model-len=4096", "--max-model-len=4096");
	arg_is(NULL, "", "");
	arg_is("", "x=y", "x=y");
	arg_is("--token", "", "");
}

static void environment(void **state)
{
	(void)state;
	env_is("OPENAI_API_KEY", "abc", "[REDACTED:key:4]");
	env_is("PGPASSWORD", "abc", "[REDACTED:key:4]");
	env_is("DATABASE_URL", "mysql://u:p@h", "mysql://u:[REDACTED:password:1]@h");
	env_is("TOKENIZERS_PARALLELISM", "false", "false");
	env_is("MODEL_ARGS", "{\"token\":\"x\"}", "{\"token\":\"[REDACTED:key:1]\"}");
	env_is("HOME", "/root", "/root");
	env_is("SECRET", "", "");
	env_is("SECRET", "[REDACTED:key:4]", "[REDACTED:key:4]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries),
		cmocka_unit_test(paths),
		cmocka_unit_test(arguments),
		cmocka_unit_test(environment),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
