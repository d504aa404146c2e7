# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What record wrote and replay makes of it, against what run said at the same time."""
import signal
import subprocess

from harness import end, load, need, reconcile, run_load
from test_servers import big, chunked, left_by_client, pipelined, plain


def replay(context, capture, name, *args):
    out = context.path(name)
    done = subprocess.run([context.program, "replay", capture, "-o", f"jsonl:{out}", *args], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    need(done.returncode == 0, f"replay: exit status {done.returncode}: {done.stderr[-300:]}")
    return out


def bare(path, *without):
    """Records but for self and for what must differ."""
    return [{k: v for k, v in r.items() if k not in ("seq", *without)} for r in load(path) if r["type"] != "self"]


def differences(a, b):
    if len(a) != len(b):
        return f"{len(a)} records and {len(b)}"
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            keys = [k for k in {**x, **y} if x.get(k) != y.get(k)]
            return f"record {i} ({x['type']}): " + ", ".join(f"{k}: {x.get(k)!r} / {y.get(k)!r}" for k in keys[:4])
    return ""


def drive(context, port):
    address = ("127.0.0.1", port)
    truths, _ = run_load(context, address, 1000, 16, body=300)
    for shape in (plain, chunked, pipelined, big, left_by_client):
        truths += shape(address)
    return truths


def test_replay_of_run(context):
    """run --capture: replay gives the records that run gave, and the same bytes twice."""
    server, port = context.uvicorn()
    capture = context.path("run.cap")
    monitor = context.monitor("--pid", str(server.pid), "--capture", capture)
    truths = drive(context, port)
    reconcile(monitor.stop(), truths)
    first, second = replay(context, capture, "first.jsonl"), replay(context, capture, "second.jsonl")
    text = differences(bare(monitor.path), bare(first))
    need(not text, f"run and replay: {text}")
    with open(first, "rb") as a, open(second, "rb") as b:
        need(a.read() == b.read(), "two replays differ")


def test_record_beside_run(context):
    """record and run at the same time on the same server: the same exchanges, ids and order."""
    server, port = context.trap_server()
    run = context.monitor("--pid", str(server.pid), output="run.jsonl")
    record = context.monitor("--pid", str(server.pid), command="record", output="record.cap")
    truths, _ = run_load(context, ("127.0.0.1", port), 2000, 1)
    truths += plain(("127.0.0.1", port))
    status = end(record.process, signal.SIGINT)
    need(status == 0, f"record: exit status {status}: {''.join(record.stderr)[-300:]}")
    reconcile(run.stop(), truths)
    out = replay(context, record.path, "replay.jsonl")
    reconcile(load(out), truths)
    keys = ("id", "type", "url.path", "exchange.outcome", "http.response.status_code", "http.request.body.size",
            "http.response.body.size", "client.port", "request.body", "response.body")

    def exchanges(path):
        return [{k: r.get(k) for k in keys} for r in load(path) if r["type"] == "exchange"]

    text = differences(exchanges(run.path), exchanges(out))
    need(not text, f"run and replay of record: {text}")


def test_cut_capture(context):
    """A capture without its end: what could be read is reported, exit status 1."""
    server, port = context.trap_server()
    record = context.monitor("--pid", str(server.pid), command="record", output="record.cap")
    run_load(context, ("127.0.0.1", port), 500, 2)
    need(end(record.process, signal.SIGINT) == 0, "record failed")
    with open(record.path, "rb") as f:
        whole = f.read()
    cut = context.path("cut.cap")
    with open(cut, "wb") as f:
        f.write(whole[: len(whole) * 2 // 3])
    out = context.path("cut.jsonl")
    done = subprocess.run([context.program, "replay", cut, "-o", f"jsonl:{out}"], stderr=subprocess.PIPE, text=True)
    need(done.returncode == 1, f"exit status {done.returncode}, not 1")
    n = len([r for r in load(out) if r["type"] == "exchange"])
    need(250 < n < 500, f"{n} exchanges out of two thirds of 500")
    need("cut" in done.stderr or "end" in done.stderr, f"stderr does not say why: {done.stderr!r}")
