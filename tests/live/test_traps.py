# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The trap server on this host: every way of reading, writing and ending, with the times of a real machine."""
import os
import subprocess
import time

from harness import Failed, Short, check_self, end, load, need


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
    if done.returncode == 0:
        return
    lines = [line for line in done.stdout.splitlines() if not line.startswith("    {")]
    text = "\n    ".join(["see below"] + lines[:40])
    heads = [line for line in lines if line.startswith("FAIL exchange url.path=") and "records, not" not in line]
    wrong = [line for line in lines[:-1] if line not in heads]  # a line for each check that did not hold
    raise (Short if all("socket.wait_time+duration>" in line for line in wrong) else Failed)(text)


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
