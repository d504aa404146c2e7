/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_redact_json.c - JSON bodies and their fragments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "privacy/redact.h"

#include <string.h>

static struct redactor *red;
static struct buf out;

static void is(const char *in, const char *want)
{
	buf_clear(&out);
	redact_json(red, &out, in, strlen(in));
	buf_putc(&out, '\0');
	assert_string_equal(out.p, want);
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

static void values_of_secret_keys(void **state)
{
	(void)state;
	is("{\"password\":\"hunter2\"}", "{\"password\":\"[REDACTED:key:8]\"}");
	is("{\"ssn\": 123456789 , \"n\":1}", "{\"ssn\": \"[REDACTED:key:16]\" , \"n\":1}");
	is("{\"secret\":{\"a\":\"}\",\"b\":[1,{}]},\"n\":1}",
	   "{\"secret\":\"[REDACTED:key:32]\",\"n\":1}");
	is("{\"credentials\":[\"a\",\"]\"]}", "{\"credentials\":\"[REDACTED:key:16]\"}");
	is("{\"auth\":true}", "{\"auth\":\"[REDACTED:key:4]\"}");
	is("{\"pass\\u0077ord\":\"x\"}", "{\"pass\\u0077ord\":\"[REDACTED:key:1]\"}");
	is("{\"password\":\"a\\\"b\"}", "{\"password\":\"[REDACTED:key:4]\"}");
	is("{\"password\" \n : \t \"a\"}", "{\"password\" \n : \t \"[REDACTED:key:1]\"}");
	same("{\"password\":null,\"max_tokens\":100,\"token_type\":\"bearer\"}");
	same("{\"password\":\"[REDACTED:key:8]\"}");
	same("{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}");
}

static void tokens_of_models(void **state)
{
	(void)state;
	same("{\"token\":\" Hello\",\"logprob\":-0.1,\"bytes\":[32]}");
	same("{\"token\":{\"id\":1,\"text\":\"a\",\"logprob\":-1}}");
	same("{\"score\":0.9,\"token\":2307,\"token_str\":\"cool\"}");
	same("{\"token\":[1,2,3]}");
	same("{\"token\":{ \"text\" : \"a\" , \"special\":false}}");
	is("{\"token\":{\"value\":\"PLAINTOK1\"}}", "{\"token\":\"[REDACTED:key:32]\"}");
	is("{\"token\":[\"PLAINTOK1\"],\"n\":1}", "{\"token\":\"[REDACTED:key:16]\",\"n\":1}");
	is("{\"token\":{\"value\":\"logprob\"}}", "{\"token\":\"[REDACTED:key:32]\"}");
	is("{\"token\":{\"value\":\"PLAIN", "{\"token\":\"[REDACTED:key:16]\"");
	is("x {\"token\":{\"value\":\"PLAINTOK1\"}}", "x {\"token\":\"[REDACTED:key:32]\"}");
	is("{\"token\":\"abc\",\"expires\":1}", "{\"token\":\"[REDACTED:key:4]\",\"expires\":1}");
}

static void patterns_in_strings(void **state)
{
	(void)state;
	is("{\"m\":\"joe@x.com\"}", "{\"m\":\"[REDACTED:email:16]\"}");
	is("{\"m\":\"joe\\u0040x.com\"}", "{\"m\":\"[REDACTED:email:16]\"}");
	is("[\"line\\nsk-abcdefgh12345678\"]", "[\"line\\n[REDACTED:api_key:32]\"]");
	is("[\"a\\/b joe@x.com\"]", "[\"a/b [REDACTED:email:16]\"]");
	is("{\"joe@x.com\":1}", "{\"[REDACTED:email:16]\":1}");
	is("{\"n\":4111111111111111}", "{\"n\":\"[REDACTED:card:16]\"}");
	same("[0.4111111111111111,-1.5e-7,4111111111111112,1764022396123456789]");
	same("{\"a\":\"x\\u00e4\\n\\ud83d\\ude00 prose without any\",\"b\":[true,false,null,NaN]}");
	is("{\"url\":\"http://u:pw@h/\"}", "{\"url\":\"http://u:[REDACTED:password:2]@h/\"}");
}

static void documents_in_strings(void **state)
{
	(void)state;
	is("{\"arguments\":\"{\\\"password\\\":\\\"x y\\\",\\\"pin\\\":1}\"}",
	   "{\"arguments\":\"{\\\"password\\\":\\\"[REDACTED:key:4]\\\",\\\"pin\\\":1}\"}");
	is("{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"secret\\\\\\\":[1,2]}\\\"}\"}",
	   "{\"a\":\"{\\\"b\\\":\\\"{\\\\\\\"secret\\\\\\\":\\\\\\\"[REDACTED:key:8]\\\\\\\"}\\\"}"
	   "\"}");
	is("{\"p\":\"call f(api_key=\\\"abc\\\")\"}",
	   "{\"p\":\"call f(api_key=\\\"[REDACTED:key:4]\\\")\"}");
}

static void heads(void **state)
{
	(void)state;
	is("{\"a\":1,\"password\":\"hunt", "{\"a\":1,\"password\":\"[REDACTED:key:4]\"");
	is("{\"a\":1,\"secret\":[1,{\"b\":\"c", "{\"a\":1,\"secret\":\"[REDACTED:key:16]\"");
	is("{\"m\":\"write joe@exam", "{\"m\":\"write [REDACTED:email:8]");
	is("{\"m\":\"sk-abcd12", "{\"m\":\"[REDACTED:api_key:16]");
	is("{\"ssn\":123", "{\"ssn\":\"[REDACTED:key:4]\"");
	same("{\"a\":\"x\\");
	same("{\"a\":\"x\\u00");
	same("{\"password\"");
	same("{\"password\":");
	same("{");
	same("");
}

static void tails(void **state)
{
	(void)state;
	/* The rest of a value: of whose key, nobody knows. */
	is("nter2\",\"n\":1}", "[REDACTED:cut:8]\",\"n\":1}");
	is("ord\":\"hunter2\",\"n\":1}", "[REDACTED:cut:4]\":\"[REDACTED:cut:8]\",\"n\":1}");
	is("\":\"hunter2\",\"n\":1}", "\":\"[REDACTED:cut:8]\",\"n\":1}");
	is(":\"hunter2\",\"n\":1}", ":\"[REDACTED:cut:8]\",\"n\":1}");
	is("\"hunter2\",\"n\":1}", "\"[REDACTED:cut:8]\",\"n\":1}");
	is("56789,\"n\":1}", "\"[REDACTED:cut:8]\",\"n\":1}");
	is("x\",\"password\":\"y\",\"b\":\"joe@x.com\"}",
	   "[REDACTED:cut:1]\",\"password\":\"[REDACTED:key:1]\",\"b\":\"[REDACTED:email:16]\"}");
	is(",\"password\":\"y\"}", ",\"password\":\"[REDACTED:key:1]\"}");
	is(" 1, \"password\": \"y\" }", " 1, \"password\": \"[REDACTED:key:1]\" }");
	/* Structure alone tells where strings are. */
	same("23, 0.5, 0.25]}");
	same("}],\"usage\":{\"total_tokens\":3}}");
	same("\"a complete document\"");
	same("[1,2]");
}

/* Long prose that began before the fragment: its first word goes, the rest is read as ever. */
static void tails_of_prose(void **state)
{
	char in[400], want[400];

	(void)state;
	memset(in, 0, sizeof(in));
	strcpy(in, "eword of prose");
	for (unsigned i = 0; i < 20; i++)
		strcat(in, " and more");
	strcpy(want, "[REDACTED:cut:8]");
	strcat(want, in + 5);
	strcat(in, " joe@x.com\",\"n\":1}");
	strcat(want, " [REDACTED:email:16]\",\"n\":1}");
	is(in, want);
}

static void not_json(void **state)
{
	(void)state;
	same("Internal Server Error");
	same("say \"hi\" to them");
	is("say \"hi\" to joe@x.com", "say \"hi\" to [REDACTED:email:16]");
	is("password=hunter2", "password=[REDACTED:key:8]");
	is("{\"a\":\"b\" oops \"password\":\"x\"}",
	   "{\"a\":\"b\" oops \"password\":\"[REDACTED:key:1]\"}");
	is("data: {\"password\":\"x\"}\n\ndata: {\"a\":\"joe\\u0040x.com\"}\n",
	   "data: {\"password\":\"[REDACTED:key:1]\"}\n\ndata: {\"a\":\"[REDACTED:email:16]\"}\n");
	is("{\"a\":1}\n{\"secret\":2}\n", "{\"a\":1}\n{\"secret\":\"[REDACTED:key:1]\"}\n");
}

static void user_rules_see_numbers(void **state)
{
	static const char *const rules[] = { "order=[0-9]{8}" };
	struct redactor *const plain = red;
	struct err e;

	(void)state;
	red = redactor_new(PAYLOAD_REDACTED, rules, 1, &e);
	assert_non_null(red);
	is("{\"o\":12345678,\"s\":\"n\\u006f 12345678\",\"t\":\"no 12345678\"}",
	   "{\"o\":\"[REDACTED:order:8]\",\"s\":\"no [REDACTED:order:8]\",\"t\":\"no "
	   "[REDACTED:order:8]\"}");
	redactor_free(red);
	red = plain;
}

static void deep_nesting(void **state)
{
	static char deep[100000];

	(void)state;
	memset(deep, '[', sizeof(deep));
	buf_clear(&out);
	assert_int_equal(redact_json(red, &out, deep, sizeof(deep)), 0);
	memcpy(deep, "{\"secret\":", 10);
	buf_clear(&out);
	assert_int_equal(redact_json(red, &out, deep, sizeof(deep)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_secret_keys),
		cmocka_unit_test(tokens_of_models),
		cmocka_unit_test(patterns_in_strings),
		cmocka_unit_test(documents_in_strings),
		cmocka_unit_test(heads),
		cmocka_unit_test(tails),
		cmocka_unit_test(tails_of_prose),
		cmocka_unit_test(not_json),
		cmocka_unit_test(user_rules_see_numbers),
		cmocka_unit_test(deep_nesting),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
