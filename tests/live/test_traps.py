# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The trap server on this host: every way of reading, writing and ending, with the times of a real machine."""
import os
import subprocess
import time

from harness import end, load, need, check_self


def spring(context, command, *target):
    unix = context.path("server.sock")
    _, port = context.trap_server(unix=unix)
    truth, go = context.path("truth"), context.path("go")
    argv = [context.trap, "drive", "--port", str(port), "--unix", unix, "--truth", truth, "--go", go]
    drive = context.start(argv)
    time.sleep(0.5)  # the connections that the monitor finds open
    pid = context.started[-2].pid
    args = [a.format(pid=pid, port=port) for a in target]
    monitor = context.monitor(*args, command=command)
    open(go, "w").close()
    need(drive.wait(60) == 0, "the traps were not sprung as meant")
    time.sleep(0.2)
    return monitor, truth


def check(context, truth, path):
    done = subprocess.run([context.trap, "check", truth, path], stdout=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("    {")]
    need(done.returncode == 0, "\n    ".join(["see below"] + lines[:40] + lines[-1:]))


def test_traps_run(context):
    monitor, truth = spring(context, "run", "--pid", "{pid}")
    records = monitor.stop()
    check(context, truth, monitor.path)
    check_self(records)


def test_traps_record_replay(context):
    monitor, truth = spring(context, "record", "--port", "{port}")
    end(monitor.process, 2)
    out = context.path("replayed.jsonl")
    subprocess.run([context.program, "replay", monitor.path, "-o", f"jsonl:{out}"], check=True, timeout=60)
    need(os.path.getsize(out) > 0, "replay wrote nothing")
    check(context, truth, out)
    check_self(load(out))
