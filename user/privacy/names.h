/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* names.h - how sure a name is to hold a secret. Private to this folder. */
#ifndef PRIVACY_NAMES_H
#define PRIVACY_NAMES_H

#include "privacy/redact.h"

enum name_secret {
	NAME_HARMLESS,
	NAME_PERHAPS, /* a bare `token`, `session`, `auth`, `pass`: a secret as a key, a word in
			 prose */
	NAME_SECRET,
};
enum name_secret name_secret(const char *p, size_t n);

#endif
