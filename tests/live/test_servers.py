# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real servers, unmodified: N known requests, each reported exactly once and right."""
import os
import signal
import time

from harness import Client, Truth, need, of_type, reconcile, run_load, server_exchanges

MIB = 1 << 20


# ---- the shapes that requests and their ends come in; each returns the truths that it made ----


def plain(address):
    c = Client(address)
    truths = [c.ask("GET", "plain", f"n={n}") for n in (0, 1, 200, 5000, 300000)]
    truths += [c.ask("POST", "post", "n=10", body=n) for n in (1, 5000, 300000)]
    truths += [c.ask("GET", "status", f"status={s}") for s in (204, 404, 500, 503)]
    truths += [c.ask("HEAD", "head", "n=5000"), c.ask("GET", "after", "")]
    c.close()
    return truths


def chunked(address):
    c = Client(address)
    long = c.ask("GET", "chunked", "n=300000&chunk=70000")
    long.size_hidden = True  # node puts all chunks into one writev
    truths = [long, c.ask("GET", "chunked", "n=5000&chunk=1000"),
              c.ask("POST", "chunked-request", "n=10", body=4500, chunked=True),
              c.ask("GET", "after", "")]
    c.close()
    return truths


def one_byte_writes(address):
    c = Client(address)
    truths = [c.ask("POST", "onebyte", "n=30", body=40, piece=1), c.ask("GET", "onebyte", "", piece=1)]
    c.close()
    return truths


def expect_continue(address):
    c = Client(address)
    t = c.truth("POST", "expect", "n=20", request_size=4000)
    t.start_ns = t.sent_ns = time.monotonic_ns()
    c.send_raw(c.head(t, "Content-Length: 4000", "Expect: 100-continue"))
    c.read_head(t)
    need(t.status == 100, f"no 100 Continue but {t.status}")
    c.send_raw(b"e" * 4000)
    c.receive(t)
    truths = [t, c.ask("GET", "after", "")]
    c.close()
    return truths


def pipelined(address):
    c = Client(address)
    truths = [c.truth("GET", "pipelined", f"n={n}", bounds="upper") for n in (10, 2000, 0, 100, 7)]
    start = time.monotonic_ns()
    c.send_raw(b"".join(c.head(t) for t in truths))
    for t in truths:
        t.start_ns = t.sent_ns = start
        need(c.receive(t), f"{t.path}: no whole reply")
    truths.append(c.ask("GET", "after", ""))
    c.close()
    return truths


def big(address):
    c = Client(address)
    truths = [c.ask("GET", "big", f"n={10 * MIB}"), c.ask("POST", "big", "n=5", body=10 * MIB),
              c.ask("GET", "after", "")]
    c.close()
    return truths


def left_by_client(address):
    """The client goes while the server thinks: with a reset and with a close."""
    truths = []
    for reset in (True, False):
        c = Client(address)
        t = c.truth("GET", "left", "pause=120", outcome="aborted_by_client", bounds="none")
        c.send(t)
        time.sleep(0.04)
        c.close(reset)
        truths.append(t)
    c = Client(address)  # half of a body; node answers 400 to nobody
    t = c.truth("POST", "half", "n=5", outcome="aborted_by_client|client_error", bounds="none",
                request_size=2000, status=(None, 400))
    c.send_raw(c.head(t, "Content-Length: 5000") + b"h" * 2000)
    time.sleep(0.04)
    c.close()
    time.sleep(0.2)
    return truths + [t]


def cut_by_server(address):
    c = Client(address)
    t = c.ask("GET", "cut", "n=5000&cut=1000", outcome="aborted_by_server")
    t.bounds = "upper"
    need(t.response_size == 1000, f"the server did not cut at 1000 but at {t.response_size}")
    c.close()
    return [t]


def stopped(address, pid):
    """Requests wait while the server is stopped: on an open connection and on one not yet accepted."""
    c = Client(address)
    truths = [c.ask("GET", "before-stop", "")]
    for _ in range(3):
        os.kill(pid, signal.SIGSTOP)
        late = Client(address)
        pair = [c.truth("GET", "stopped", ""), late.truth("GET", "stopped", "")]
        c.send(pair[0])
        late.send(pair[1])
        time.sleep(0.15)
        os.kill(pid, signal.SIGCONT)
        c.receive(pair[0])
        late.receive(pair[1])
        late.close()
        truths += pair
    c.close()
    return truths


def watch(context, server, address, *shapes, stop=None):
    """Early connection, monitor, shapes, reconcile. Returns the records."""
    early = Client(address)
    early.ask("GET", "unseen", "n=100")
    fresh = Client(address)
    monitor = context.monitor("--pid", str(server.pid))
    truths = [early.ask("GET", "early", "n=300"), early.ask("POST", "early", "n=5", body=3000),
              fresh.ask("GET", "early", "n=10")]
    early.close()
    fresh.close()
    for shape in shapes:
        truths += shape(address)
    if stop:
        truths += stopped(address, stop)
    records = monitor.stop()
    reconcile(records, truths)
    return records


EVERY = (plain, chunked, one_byte_writes, expect_continue, pipelined, big, left_by_client, cut_by_server)


def test_uvicorn_shapes(context):
    server, port = context.uvicorn()
    records = watch(context, server, ("127.0.0.1", port), *EVERY, stop=server.pid)
    r = server_exchanges(records)[0]
    need(r.get("service.name") == "asgi_app:app", f"service.name is {r.get('service.name')}")
    need(of_type(records, "config", config_kind="process"), "no snapshot of the process")
    need(of_type(records, "config", config_kind="host"), "no snapshot of the host")
    need(of_type(records, "lifecycle", lifecycle_event="ready"), "no lifecycle ready")


def test_uvicorn_asyncio_h11(context):
    server, port = context.uvicorn("--loop", "asyncio", "--http", "h11")
    watch(context, server, ("127.0.0.1", port), *EVERY, stop=server.pid)


def test_uvicorn_unix_socket(context):
    path = context.path("uvicorn.sock")
    server = context.start(context.uvicorn_argv("--uds", path), path)
    monitor = context.monitor("--pid", str(server.pid))
    truths, _ = run_load(context, path, 1000, 8)
    for shape in (plain, chunked, pipelined, big):
        truths += shape(path)
    reconcile(monitor.stop(), truths)


def test_uvicorn_10000_keepalive(context):
    server, port = context.uvicorn()
    monitor = context.monitor("--pid", str(server.pid))
    truths, _ = run_load(context, ("127.0.0.1", port), 10000, 32)
    reconcile(monitor.stop(), truths, short_share=0.02)


def test_gunicorn_shapes(context):
    server, port = context.gunicorn("--worker-class", "gthread", "--threads", "4", "--keep-alive", "60")
    watch(context, server, ("127.0.0.1", port), plain, chunked, one_byte_writes, expect_continue, big)


def test_node_shapes(context):
    server, port = context.node()
    watch(context, server, ("127.0.0.1", port), *EVERY, stop=server.pid)


def test_nginx_20000_keepalive(context):
    body = "p" * 190
    server, port = context.nginx("location / { return 200 '{\"answer\":\"" + body[12:] + "\"}'; }")
    monitor = context.monitor("--pid", str(server.pid))
    truths, _ = run_load(context, ("127.0.0.1", port), 20000, 32)
    reconcile(monitor.stop(), truths, short_share=0.02)


def test_nginx_static(context):
    server, port = context.nginx("")
    sizes = (0, 1, 200, 100000, 10 * MIB)
    for n in sizes:
        with open(context.path(f"www/{n}.txt"), "wb") as f:
            f.write(os.urandom(1024) * (n // 1024) + b"z" * (n % 1024))
    monitor = context.monitor("--pid", str(server.pid))
    c, truths = Client(("127.0.0.1", port)), []

    def get(method, path, size, status, *headers):
        t = Truth(method, path, port=c.port, query=f"k={len(truths)}")
        t.path = path
        c.send(t, headers=headers)
        need(c.receive(t) and t.status == status and t.response_size == size, f"{path}: {t.__dict__}")
        truths.append(t)

    for n in sizes:  # each file once, so that paths are unique
        get("GET", f"/{n}.txt", n, 200)
    get("HEAD", "//100000.txt", 0, 200)
    get("GET", "///100000.txt", 100, 206, "Range: bytes=0-99")
    get("GET", "////100000.txt", 0, 304, "If-Modified-Since: " + time.strftime(
        "%a, %d %b %Y %H:%M:%S GMT", time.gmtime(os.path.getmtime(context.path("www/100000.txt")))))
    missing = Truth("GET", "/missing", port=c.port)
    c.send(missing)
    c.receive(missing)
    c.close()
    reconcile(monitor.stop(), truths + [missing])


def test_nginx_proxy(context):
    _, upstream = context.trap_server()
    server, port = context.nginx(f"location / {{ proxy_pass http://127.0.0.1:{upstream}; }}")
    monitor = context.monitor("--pid", str(server.pid))
    address = ("127.0.0.1", port)
    truths = plain(address) + chunked(address) + big(address)
    records = monitor.stop()
    reconcile(records, truths)
    asked = [r for r in of_type(records, "exchange") if r["exchange.role"] == "client"]
    need(len(asked) == len(truths), f"{len(asked)} upstream exchanges for {len(truths)} requests")
    parents = {r["id"]: r["url.path"] for r in server_exchanges(records)}
    wrong = [r["url.path"] for r in asked if parents.get(r.get("exchange.parent")) != r["url.path"]]
    need(not wrong, f"upstream exchanges without their parent: {wrong[:5]}")
