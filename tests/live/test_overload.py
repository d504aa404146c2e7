# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A ring far too small and an agent that is stopped: losses are counted, exactly."""
import signal
import subprocess
import time

from harness import SHORT, check_envelope, check_self, compare, end, need, of_type, read_load, server_exchanges


def test_overload(context):
    server, port = context.trap_server()
    truth, go = context.path("truth"), context.path("go")
    load = context.start([context.trap, "load", "--port", str(port), "--requests", "60000", "--connections", "16",
                          "--truth", truth, "--go", go])
    time.sleep(0.3)
    monitor = context.monitor("--pid", str(server.pid), "--buffer", "64K")
    open(go, "w").close()
    for _ in range(3):
        time.sleep(0.1)
        monitor.process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        monitor.process.send_signal(signal.SIGCONT)
    need(load.wait(60) == 0, "the target did not answer everything")
    time.sleep(0.2)
    status = end(monitor.process, signal.SIGINT)
    need(status == 0, f"exit status {status}")
    records = monitor.records()
    truths, wire = read_load(truth)
    lost = check_self(records)
    check_envelope(records)
    need(lost["ring_full"] > 0, "nothing was lost: no overload")
    # Bytes: what the sockets moved is parsed, left out or lost, to the byte.
    seen = of_type(records, "self")[-1]["self.bytes"]
    need(seen["parsed"] + seen["omitted"] + seen["lost"] == sum(wire),
         f"{seen} does not add up to the {sum(wire)} bytes of the wire")
    need(seen["lost"] > 0, "no byte counts as lost")
    # Requests: each is there, or its connection shows loss; and what is there without loss is right.
    known = {t.path: t for t in truths}
    shown, lossy, wrong = set(), set(), []
    for r in server_exchanges(records):
        path = r.get("url.path")
        shown.add(path)
        if r["exchange.loss"]:
            lossy.add(r.get("client.port"))
        elif path in known:
            wrong += [f"{path}: {text}" for text in compare(r, known[path]) if SHORT not in text]
        elif path is not None:
            wrong.append(f"{path}: never asked for")
    hidden = [t for t in truths if t.path not in shown and t.port not in lossy]
    need(not hidden, f"{len(hidden)} requests vanished without a trace of loss, first {hidden[0].path}" if hidden else "")
    need(not wrong, f"{len(wrong)} exchanges without loss are wrong:\n    " + "\n    ".join(wrong[:8]))
    need(len(shown) > 1000, f"only {len(shown)} exchanges survived")


def test_stopped_agent_never_stops_the_target(context):
    server, port = context.trap_server()
    monitor = context.monitor("--pid", str(server.pid), "--buffer", "64K")
    monitor.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    status = subprocess.run([context.trap, "load", "--port", str(port), "--requests", "20000"], timeout=60).returncode
    seconds = time.monotonic() - start
    monitor.process.send_signal(signal.SIGCONT)
    need(status == 0, "the target did not answer everything")
    need(seconds < 15, f"the target took {seconds:.1f} s")
    check_self(monitor.stop())
