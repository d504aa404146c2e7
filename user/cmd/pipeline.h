/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pipeline.h - everything right of the ring buffer, wired once: raw event in, records out. `run`
 * and `replay` differ only in who feeds it.
 */
#ifndef CMD_PIPELINE_H
#define CMD_PIPELINE_H

#include "capture/capture.h"
#include "cmd/options.h"

struct pipeline;

/*
 * Opens the outputs of o and sets up all rooms. live: outputs that stall lose counted records, and
 * the agent's own state is reported; else (replay) they are waited for. NULL and e on failure.
 */
struct pipeline *pipeline_new(const struct options *o, const struct capture_meta *m, bool live,
			      struct err *e);
/* One raw event record, in stream order. A record that contradicts itself is counted, never fatal.
 */
void pipeline_feed(struct pipeline *p, const void *raw, size_t n);
/* Nothing comes for a while: outputs write what has waited for company long enough. */
void pipeline_flush(struct pipeline *p);
/* SIGHUP: outputs that are files are opened anew. */
void pipeline_reopen(struct pipeline *p);
/*
 * End of the stream: open exchanges end as unfinished, the final `self` record is written (both
 * already done if the stream held its own end), outputs are flushed and closed. 0, or -1 with e
 * when an output lost records. Frees p.
 */
int pipeline_finish(struct pipeline *p, struct err *e);

/* What the pipeline's `baseline` twin needs: exchanges only, no outputs. */
struct exchange;
typedef void (*pipeline_exchange_fn)(void *ctx, const struct exchange *x);
struct pipeline *pipeline_new_exchanges(const struct options *o, const struct capture_meta *m,
					pipeline_exchange_fn fn, void *ctx, struct err *e);

#endif
