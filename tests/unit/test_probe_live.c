/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_probe_live.c - the probes on this kernel: positions, bytes, waits and ends of real sockets
 * and pipes. Values are checked, not whether programs load.
 */
#include "probe_live.h"

static const size_t sizes[] = { 1, 200, 4096, HEAD, HEAD + TAIL, HEAD + TAIL + 1, 70000, 1000000 };
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Every call of both families at every size, on a connection accepted by the target. */
static void every_call_has_its_place_and_bytes(void **state)
{
	static const int writes[] = { BY_WRITE,    BY_WRITEV,   BY_SENDTO,
				      BY_SENDMSG,  BY_SENDMMSG, BY_PWRITEV2,
				      BY_SENDFILE, BY_ZEROCOPY, BY_MANY_IOVS };
	struct fixture *f = *state;
	const struct ev_conn *c;
	uint64_t inode;
	int ls, fd, port;
	struct peer p;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	assert_true(ls >= 0);
	port = f->s->arg;
	p = peer_connect(AF_INET, port);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	assert_true(fd >= 0);
	inode = inode_of(f->pid, fd);
	for (size_t i = 0; i < N_SIZES; i++) {
		for (int how = BY_READ; how < BY_PEEK; how++) {
			if (sizes[i] > 100000) { /* more than a socket holds */
				int64_t got = 0;

				peer_send(&p, 50000);
				while (got < 50000)
					got += act(f, OP_IO, fd, how, sizes[i], 0);
				assert_int_equal(got, 50000);
				assert_int_equal(f->s->bad, 0);
				continue;
			}
			peer_send(&p, sizes[i]);
			worker_read(f, fd, how, sizes[i]);
		}
		for (size_t w = 0; w < sizeof(writes) / sizeof(writes[0]); w++)
			worker_write(f, fd, writes[w], sizes[i], &p);
		drain(f);
	}
	probe_off(f);

	assert_int_equal(check_stream(&f->log, inode, EV_READ, 0), p.tx);
	assert_int_equal(check_stream(&f->log, inode, EV_WRITE, 0), p.rx);
	c = first_of(&f->log, EV_CONN, inode);
	assert_int_equal(c->h.flags, EV_F_ACCEPTED);
	assert_int_equal(c->family, AF_INET);
	assert_int_equal(c->local_port, port);
	assert_int_equal(c->proto, EV_PROTO_TCP);
	assert_int_equal(c->fd, fd);
	assert_int_equal(c->h.tgid, f->target);
	c = first_of(&f->log, EV_LISTEN, 0);
	assert_non_null(c);
	assert_int_equal(c->local_port, port);
	assert_int_equal(c->backlog, 77);
	close(p.fd);
}

/* Lengths without bytes: a peek moves nothing, MSG_TRUNC takes without a look. */
static void peeks_and_truncated_reads_show_no_bytes(void **state)
{
	struct fixture *f = *state;
	const struct ev_data *d;
	size_t i = 0, peeks = 0, truncs = 0;
	uint64_t inode;
	struct peer p;
	int ls, fd;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	p = peer_connect(AF_INET, f->s->arg);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	inode = inode_of(f->pid, fd);
	peer_send(&p, 1000);
	assert_int_equal(act(f, OP_IO, fd, BY_PEEK, 300, 0), 300);
	worker_read(f, fd, BY_READ, 100);
	assert_int_equal(act(f, OP_IO, fd, BY_TRUNC, 400, 0), 400);
	worker_read(f, fd, BY_READ, 500);
	probe_off(f);
	assert_int_equal(check_stream(&f->log, inode, EV_READ, 0), 1000);
	while ((d = next_of(&f->log, &i, EV_DATA, inode))) {
		peeks += d->h.flags & EV_F_PEEK && d->ret == 300 && !d->head_len;
		truncs += d->h.flags & EV_F_TRUNC && d->ret == 400 && !d->head_len;
	}
	assert_int_equal(peeks, 1);
	assert_int_equal(truncs, 1);
	close(p.fd);
}

/* Connections from before the attach, on both ends, and a connection that the target opens. */
static void late_connections_have_true_positions(void **state)
{
	struct fixture *f = *state;
	uint64_t served, called;
	const struct ev_conn *c;
	struct peer p, q = { 0 };
	int ls, fd, cfd, plisten, port, nfd;

	NEEDS_PROBES();
	plisten = peer_listen(&port);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	p = peer_connect(AF_INET, f->s->arg);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	cfd = (int)act(f, OP_CONNECT, 0, 0, 0, port);
	assert_true(cfd >= 0);
	q.fd = accept(plisten, NULL, NULL);
	served = inode_of(f->pid, fd);
	called = inode_of(f->pid, cfd);
	peer_send(&p, 12345);
	worker_read(f, fd, BY_READ, 12000); /* 345 bytes lie unread at the attach */
	worker_write(f, fd, BY_WRITE, 54321, &p);
	worker_write(f, cfd, BY_WRITE, 777, &q);
	peer_send(&q, 888);
	worker_read(f, cfd, BY_READ, 888);

	probe_on(f);
	worker_read(f, fd, BY_READ, 345);
	worker_write(f, fd, BY_WRITE, 100, &p);
	worker_write(f, cfd, BY_WRITE, 200, &q);
	peer_send(&q, 300);
	worker_read(f, cfd, BY_READ, 300);
	nfd = (int)act(f, OP_CONNECT, 0, 1, 0, port);
	assert_true(nfd >= 0);
	close(q.fd);
	q = (struct peer){ .fd = accept(plisten, NULL, NULL) };
	worker_write(f, nfd, BY_WRITE, 10, &q);
	probe_off(f);

	c = first_of(&f->log, EV_CONN, served);
	assert_int_equal(c->h.flags, EV_F_LATE | EV_F_ITER);
	assert_int_equal(check_stream(&f->log, served, EV_READ, 12000), 345);
	assert_int_equal(check_stream(&f->log, served, EV_WRITE, 54321), 100);
	c = first_of(&f->log, EV_CONN, called);
	assert_int_equal(c->peer_port, port);
	assert_int_equal(check_stream(&f->log, called, EV_WRITE, 777), 200);
	assert_int_equal(check_stream(&f->log, called, EV_READ, 888), 300);
	c = first_of(&f->log, EV_CONN, inode_of(f->pid, nfd));
	assert_int_equal(c->h.flags, EV_F_CONNECTED);
	assert_int_equal(check_stream(&f->log, inode_of(f->pid, nfd), EV_WRITE, 0), 10);
	assert_non_null(first_of(&f->log, EV_LISTEN, 0));
	close(p.fd);
	close(q.fd);
	close(plisten);
}

static double wait_ms(const struct ev_data *d, unsigned hz)
{
	if (d->wait == UINT64_MAX)
		return -1;
	return d->h.flags & EV_F_WAIT_TICKS ? (double)d->wait * 1000 / hz : (double)d->wait / 1e6;
}

/* A request lies in the socket while the server sleeps; also before it is accepted. */
static void arrival_is_known(void **state)
{
	struct fixture *f = *state;
	const struct timespec t = { .tv_nsec = 60000000 };
	struct capture_meta m;
	const struct ev_data *d;
	double slack, known, fresh;
	struct peer p, q;
	int ls, fd, fd2;

	NEEDS_PROBES();
	probe_on(f);
	probe_meta(f->p, &m);
	assert_true(m.hz >= 100 && m.hz <= 1000);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	p = peer_connect(AF_INET, f->s->arg);
	q = peer_connect(AF_INET, f->s->arg);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	peer_send(&p, 100);
	peer_send(&q, 100);
	nanosleep(&t, NULL);
	peer_send(&p, 50); /* later bytes must not make it look shorter */
	fd2 = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	worker_read(f, fd2, BY_READ, 100);
	worker_read(f, fd, BY_READ, 150);
	probe_off(f);
	d = first_of(&f->log, EV_DATA, inode_of(f->pid, fd));
	assert_int_equal(d->ret, 150);
	known = wait_ms(d, m.hz);
	d = first_of(&f->log, EV_DATA, inode_of(f->pid, fd2));
	fresh = wait_ms(d, m.hz);
	assert_int_equal(!!(d->h.flags & EV_F_WAIT_TICKS), !has_stamps);
	slack = 2000.0 / m.hz;
	if (has_stamps) {
		assert_true(known >= 59.9);
		assert_true(fresh >= 59.9);
	} else {
		assert_true(known >= 0); /* the last arrival is all that these kernels tell */
		assert_true(fresh >= 60 - slack);
	}
	assert_true(known < 1000 && fresh < 1000);
	close(p.fd);
	close(q.fd);
}

static void ipv6_and_mapped_addresses(void **state)
{
	struct fixture *f = *state;
	const struct ev_conn *c;
	int ls, fd, fd2, port;
	struct peer p, q;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET6);
	if (ls == -EAFNOSUPPORT || ls == -EADDRNOTAVAIL)
		skip();
	assert_true(ls >= 0);
	port = f->s->arg;
	p = peer_connect(AF_INET6, port);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	q = peer_connect(AF_INET, port);
	fd2 = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	peer_send(&p, 10);
	worker_read(f, fd, BY_READ, 10);
	peer_send(&q, 10);
	worker_read(f, fd2, BY_READ, 10);
	probe_off(f);
	c = first_of(&f->log, EV_CONN, inode_of(f->pid, fd));
	assert_int_equal(c->family, AF_INET6);
	assert_memory_equal(c->local, &in6addr_loopback, 16);
	assert_memory_equal(c->peer, &in6addr_loopback, 16);
	c = first_of(&f->log, EV_CONN, inode_of(f->pid, fd2));
	assert_int_equal(c->family, AF_INET);
	assert_memory_equal(c->local, ((uint8_t[]){ 127, 0, 0, 1 }), 4);
	assert_memory_equal(c->peer, ((uint8_t[]){ 127, 0, 0, 1 }), 4);
	close(p.fd);
	close(q.fd);
}

/* Both ends are the target's own: counted positions, path, shutdown and close. */
static void unix_sockets_and_pipes(void **state)
{
	struct fixture *f = *state;
	uint64_t server, client, pipe_ino;
	const struct ev_close *cl;
	const struct ev_conn *c;
	const struct ev_data *d;
	int ls, fd, cfd, pfd;
	size_t i = 0;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_UNIX);
	assert_true(ls >= 0);
	cfd = (int)act(f, OP_CONNECT_UNIX, 0, 0, 0, 0);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	assert_true(cfd >= 0 && fd >= 0);
	server = inode_of(f->pid, fd);
	client = inode_of(f->pid, cfd);
	for (int k = 0; k < 5; k++) {
		assert_int_equal(act(f, OP_IO, cfd, BY_WRITE + k, 30000, 0), 30000);
		worker_read(f, fd, BY_READ + k, 30000);
	}
	assert_int_equal(act(f, OP_SHUTDOWN, cfd, SHUT_WR, 0, 0), 0);
	assert_int_equal(act(f, OP_IO, fd, BY_READ, 100, 0), 0);
	act(f, OP_CLOSE, cfd, 0, 0, 0);
	act(f, OP_CLOSE, fd, 0, 0, 0);

	pfd = (int)act(f, OP_PIPE, 0, 0, 0, 0);
	pipe_ino = inode_of(f->pid, pfd);
	for (int k = 0; k < 3; k++) {
		assert_int_equal(act(f, OP_IO, pfd + 1, k ? BY_WRITEV : BY_WRITE, 5000, 0), 5000);
		worker_read(f, pfd, k ? BY_READV : BY_READ, 5000);
	}
	probe_off(f);

	assert_int_equal(check_stream(&f->log, client, EV_WRITE, 0), 150000);
	assert_int_equal(check_stream(&f->log, server, EV_READ, 0), 150000);
	assert_int_equal(check_stream(&f->log, pipe_ino, EV_WRITE, 0), 15000);
	assert_int_equal(check_stream(&f->log, pipe_ino, EV_READ, 0), 15000);
	c = first_of(&f->log, EV_CONN, server);
	assert_int_equal(c->h.flags, EV_F_ACCEPTED | EV_F_COUNTED);
	assert_string_equal(c->path, f->s->path);
	assert_int_equal(c->family, AF_UNIX);
	c = first_of(&f->log, EV_CONN, client);
	assert_int_equal(c->h.flags, EV_F_CONNECTED | EV_F_COUNTED);
	assert_string_equal(c->path, f->s->path);
	cl = first_of(&f->log, EV_CLOSE, client);
	assert_int_equal(cl->how, SHUT_WR);
	next_of(&f->log, &i, EV_CLOSE, client);
	cl = next_of(&f->log, &i, EV_CLOSE, client);
	assert_non_null(cl);
	assert_int_equal(cl->how, -1);
	i = 0;
	while ((d = next_of(&f->log, &i, EV_DATA, server)) && d->ret)
		;
	assert_non_null(d);
	assert_true(d->h.flags & EV_F_EOF);
}

/* What the socket itself had counted, at its end, for every way to end. */
static void the_end_of_a_connection_is_told(void **state)
{
	enum { BY_TARGET, BY_PEER, RESET_BY_TARGET, RESET_BY_PEER, SHUTDOWN, WAYS };
	const struct linger l = { .l_onoff = 1 };
	struct fixture *f = *state;
	uint64_t inode[WAYS];
	struct peer p[WAYS];
	int ls, port, fd;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	port = f->s->arg;
	for (int w = 0; w < WAYS; w++) {
		p[w] = peer_connect(AF_INET, port);
		fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
		inode[w] = inode_of(f->pid, fd);
		peer_send(&p[w], 1000 + (size_t)w);
		worker_read(f, fd, BY_READ, 1000 + (size_t)w);
		worker_write(f, fd, BY_WRITE, 5000 + (size_t)w, &p[w]);
		if (w == BY_PEER) {
			close(p[w].fd);
			assert_int_equal(act(f, OP_IO, fd, BY_READ, 10, 0), 0);
		} else if (w == RESET_BY_PEER) {
			setsockopt(p[w].fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
			close(p[w].fd);
		} else if (w == RESET_BY_TARGET) {
			act(f, OP_LINGER0, fd, 0, 0, 0);
		} else if (w == SHUTDOWN) {
			act(f, OP_SHUTDOWN, fd, SHUT_WR, 0, 0);
			close(p[w].fd);
			assert_int_equal(act(f, OP_IO, fd, BY_READ, 10, 0), 0);
		}
		act(f, OP_CLOSE, fd, 0, 0, 0);
		if (w == BY_TARGET || w == RESET_BY_TARGET)
			close(p[w].fd);
	}
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	probe_off(f);
	for (int w = 0; w < WAYS; w++) {
		const struct ev_state *st, *last = NULL, *firsts;
		size_t i = 0;

		firsts = first_of(&f->log, EV_STATE, inode[w]);
		assert_non_null(firsts);
		assert_int_equal(firsts->old_state, TCP_ESTABLISHED);
		while ((st = next_of(&f->log, &i, EV_STATE, inode[w]))) {
			assert_int_equal(st->rx_pos, 1000 + w);
			assert_int_equal(st->tx_pos, 5000 + w);
			last = st;
		}
		assert_int_equal(last->new_state, EV_STATE_DESTROY);
		switch (w) {
		case BY_TARGET:
		case SHUTDOWN:
			assert_int_equal(firsts->new_state, TCP_FIN_WAIT1);
			assert_int_equal(firsts->h.tgid, f->target);
			break;
		case BY_PEER:
			assert_int_equal(firsts->new_state, TCP_CLOSE_WAIT);
			assert_int_equal(firsts->h.tgid, 0);
			break;
		case RESET_BY_TARGET:
			assert_int_equal(firsts->new_state, TCP_CLOSE);
			assert_int_equal(firsts->h.tgid, f->target);
			break;
		case RESET_BY_PEER:
			assert_int_equal(firsts->new_state, TCP_CLOSE);
			assert_int_equal(firsts->h.tgid, 0);
			break;
		}
	}
}

/* A full socket: what went in is told, and that the rest did not. */
static void a_peer_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	size_t i = 0, blocked = 0, refused = 0;
	const struct ev_data *d;
	uint64_t inode;
	struct peer p;
	int ls, fd;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	p = peer_connect(AF_INET, f->s->arg);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	inode = inode_of(f->pid, fd);
	act(f, OP_NONBLOCK, fd, 0, 0, 0);
	while (act(f, OP_IO, fd, BY_WRITE, 4u << 20, 0) > 0)
		;
	assert_int_equal(f->s->ret, -EAGAIN);
	probe_off(f);
	check_stream(&f->log, inode, EV_WRITE, 0);
	while ((d = next_of(&f->log, &i, EV_DATA, inode))) {
		blocked += d->ret > 0 && d->h.flags & EV_F_BLOCKED;
		refused += d->ret == -EAGAIN && d->h.flags & EV_F_BLOCKED && !d->head_len;
	}
	assert_true(blocked >= 1); /* the socket's buffer may grow meanwhile */
	assert_int_equal(refused, 1);
	close(p.fd);
}

/*
 * Two threads, one socket, no lock: a record's place may be in the middle of the other's bytes, but
 * every call has one record, and in the end no byte lacks.
 */
static void two_threads_on_one_socket(void **state)
{
	enum { TIMES = 3000, BYTES = 100 };
	struct fixture *f = *state;
	const struct ev_data *d;
	const struct ev_state *st;
	uint64_t inode, sum = 0;
	uint32_t base, top = 0;
	static uint8_t sink[65536];
	size_t i = 0, records = 0;
	struct peer p;
	int ls, fd;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	p = peer_connect(AF_INET, f->s->arg);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	inode = inode_of(f->pid, fd);
	ask(f, OP_THREADS, fd, 0, BYTES, TIMES);
	for (uint64_t n = 0; n < 2 * TIMES * BYTES;) {
		const ssize_t r = recv(p.fd, sink, sizeof(sink), 0);

		assert_true(r > 0);
		n += (uint64_t)r;
		drain(f);
	}
	answer(f);
	act(f, OP_CLOSE, fd, 0, 0, 0);
	close(p.fd);
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	probe_off(f);
	base = ((const struct ev_conn *)first_of(&f->log, EV_CONN, inode))->tx_seq32;
	while ((d = next_of(&f->log, &i, EV_DATA, inode))) {
		const uint32_t end = d->seq32 - base;

		records++;
		sum += (uint64_t)d->ret;
		if (end > top)
			top = end;
	}
	assert_int_equal(records, 2 * TIMES);
	assert_int_equal(sum, 2 * TIMES * BYTES);
	assert_int_equal(top, 2 * TIMES * BYTES);
	st = first_of(&f->log, EV_STATE, inode);
	assert_int_equal(st->tx_pos, 2 * TIMES * BYTES);
}

/* SIGKILL inside a blocked send: the bytes, who sent the signal, the death, the closing, in order.
 */
static void death_inside_a_send(void **state)
{
	struct fixture *f = *state;
	const struct ev_signal *sig;
	const struct ev_state *st;
	const struct ev_life *exit_rec;
	const struct ev_data *d;
	struct pollfd pollfd = { .events = POLLIN };
	uint64_t inode;
	struct peer p;
	size_t i = 0;
	int ls, fd;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	p = peer_connect(AF_INET, f->s->arg);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	inode = inode_of(f->pid, fd);
	ask(f, OP_IO, fd, BY_WRITE, WORKER_BUF, 0);
	pollfd.fd = p.fd;
	assert_int_equal(poll(&pollfd, 1, 20000), 1); /* it is inside */
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	worker_stop(f);
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	drain(f);
	assert_true(probe_finished(f->p));
	probe_off(f);

	d = first_of(&f->log, EV_DATA, inode);
	assert_non_null(d);
	assert_true(d->ret > 0 && d->ret < WORKER_BUF);
	assert_true(d->h.flags & EV_F_BLOCKED);
	check_stream(&f->log, inode, EV_WRITE, 0);
	sig = first_of(&f->log, EV_SIGNAL, 0);
	assert_non_null(sig);
	assert_int_equal(sig->sig, SIGKILL);
	assert_int_equal(sig->target, f->target);
	assert_int_equal(sig->h.tgid, getpid());
	exit_rec = next_of(&f->log, &i, EV_EXIT, 0);
	assert_non_null(exit_rec);
	assert_int_equal(exit_rec->exit_code, SIGKILL);
	assert_int_equal(exit_rec->h.tgid, f->target);
	assert_null(next_of(&f->log, &i, EV_DATA, 0)); /* all data before the death */
	st = first_of(&f->log, EV_STATE, inode);
	assert_non_null(st);
	assert_int_equal(st->new_state, TCP_FIN_WAIT1);
	assert_int_equal(st->tx_pos, d->ret);
	close(p.fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LIVE(every_call_has_its_place_and_bytes),
		LIVE(peeks_and_truncated_reads_show_no_bytes),
		LIVE(late_connections_have_true_positions),
		LIVE(arrival_is_known),
		LIVE(ipv6_and_mapped_addresses),
		LIVE(unix_sockets_and_pipes),
		LIVE(the_end_of_a_connection_is_told),
		LIVE(a_peer_that_does_not_read),
		LIVE(two_threads_on_one_socket),
		LIVE(death_inside_a_send),
	};

	(void)argc;
	(void)argv;
	live_check();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
