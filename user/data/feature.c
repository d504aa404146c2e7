/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* feature.c - walk a JSON body once and name every value by its path. */
#include "data/feature.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "data/shape.h"

#define LEARN_EVERY \
	8 /* bodies that have not the shape: the first and every eighth may be the new one */

/* An open object or array: the length of its path, and what its children's names need to know. */
struct level {
	uint16_t len;
	bool array;
	bool overlong; /* the path did not fit: nothing below it is emitted */
	bool outputs; /* inside a response's predictions, outputs, … */
};

struct walk {
	struct json_reader r;
	const struct feature_sink *sink;
	struct buf text; /* decoded escapes: of one string or key at a time */
	struct shape_learner learner;
	bool response;
	bool overlong; /* the path of the value that comes next did not fit */
	bool batch_key; /* a plain array here is a batch: its key says so */
	bool outputs;
	int emitted;
	uint64_t left_out;
	int depth;
	size_t len;
	char name[FEATURE_MAX_NAME];
	struct level level[JSON_MAX_DEPTH];
};

#define IS(p, n, lit) ((n) == sizeof(lit) - 1 && !memcmp(p, lit, sizeof(lit) - 1))

/* Keys of responses whose plain arrays hold one value for each instance that was sent. */
static bool is_output_key(const char *p, size_t n)
{
	switch (n) {
	case 6:
		return IS(p, n, "output") || IS(p, n, "scores") || IS(p, n, "labels") ||
		       IS(p, n, "result");
	case 7:
		return IS(p, n, "outputs") || IS(p, n, "classes") || IS(p, n, "results");
	default:
		return IS(p, n, "predictions") || IS(p, n, "prediction");
	}
}

static bool append(struct walk *w, const char *p, size_t n)
{
	if (n > sizeof(w->name) - w->len) {
		w->overlong = true;
		return false;
	}
	memcpy(w->name + w->len, p, n);
	w->len += n;
	return true;
}

static void emit(struct walk *w, struct feature_value *v)
{
	if (w->overlong || w->emitted >= FEATURE_MAX_VALUES) {
		w->left_out++;
		return;
	}
	v->name = w->name;
	v->name_len = w->len;
	w->emitted++;
	w->sink->value(w->sink->ctx, v);
}

/* False: text, no value. What v points to is in the body or in text. */
static bool value_of(const struct json_token *t, struct buf *text, struct feature_value *v)
{
	v->kind = FEATURE_CATEGORICAL;
	switch (t->type) {
	case JSON_NUM:
		v->kind = isnan(t->num) ? FEATURE_MISSING : FEATURE_NUMERIC;
		v->num = t->num;
		return true;
	case JSON_TRUE:
		v->str = "true";
		v->str_len = 4;
		return true;
	case JSON_FALSE:
		v->str = "false";
		v->str_len = 5;
		return true;
	case JSON_NULL:
		v->kind = FEATURE_MISSING;
		return true;
	default:
		v->str = t->p;
		v->str_len = t->n;
		/* An escape is at most six bytes long and stands for at least one. */
		if (t->escaped && t->n <= 6 * FEATURE_MAX_STR) {
			buf_clear(text);
			json_unescape(text, t->p, t->n);
			v->str = text->len ? text->p : "";
			v->str_len = text->len;
		}
		return v->str_len <= FEATURE_MAX_STR;
	}
}

static void scalar(struct walk *w, const struct json_token *t)
{
	struct feature_value v = { 0 };

	shape_note(&w->learner, t, w->overlong ? NULL : w->name, w->len);
	if (value_of(t, &w->text, &v))
		emit(w, &v);
}

static void push(struct walk *w, bool array)
{
	w->level[w->depth++] = (struct level){
		.len = (uint16_t)w->len,
		.array = array,
		.overlong = w->overlong,
		.outputs = w->outputs,
	};
}

/* Back to the path of the innermost open object or array. */
static void rewind_name(struct walk *w)
{
	const struct level *l = &w->level[w->depth - 1];

	w->len = l->len;
	w->overlong = l->overlong;
	w->outputs = l->outputs;
	w->batch_key = false;
}

static void key(struct walk *w, const struct json_token *t)
{
	const char *p = t->p;
	size_t n = t->n;

	rewind_name(w);
	if (w->overlong)
		return;
	if (t->escaped && n <= 6 * FEATURE_MAX_NAME) {
		buf_clear(&w->text);
		json_unescape(&w->text, p, n);
		p = w->text.len ? w->text.p : "";
		n = w->text.len;
	}
	if (w->response) {
		const bool output = is_output_key(p, n);

		/* KServe v2 has its values in outputs[].data. */
		w->batch_key = output || (w->outputs && n == 4 && !memcmp(p, "data", 4));
		w->outputs |= output;
	}
	if (!w->len || append(w, ".", 1))
		append(w, p, n);
}

static void column(struct walk *w, const struct json_token *t, unsigned i)
{
	const size_t len = w->len;
	char s[4] = { '[' };
	size_t n = 1;

	if (i >= 10)
		s[n++] = (char)('0' + i / 10);
	s[n++] = (char)('0' + i % 10);
	s[n++] = ']';
	append(w, s, n);
	scalar(w, t);
	w->len = len;
	w->overlong = w->level[w->depth - 1].overlong;
}

/*
 * An array whose first element t is a plain value. Whether its elements are columns or a batch is
 * known at its end, or when there are too many: so the first ones are kept. Leaves in t the token
 * that ended it: its own end (then the array is closed here), the end of the document, or, for what
 * turned out as a batch, whatever comes next inside it (then the level stays open).
 */
static void plain_array(struct walk *w, struct json_token *t)
{
	struct json_token kept[FEATURE_MAX_COLUMNS];
	const bool batch = w->batch_key;
	unsigned n = 0;

	push(w, true);
	while (t->type >= JSON_STR && t->type <= JSON_NULL && n < FEATURE_MAX_COLUMNS) {
		kept[n++] = *t;
		json_next(&w->r, t);
	}
	if (t->type == JSON_ARR_END && !batch) {
		for (unsigned i = 0; i < n; i++)
			column(w, &kept[i], i);
		w->depth--;
		return;
	}
	/* Cut before it was clear what it is: its values have no name. */
	if (t->type > JSON_NULL && !batch)
		return;
	append(w, "[]", 2);
	w->level[w->depth - 1].len = (uint16_t)w->len;
	w->level[w->depth - 1].overlong = w->overlong;
	for (unsigned i = 0; i < n; i++)
		scalar(w, &kept[i]);
	if (t->type == JSON_ARR_END)
		w->depth--;
}

/* t: the token after '['. Leaves in t the token to go on with. */
static void array(struct walk *w, struct json_token *t)
{
	if (t->type == JSON_ARR_END) {
		json_next(&w->r, t);
		return;
	}
	if (t->type == JSON_OBJ || t->type == JSON_ARR) {
		append(w, "[]", 2);
		push(w, true);
		return;
	}
	plain_array(w, t);
	if (t->type == JSON_ARR_END)
		json_next(&w->r, t);
}

static void walk(struct walk *w, struct json_token *t)
{
	while (w->emitted < FEATURE_MAX_VALUES) {
		switch (t->type) {
		case JSON_OBJ:
			if (w->depth && w->level[w->depth - 1].array)
				rewind_name(w);
			push(w, false);
			break;
		case JSON_ARR:
			if (w->depth && w->level[w->depth - 1].array)
				rewind_name(w);
			json_next(&w->r, t);
			array(w, t);
			continue;
		case JSON_OBJ_END:
		case JSON_ARR_END:
			w->depth--;
			break;
		case JSON_KEY:
			key(w, t);
			break;
		case JSON_DONE:
		case JSON_CUT:
		case JSON_BAD:
			return;
		default:
			if (w->level[w->depth - 1].array)
				rewind_name(w);
			scalar(w, t);
		}
		json_next(&w->r, t);
	}
	while (t->type == JSON_OBJ_END || t->type == JSON_ARR_END)
		json_next(&w->r, t);
	w->left_out += t->type < JSON_DONE;
}

static int walk_document(const char *prefix, const char *body, size_t n,
			 const struct feature_sink *sink, struct shape *learn)
{
	struct json_token t, after;
	struct walk w;

	/* Not the whole of it: name and level are written before they are read. */
	w.sink = sink;
	w.text = (struct buf){ 0 };
	w.response = !strncmp(prefix, "response", 8);
	w.overlong = w.batch_key = w.outputs = false;
	w.emitted = w.depth = 0;
	w.left_out = 0;
	w.len = 0;
	w.learner.s = NULL;
	if (learn)
		shape_begin(&w.learner, learn, body);
	append(&w, prefix, strlen(prefix));
	json_open(&w.r, body, n);
	switch (json_next(&w.r, &t)) {
	case JSON_OBJ:
	case JSON_ARR:
		walk(&w, &t);
		if (!w.left_out && json_next(&w.r, &t) == JSON_DONE && w.r.off == n)
			shape_end(&w.learner, n);
		break;
	case JSON_BAD:
	case JSON_CUT:
	case JSON_DONE:
		return -1;
	default:
		/* A lone value is the document only if nothing follows it: "12 monkeys" is no JSON.
		 */
		if (json_next(&w.r, &after) != JSON_DONE || w.r.off < w.r.len)
			return -1;
		scalar(&w, &t);
	}
	buf_free(&w.text);
	if (sink->left_out)
		*sink->left_out += w.left_out;
	return w.emitted;
}

int features_from_json(const char *prefix, const char *body, size_t n,
		       const struct feature_sink *sink)
{
	return walk_document(prefix, body, n, sink, NULL);
}

int features_by_shape(struct shape *s, const char *prefix, const char *body, size_t n,
		      const struct feature_sink *sink)
{
	struct json_token t[SHAPE_MAX_VALUES];
	struct feature_value v = { .name = s->names.p };
	struct buf text = { 0 };
	int emitted = 0;

	if (!shape_fits(s, body, n, t))
		return walk_document(prefix, body, n, sink, s->misses++ % LEARN_EVERY ? NULL : s);
	for (unsigned i = 0; i < s->n; i++) {
		v.name_len = s->value[i].name_len;
		if (value_of(&t[i], &text, &v)) {
			sink->value(sink->ctx, &v);
			emitted++;
		}
		v.name += v.name_len;
	}
	buf_free(&text);
	return emitted;
}
