/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_redact.c - patterns in plain text, names that hold secrets, user rules, hashes of
 * credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "privacy/redact.h"

#include <stdio.h>
#include <string.h>

static struct redactor *red;
static struct buf out;

static const char *text(const char *in)
{
	buf_clear(&out);
	redact_text(red, &out, in, strlen(in));
	buf_putc(&out, '\0');
	return out.p;
}

static void is(const char *in, const char *want)
{
	assert_string_equal(text(in), want);
}

static void same(const char *in)
{
	is(in, in);
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

static void keys_with_a_prefix(void **state)
{
	(void)state;
	is("use sk-abcdefgh12345678 now", "use [REDACTED:api_key:32] now");
	is("sk-ant-api03-AbCdEfGh_12345678-x", "[REDACTED:api_key:32]");
	is("sk-proj-AbCdEfGh12345678", "[REDACTED:api_key:32]");
	is("(hf_AbCdEfGhIjKlMnOpQrSt)", "([REDACTED:hf_token:32])");
	is("ghp_0123456789abcdefghijABCD", "[REDACTED:github_token:32]");
	is("github_pat_11ABCDEFG0123456789_abc", "[REDACTED:github_token:64]");
	is("xoxb-123456789012-abcDEF", "[REDACTED:slack_token:32]");
	is("AKIAIOSFODNN7EXAMPLE,", "[REDACTED:aws_key:32],");
	is("ASIAIOSFODNN7EXAMPLE", "[REDACTED:aws_key:32]");
	is("AIzaSyA-1234567890abcdefghijklmnopqrstu", "[REDACTED:google_key:64]");
	is("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
	   "aws_secret_access_key = [REDACTED:key:64]\n");
	same("sk-learn-estimator-of-something-long");
	same("task-12345678901234567890 risk-12345678901234567890");
	same("self_attn_layer_norm_weight_012345678901");
	same("AKIA is a prefix");
	/* Cut by the end of a sample. */
	is("key: sk-abcd12", "key: [REDACTED:api_key:16]");
	is("x ghp_AB12", "x [REDACTED:github_token:8]");
	is("x sk-edg", "x [REDACTED:api_key:8]");
	is("x hf_a", "x [REDACTED:hf_token:4]");
	is("x AKIAI", "x [REDACTED:aws_key:8]");
	is("x AIzaS", "x [REDACTED:google_key:8]");
	is("x eyJh", "x [REDACTED:jwt:4]");
	is("x Bearer ab", "x Bearer [REDACTED:bearer:2]");
	same("x sk-edg in the middle, hf_a, AKIAI, eyJh, Bearer ab and more");
	same("the bearer of");
	same("sk-");
}

static void schemes_and_tokens(void **state)
{
	(void)state;
	is("Bearer abcdef123456", "Bearer [REDACTED:bearer:16]");
	is("bearer  0123456789abcdefghij==,", "bearer  [REDACTED:bearer:32],");
	is("BASIC dXNlcjpwYXNzd29yZA==", "BASIC [REDACTED:basic:32]");
	is("Token 9944b09199c62bcf9418ad846dd0e4bb", "Token [REDACTED:token:32]");
	same("the bearer of good news is a basic human, token classification");
	same("basic knowledge, basic authentication");
	is("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_123", "[REDACTED:jwt:64]");
	is("xeyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.", "[REDACTED:jwt:64]");
	same("eyJ is how base64 of a brace begins");
}

static void private_keys(void **state)
{
	(void)state;
	is("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb",
	   "a\n[REDACTED:private_key:128]\nb");
	is("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNza", "[REDACTED:private_key:64]");
	is("b3BlbnNza\n-----END OPENSSH PRIVATE KEY-----\nx", "[REDACTED:private_key:64]\nx");
	same("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----");
}

static void mail(void **state)
{
	(void)state;
	is("to joe.doe+x@mail.example.com.", "to [REDACTED:email:32].");
	is("<joe@example.co.uk>", "<[REDACTED:email:32]>");
	is("joe%40example.com", "[REDACTED:email:32]");
	is("jürgen@müller.de", "[REDACTED:email:32]");
	is("联系abc@example.com请", "联系[REDACTED:email:16]请");
	is("joe@example.com-foo", "[REDACTED:email:32]");
	is("write joe@exam", "write [REDACTED:email:8]");
	same("@app.get pkg@1.2.3, A @ B, x@y b");
}

static void url_passwords(void **state)
{
	(void)state;
	is("postgres://joe:hunter2@db:5432/x", "postgres://joe:[REDACTED:password:8]@db:5432/x");
	is("redis://:p@ss@h/0", "redis://:[REDACTED:password:4]@h/0");
	is("amqp://u:a/b@h", "amqp://u:[REDACTED:password:4]@h");
	same("http://h:8080/path@x 1");
	same("https://host/a:b/c");
}

static void cards(void **state)
{
	(void)state;
	is("4111111111111111", "[REDACTED:card:16]");
	is("4111 1111 1111 1111, 5500-0000-0000-0004", "[REDACTED:card:32], [REDACTED:card:32]");
	is("3782 822463 10005.", "[REDACTED:card:32].");
	is("4111111111111111.0", "[REDACTED:card:16].0");
	is("1234 4111 1111 1111 1111", "1234 [REDACTED:card:32]");
	same("4111111111111112"); /* Luhn */
	same("1111111111111117"); /* nobody's range */
	same("0.4111111111111111 a4111111111111111 4111111111111111b");
	same("1764022396 1764022396123456789 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1");
}

static void assignments(void **state)
{
	(void)state;
	is("password=hunter2", "password=[REDACTED:key:8]");
	is("DB_PASSWORD = \"two words\" x", "DB_PASSWORD = \"[REDACTED:key:16]\" x");
	is("{'api_key': 'abc', 'n': 1}", "{'api_key': '[REDACTED:key:4]', 'n': 1}");
	is("{\"pwd\":123,\"a\":1}", "{\"pwd\":\"[REDACTED:key:4]\",\"a\":1}");
	is("x {\\\"secret\\\":\\\"a b\\\",\\\"c\\\":1}",
	   "x {\\\"secret\\\":\\\"[REDACTED:key:4]\\\",\\\"c\\\":1}");
	is("Authorization: Basic YTpi\r\nHost: x", "Authorization: [REDACTED:key:16]\r\nHost: x");
	is("-H 'Cookie: a=b; c=d' http://x", "-H 'Cookie: [REDACTED:key:8]' http://x");
	is("api_key: Bearer abc", "api_key: [REDACTED:key:16]");
	is("https://h/p?token=abcd&x=1", "https://h/p?token=[REDACTED:key:4]&x=1");
	is("token: abc123def", "token: [REDACTED:key:16]");
	same("Session: the afternoon talk. Token: word. auth=None password=null");
	same("max_tokens=5 tokens: 12 token_type=bearer_of");
	same("at 12:30, ratio 3:4, a = b");
}

static void is_placeholder_left_alone(void **state)
{
	(void)state;
	same("password=[REDACTED:key:8] [REDACTED:email:16]@x.com");
	same("Bearer [REDACTED:bearer:16] \"secret\": \"[REDACTED:key:16]\"");
	is("[REDACTED:] joe@x.com", "[REDACTED:] [REDACTED:email:16]");
}

static void event_streams(void **state)
{
	(void)state;
	is("event: x\ndata: {\"a\":\"joe\\u0040x.com\"}\n\ndata: [DONE]\n\n",
	   "event: x\ndata: {\"a\":\"[REDACTED:email:16]\"}\n\ndata: [DONE]\n\n");
	is("data: {\"secret\":[1,2]}\n", "data: {\"secret\":\"[REDACTED:key:8]\"}\n");
	is("data: hello joe@x.com", "data: hello [REDACTED:email:16]");
}

#define PART(head) "--b\r\nContent-Disposition: form-data; " head

static void form_parts(void **state)
{
	(void)state;
	is(PART("name=\"password\"\r\n\r\nhunter2 x\r\n--b--\r\n"),
	   PART("name=\"password\"\r\n\r\n[REDACTED:key:16]\r\n--b--\r\n"));
	is(PART("name=apiKey\n\nhunter2\n") PART("name=\"a\"\n\nb\n--b--"),
	   PART("name=apiKey\n\n[REDACTED:key:8]\n") PART("name=\"a\"\n\nb\n--b--"));
	is(PART("name=\"user[password]\"\r\n\r\nhunter2"),
	   PART("name=\"user[password]\"\r\n\r\n[REDACTED:key:8]"));
	/* Headers between go with it. */
	is(PART("name=\"token\"; filename=\"a\"\r\nContent-Type: text/plain\r\n\r\nhunter2\r\n--b"),
	   PART("name=\"token\"[REDACTED:key:64]\r\n--b"));
	same(PART("name=\"password\"\r\n\r\n[REDACTED:key:16]\r\n--b--\r\n"));
	same(PART("name=\"token\"[REDACTED:key:64]\r\n--b"));
	same(PART("name=\"password\"\r\n\r\n\r\n--b--\r\n"));
	same(PART("name=\"prompt\"\r\n\r\nhello\r\n--b--\r\n"));
	same("name=\"password\"\r\n\r\nhunter2\r\n--b--\r\n");
	same(PART("name=\"password\""));
}

static void elements(void **state)
{
	(void)state;
	is("<a><password>hunter2</password></a>", "<a><password>[REDACTED:key:8]</password></a>");
	is("<ns:apiKey type=\"x\">a<b/>c</ns:apiKey>",
	   "<ns:apiKey type=\"x\">[REDACTED:key:8]</ns:apiKey>");
	is("<token>abc</token>", "<token>[REDACTED:key:4]</token>");
	is("<a><password>hunt", "<a><password>[REDACTED:key:4]");
	same("<password></password><password/>x<user>joe</user>");
	same("write <password> there, <b>bold</b>, <token> here");
	same("<password>[REDACTED:key:8]</password>");
}

static void names(void **state)
{
	static const char *const secret[] = {
		"password",
		"Password",
		"PASSWORD",
		"dbPassword",
		"db_passwd",
		"PGPASSWORD",
		"user-pwd",
		"passphrase",
		"secret",
		"clientSecret",
		"client_secret",
		"token",
		"access_token",
		"accessToken",
		"X-Auth-Token",
		"HF_TOKEN",
		"refresh_token",
		"id_token",
		"api_key",
		"apiKey",
		"APIKey",
		"API-KEY",
		"apikey",
		"OPENAI_API_KEY",
		"x-api-key",
		"aws_access_key_id",
		"aws_secret_access_key",
		"privateKey",
		"private_key",
		"auth",
		"authorization",
		"Proxy-Authorization",
		"credentials",
		"session",
		"session_id",
		"sessionId",
		"JSESSIONID",
		"cookie",
		"Set-Cookie",
		"ssn",
		"cvv",
		"card_number",
		"creditCard",
		"pass",
		"db_pass",
		"csrf_token",
		"Ocp-Apim-Subscription-Key",
		"password2",
		"token1",
		"x-amz-security-token",
		"user[password]",
		"social_security_number",
	};
	static const char *const harmless[] = {
		"tokens",
		"max_tokens",
		"maxTokens",
		"token_type",
		"token_type_ids",
		"prompt_tokens",
		"completion_tokens",
		"total_tokens",
		"token_count",
		"eos_token",
		"stop_token",
		"eos_token_id",
		"num_tokens",
		"n_tokens",
		"tokenizer",
		"tokenize",
		"cached_tokens",
		"input_tokens",
		"token_ids",
		"first_token",
		"author",
		"authors",
		"auth_type",
		"authenticate",
		"key",
		"keys",
		"keyboard",
		"primary_key",
		"monkey",
		"passenger",
		"passed",
		"compass",
		"forward_pass",
		"secretary",
		"sessions",
		"accessory",
		"class",
		"petal_len",
		"signature",
		"password_min_length",
		"token_expires",
		"discard",
		"cardinality",
		"model",
		"messages",
		"",
		"p",
		"pw_",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (!redact_key_is_secret(secret[i], strlen(secret[i])))
			fail_msg("%s is no secret", secret[i]);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]) - 1; i++)
		if (redact_key_is_secret(harmless[i], strlen(harmless[i])))
			fail_msg("%s is a secret", harmless[i]);
}

static void headers(void **state)
{
	static const char *const allowed[] = {
		"content-type",
		"Content-Encoding",
		"CONTENT-LENGTH",
		"transfer-encoding",
		"user-agent",
		"traceparent",
		"x-request-id",
		"x-forwarded-for",
		"x-stainless-retry-count",
		"retry-after",
		"anthropic-version",
		"x-ratelimit-limit-requests",
		"X-RateLimit-Reset",
		"server",
	};
	static const char *const refused[] = {
		"authorization", "cookie",     "x-ratelimit-", "host", "x-api-key",    "serve",
		"servers",       "set-cookie", "accept",       "",     "x-request-ix", "referer"
	};
	static const char *const credential[] = {
		"Authorization",       "x-api-key",      "api-key",   "cookie",
		"Proxy-Authorization", "x-goog-api-key", "Set-Cookie"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (!redact_header_allowed(allowed[i], strlen(allowed[i])))
			fail_msg("%s is refused", allowed[i]);
		assert_false(redact_header_is_credential(allowed[i], strlen(allowed[i])));
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strcmp(refused[i], "x-ratelimit-") &&
		    redact_header_allowed(refused[i], strlen(refused[i])))
			fail_msg("%s is allowed", refused[i]);
	assert_false(redact_header_allowed("x-ratelimit-", 12));
	for (size_t i = 0; i < sizeof(credential) / sizeof(credential[0]); i++)
		assert_true(redact_header_is_credential(credential[i], strlen(credential[i])));
}

static void key_hashes(void **state)
{
	char a[17], b[17];

	(void)state;
	redact_key_hash(red, "sk-1234", 7, a);
	redact_key_hash(red, "Bearer  sk-1234 ", 16, b);
	assert_string_equal(a, b);
	assert_int_equal(strspn(a, "0123456789abcdef"), 16);
	redact_key_hash(red, "sk-1235", 7, b);
	assert_string_not_equal(a, b);
	redact_key_hash(red, "", 0, b);
	redactor_set_hash_key(red, "other host", 10);
	redact_key_hash(red, "sk-1234", 7, b);
	assert_string_not_equal(a, b);
}

static struct redactor *with_rules(const char *a, const char *b)
{
	const char *const rules[] = { a, b };
	struct err e = { 0 };
	struct redactor *r = redactor_new(PAYLOAD_REDACTED, rules, b ? 2 : 1, &e);

	if (!r)
		assert_int_equal(e.status, EXIT_USAGE);
	return r;
}

static void user_rules(void **state)
{
	struct redactor *const plain = red;

	(void)state;
	assert_null(with_rules("x", NULL));
	assert_null(with_rules("=x", NULL));
	assert_null(with_rules("x=", NULL));
	assert_null(with_rules("x y=z", NULL));
	assert_null(with_rules("x=(", NULL));
	assert_null(with_rules("x=a*", NULL));
	assert_null(with_rules("x=(a)\\1", NULL));
	assert_null(with_rules("ok=a", "bad=["));
	red = with_rules("order=ORD-[0-9]+", "name=^(joe|jane)");
	assert_non_null(red);
	is("joe has ORD-123, jane ORD-45678",
	   "[REDACTED:name:4] has [REDACTED:order:8], jane [REDACTED:order:16]");
	/* One secret where a rule and a pattern overlap. */
	is("ORD-12joe@x.com!", "[REDACTED:email:16]!");
	is("[REDACTED:name:4] x", "[REDACTED:name:4] x");
	redactor_free(red);
	red = with_rules("all=.+", NULL);
	is("abc\ndef", "[REDACTED:all:8]");
	is("[REDACTED:all:8]", "[REDACTED:all:8]");
	redactor_free(red);
	red = plain;
}

/* A rule sees all of a text that is longer than its window. */
static void user_rules_on_long_text(void **state)
{
	struct redactor *const plain = red;
	static char big[300000];
	unsigned count;

	(void)state;
	red = with_rules("order=ORD-[0-9]+", NULL);
	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i + 1000 < sizeof(big); i += 1000)
		memcpy(big + i, " ORD-123 ", 9);
	buf_clear(&out);
	count = redact_text(red, &out, big, sizeof(big));
	assert_int_equal(count, 299);
	assert_null(memmem(out.p, out.len, "ORD-", 4));
	redactor_free(red);
	red = plain;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_with_a_prefix),
		cmocka_unit_test(schemes_and_tokens),
		cmocka_unit_test(form_parts),
		cmocka_unit_test(elements),
		cmocka_unit_test(private_keys),
		cmocka_unit_test(mail),
		cmocka_unit_test(url_passwords),
		cmocka_unit_test(cards),
		cmocka_unit_test(assignments),
		cmocka_unit_test(is_placeholder_left_alone),
		cmocka_unit_test(event_streams),
		cmocka_unit_test(names),
		cmocka_unit_test(headers),
		cmocka_unit_test(key_hashes),
		cmocka_unit_test(user_rules),
		cmocka_unit_test(user_rules_on_long_text),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
