// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* fuzz_decode.c - any bytes as one raw record; everything that comes out is touched. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "capture/decode.h"

static volatile unsigned seen;

static void touch(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		seen += b[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct event ev;
	struct event_count c;

	if (decode_event(&ev, p, n))
		return 0;
	switch (ev.type) {
	case EVENT_DATA:
		touch(ev.data.head, ev.data.head_len);
		touch(ev.data.tail, ev.data.tail_len);
		break;
	case EVENT_CONN:
	case EVENT_LISTEN:
		touch(ev.conn.path, strlen(ev.conn.path));
		break;
	case EVENT_FORK:
	case EVENT_EXEC:
	case EVENT_EXIT:
	case EVENT_OOM:
	case EVENT_TASK:
		touch(ev.life.path, strlen(ev.life.path));
		touch(ev.life.comm, strlen(ev.life.comm));
		break;
	case EVENT_SIGNAL:
		touch(ev.signal.comm, strlen(ev.signal.comm));
		break;
	case EVENT_COUNTERS:
		for (uint32_t cpu = 0; cpu < ev.counters.cpus; cpu++)
			for (int k = 0; k < EVENT_COUNT_KINDS; k++) {
				decode_counts(&ev.counters, cpu, k, &c);
				touch(&c, sizeof(c));
			}
		break;
	case EVENT_TARGET:
	case EVENT_PROC:
	case EVENT_HOST:
	case EVENT_AGENT:
	case EVENT_STOP:
		touch(ev.text.p, ev.text.n);
		break;
	default:
		break;
	}
	return 0;
}
