// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* outcome.c - how an exchange ended, in one word, and the error type that belongs to it. */
#include "exchange/exchange_priv.h"

const char *const outcome_name[] = {
	[OUTCOME_OK] = "ok",
	[OUTCOME_CLIENT_ERROR] = "client_error",
	[OUTCOME_SERVER_ERROR] = "server_error",
	[OUTCOME_ABORTED_BY_CLIENT] = "aborted_by_client",
	[OUTCOME_ABORTED_BY_SERVER] = "aborted_by_server",
	[OUTCOME_UNFINISHED] = "unfinished",
};

static enum outcome by_status(int status)
{
	if (status < 400)
		return status ? OUTCOME_OK : OUTCOME_UNFINISHED;
	/* Codes from 600 on are to be taken as 5xx (RFC 9110 section 15). */
	return status < 500 ? OUTCOME_CLIENT_ERROR : OUTCOME_SERVER_ERROR;
}

void outcome_set(struct exchange *x, enum msg_abort abort)
{
	const bool server = x->role == CONN_SERVER;

	x->closed_by = CLOSED_NOT;
	if (x->res.complete || x->upgraded) {
		x->outcome = by_status(x->status);
		return;
	}
	switch (abort) {
	case ABORT_BY_PEER:
		x->closed_by = CLOSED_BY_PEER;
		x->outcome = server ? OUTCOME_ABORTED_BY_CLIENT : OUTCOME_ABORTED_BY_SERVER;
		return;
	case ABORT_BY_TARGET:
		x->closed_by = CLOSED_BY_TARGET;
		/* The kernel closes the sockets of the dead: nobody chose to. */
		if (x->proc && x->proc->crashed)
			x->outcome = OUTCOME_UNFINISHED;
		else
			x->outcome = server ? OUTCOME_ABORTED_BY_SERVER : OUTCOME_ABORTED_BY_CLIENT;
		return;
	case ABORT_NONE:
	case ABORT_LOST_SYNC:
	case ABORT_AGENT_STOP:
	case ABORT_EVICTED:
		break;
	}
	x->outcome = OUTCOME_UNFINISHED;
}

const char *outcome_error_type(const struct exchange *x, char digits[4])
{
	if (x->error_type)
		return x->error_type;
	switch (x->outcome) {
	case OUTCOME_OK:
		return NULL;
	case OUTCOME_CLIENT_ERROR:
	case OUTCOME_SERVER_ERROR:
		digits[0] = (char)('0' + x->status / 100 % 10);
		digits[1] = (char)('0' + x->status / 10 % 10);
		digits[2] = (char)('0' + x->status % 10);
		digits[3] = '\0';
		return digits;
	default:
		return outcome_name[x->outcome];
	}
}
