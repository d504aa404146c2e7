/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* scan_markup.c - values whose name stands in markup: parts of multipart/form-data, XML elements.
 */
#include "privacy/scan.h"

#include "privacy/names.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 64u
#define FORM_REACH 128u /* from form-data to its name */
#define PART_HEADERS_MAX 1024u
#define TAG_MAX 160u /* an element's name and attributes */
#define CONTENT_MAX 1024u /* of an element */
#define CUT_CONTENT_MAX 128u /* of one whose end is missing */

/* ---- multipart/form-data ----------------------------------------------------------------------
 */

static bool after_form_data(const struct text *t, size_t from, size_t i)
{
	const size_t start = i - from > FORM_REACH ? i - FORM_REACH : from;
	const uint8_t *const line = memrchr(t->p + start, '\n', i - start);
	const uint8_t *const begin = line ? line : t->p + start;

	return memmem(begin, (size_t)(t->p + i - begin), "form-data", 9);
}

/* Past the name in quotes or none that begins at i; *name_to: its end. */
static size_t form_name(const struct text *t, size_t *i, size_t *name_to)
{
	const bool quoted = *i < t->n && t->p[*i] == '"';
	const char *const stops = quoted ? "\"\r\n" : "; \t\r\n";
	size_t k = *i += quoted;

	while (k < t->n && k - *i < NAME_MAX_BYTES && t->p[k] && !strchr(stops, t->p[k]))
		k++;
	*name_to = k;
	return k + (quoted && k < t->n && t->p[k] == '"');
}

/* First byte after the empty line that ends the headers of a part, or n. */
static size_t part_body(const struct text *t, size_t i)
{
	const size_t max = t->n - i > PART_HEADERS_MAX ? i + PART_HEADERS_MAX : t->n;
	const uint8_t *lf;

	while (i < max && (lf = memchr(t->p + i, '\n', max - i))) {
		i = (size_t)(lf - t->p) + 1;
		if (i < t->n && t->p[i] == '\r')
			i++;
		if (i < t->n && t->p[i] == '\n')
			return i + 1;
	}
	return t->n;
}

static size_t part_end(const struct text *t, size_t i)
{
	const uint8_t *const end = i ? memmem(t->p + i - 1, t->n - i + 1, "\n--", 3) : NULL;
	size_t to = end ? (size_t)(end - t->p) : t->n;

	if (end && to > i && t->p[to - 1] == '\r')
		to--;
	return to > i ? to : i;
}

/*
 * Content-Disposition: form-data; name="password", an empty line, the value, a line that begins
 * with two dashes. i is at the =. Where more headers stand between, they go with the value: they
 * would not be looked at.
 */
bool scan_form_part(const struct text *t, size_t from, size_t i, struct span *s)
{
	size_t name = i + 1, name_to, after, body, to;

	if (i - from < 5 || strncasecmp((const char *)t->p + i - 4, "name", 4) ||
	    scan_is_alnum(t->p[i - 5]) || !after_form_data(t, from, i))
		return false;
	after = form_name(t, &name, &name_to);
	if (name_to == name || !name_secret((const char *)t->p + name, name_to - name))
		return false;
	body = part_body(t, after);
	if (body == t->n || placeholder_length(t->p + body, t->n - body) ||
	    placeholder_length(t->p + after, t->n - after))
		return false;
	to = part_end(t, body);
	if (to == body)
		return false;
	if (body - after <= 4) /* CR LF CR LF */
		after = body;
	*s = (struct span){ .from = after, .to = to, .kind = "key" };
	return true;
}

/* ---- XML --------------------------------------------------------------------------------------
 */

static bool is_tag_byte(uint8_t c)
{
	return scan_is_alnum(c) || c == '_' || c == '-' || c == '.' || c == ':';
}

/* The </name> of the element whose content begins at i, or n. */
static size_t closing_tag(const struct text *t, size_t i, const uint8_t *name, size_t len)
{
	const size_t max = t->n - i > CONTENT_MAX ? i + CONTENT_MAX : t->n;
	const uint8_t *q;

	for (; i < max && (q = memmem(t->p + i, max - i, "</", 2)); i++) {
		i = (size_t)(q - t->p);
		if (max - i > len + 2 && !memcmp(q + 2, name, len) && !is_tag_byte(q[2 + len]))
			return i;
	}
	return t->n;
}

/* <password>X</password>. i is at the > of the first. */
bool scan_element(const struct text *t, size_t from, size_t i, struct span *s)
{
	const size_t start = i - from > TAG_MAX ? i - TAG_MAX : from;
	const uint8_t *const open = memrchr(t->p + start, '<', i - start);
	enum name_secret sure;
	size_t len = 0, to;

	if (!open || i + 1 >= t->n)
		return false;
	while (len < NAME_MAX_BYTES && is_tag_byte(open[1 + len]))
		len++;
	sure = len ? name_secret((const char *)open + 1, len) : NAME_HARMLESS;
	if (sure == NAME_HARMLESS || t->p[i - 1] == '/')
		return false;
	i++;
	to = closing_tag(t, i, open + 1, len);
	/* <password> in prose has no end; one at the end of a sample may have lost it. */
	if (to == t->n && (!t->cut || sure != NAME_SECRET || t->n - i > CUT_CONTENT_MAX ||
			   memchr(t->p + i, '<', t->n - i)))
		return false;
	if (to == i || placeholder_length(t->p + i, t->n - i))
		return false;
	*s = (struct span){ .from = i, .to = to, .kind = "key" };
	return true;
}
