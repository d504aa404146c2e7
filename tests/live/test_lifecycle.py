# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Targets that come, go, die and are started by us; and an agent that dies."""
import os
import signal
import subprocess
import time

from harness import (Client, Monitor, SERVERS, PYTHON, answers, end, need, of_type, reconcile,
                     run_load, server_exchanges)


def until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        need(time.monotonic() < deadline, "waited in vain")
        time.sleep(0.01)


def test_gunicorn_worker_killed(context):
    """Four workers, one killed in the middle of a request: the crash record names the request."""
    server, port = context.gunicorn("--workers", "4")
    monitor = context.monitor("--pid", str(server.pid))
    address = ("127.0.0.1", port)
    truths = []
    for _ in range(40):
        c = Client(address)
        truths.append(c.ask("GET", "before", "n=500"))
        c.close()
    pid_file = context.path("pid")
    c = Client(address)
    victim = c.truth("GET", "victim", f"pause=5000&pidfile={pid_file}", outcome="unfinished", bounds="none")
    c.send(victim)
    until(lambda: os.path.exists(pid_file) and os.path.getsize(pid_file))
    with open(pid_file) as f:
        pid = int(f.read())
    os.kill(pid, signal.SIGKILL)
    need(not c.receive(victim), "the killed worker answered")
    c.close()
    time.sleep(1.5)  # the master starts another
    for _ in range(40):
        c = Client(address)
        truths.append(c.ask("GET", "after", "n=500"))
        c.close()
    records = monitor.stop()
    reconcile(records, truths + [victim])
    crash = of_type(records, "lifecycle", lifecycle_event="crash")
    need(len(crash) == 1, f"{len(crash)} crash records")
    crash = crash[0]
    need(crash["process.pid"] == pid, f"crash of {crash['process.pid']}, not of {pid}")
    need(crash.get("exit.signal") == "SIGKILL", f"exit.signal is {crash.get('exit.signal')}")
    need(crash.get("exit.killed_by", {}).get("pid") == os.getpid(), f"killed by {crash.get('exit.killed_by')}")
    open_then = crash.get("in_flight", [])
    need([x.get("url.path") for x in open_then] == [victim.path], f"in_flight is {open_then}")
    need(crash.get("in_flight.scope") == "process", f"scope is {crash.get('in_flight.scope')}")
    died = [r for r in server_exchanges(records) if r["url.path"] == victim.path][0]
    need(died["id"] == open_then[0]["id"], "in_flight names another id than the exchange has")
    born = [r for r in of_type(records, "lifecycle", lifecycle_event="fork") if r["ts"] > crash["ts"]]
    need(any(r.get("process.parent_pid") == server.pid for r in born), "the new worker's fork is missing")


def test_targets_started_later(context):
    """--port and --comm match what comes later, and again what comes back."""
    for number, target in enumerate((["--port", "{port}"], ["--comm", "trapser*"], ["--exe", "*/trapserver"])):
        port = context.port()
        monitor = context.monitor(*[a.format(port=port) for a in target], output=f"later-{number}.jsonl")
        truths = []
        for life in ("first", "second"):
            server, _ = context.trap_server(port)
            time.sleep(0.3)
            truths += run_load(context, ("127.0.0.1", port), 200, 4, name=life)[0]
            end(server)
            # Its workers die a little later, and hold the ports until then.
            until(lambda: not answers(("127.0.0.1", port)) and not answers(("127.0.0.1", port + 1)))
        reconcile(monitor.stop(), truths)


def test_others_are_not_watched(context):
    server, port = context.trap_server()
    _, other = context.trap_server()
    monitor = context.monitor("--port", str(port))
    run_load(context, ("127.0.0.1", other), 500, 4, name="stranger")
    truths, _ = run_load(context, ("127.0.0.1", port), 100, 4)
    reconcile(monitor.stop(), truths)


def test_command(context):
    """-- CMD is watched from its first instruction; its status becomes ours."""
    port = context.port()
    monitor = context.monitor("--", PYTHON, "-m", "uvicorn", "--app-dir", SERVERS, "asgi_app:app", "--port",
                              str(port), "--log-level", "critical")
    address = ("127.0.0.1", port)
    until(lambda: answers(address), 15)
    truths, _ = run_load(context, address, 100, 4)
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(monitor.process.pid)], stdout=subprocess.PIPE,
                              text=True).stdout.split()
    need(len(children) == 1, f"children of the monitor: {children}")
    os.kill(int(children[0]), signal.SIGTERM)
    status = monitor.process.wait(15)
    need(status in (0, 128 + signal.SIGTERM), f"exit status {status} when CMD ended at SIGTERM")
    records = monitor.records()
    reconcile(records, truths)
    events = {r["lifecycle.event"] for r in of_type(records, "lifecycle")}
    need({"start", "listen", "ready", "exit"} <= events, f"lifecycle events are {sorted(events)}")
    for script, want in (("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0)):
        m = context.monitor("--", "sh", "-c", script, output=f"cmd-{want}.jsonl", wait=False)
        need(m.process.wait(15) == want, f"`{script}`: exit status {m.process.returncode}, not {want}")


def test_target_ends(context):
    """-p and nothing more to watch: the monitor ends by itself with 0."""
    server, port = context.trap_server()
    monitor = context.monitor("--pid", str(server.pid))
    truths, _ = run_load(context, ("127.0.0.1", port), 50, 2)
    end(server)
    status = monitor.process.wait(10)
    need(status == 0, f"exit status {status} after the target had gone")
    reconcile(monitor.records(), truths)


def test_agent_killed(context):
    """SIGKILL of the agent: the target goes on, and a new agent can attach."""
    server, port = context.trap_server()
    address = ("127.0.0.1", port)
    monitor = context.monitor("--pid", str(server.pid), output="killed.jsonl")
    load = subprocess.Popen([context.trap, "load", "--port", str(port), "--requests", "60000", "--connections",
                             "8"])
    time.sleep(0.3)
    need(load.poll() is None, "the load was over before the agent was killed")
    end(monitor.process, signal.SIGKILL)
    need(load.wait(60) == 0, "the target did not answer all requests after the agent was killed")
    need(server.poll() is None, "the target died with the agent")
    again = context.monitor("--pid", str(server.pid))
    truths, _ = run_load(context, address, 500, 4, name="again")
    reconcile(again.stop(), truths)


def test_sigterm_flushes(context):
    server, port = context.trap_server()
    monitor = context.monitor("--pid", str(server.pid))
    truths, _ = run_load(context, ("127.0.0.1", port), 300, 4)
    reconcile(monitor.stop(signal.SIGTERM), truths)


def test_two_agents(context):
    """Two agents watch one server; both are right and neither sees the other's work as a target."""
    server, port = context.trap_server()
    monitors = [Monitor(context, "--pid", str(server.pid), output=f"agent-{i}.jsonl") for i in range(2)]
    context.started += [m.process for m in monitors]
    truths, _ = run_load(context, ("127.0.0.1", port), 2000, 8)
    for m in monitors:
        reconcile(m.stop(), truths)
