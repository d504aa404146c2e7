#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What modelsnoop costs: run.py --program modelsnoop --build DIR --trap trapserver [--quick].

Every figure is a ratio or difference of runs that took turns in one process group; the range over the
rounds stands beside it. The machine's own noise is shown by a second plain run in each round. No figure
is printed for a run in which the monitor saw no events or not all of them.
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))

from harness import Context, Monitor, end, of_type, server_exchanges  # noqa: E402


class Blind(Exception):
    """The monitor did not see what it was to be measured at."""


def median_range(values, form):
    return f"{form % statistics.median(values)} [{form % min(values)} … {form % max(values)}]"


def pin(cpu):
    return lambda: os.sched_setaffinity(0, {cpu % os.cpu_count()})


# ---- CPU of processes ----


def tree(pid):
    pids = [pid]
    for p in pids:
        for task in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{task}/children") as f:
                pids += [int(c) for c in f.read().split()]
    return pids


def cpu_ns(pid):
    """On-CPU time of a process and its children, all threads that live."""
    total = 0
    for p in tree(pid):
        for task in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
    return total


def peak_rss(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


# ---- single system calls ----


class Calls:
    """A process that makes system calls when told to."""

    def __init__(self, build, kind, *size):
        self.p = subprocess.Popen([f"{build}/calls", kind, *map(str, size)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, preexec_fn=pin(0))

    def ns(self, n):
        self.p.stdin.write(f"{n}\n")
        self.p.stdin.flush()
        return float(self.p.stdout.readline())


KINDS = {"getpid": ("getpid",), "sched_yield": ("yield",), "pipe 256 B": ("pipe", 256),
         "pipe 4 KiB": ("pipe", 4096), "TCP 512 B": ("tcp", 512)}
BYSTANDERS = ("getpid", "sched_yield", "pipe 256 B")
CAPTURED = ("getpid", "pipe 256 B", "pipe 4 KiB", "TCP 512 B")


def syscalls(options, rounds, calls):
    """ns by (condition, kind), a list over the rounds."""
    context = Context(options.program, options.trap)
    other = {k: Calls(options.build, *KINDS[k]) for k in BYSTANDERS}
    target = {k: Calls(options.build, *KINDS[k]) for k in CAPTURED}
    results = {}

    def measure(condition, processes):
        for kind, process in processes.items():
            n = calls // 4 if kind.startswith("TCP") else calls
            results.setdefault((condition, kind), []).append(process.ns(n))

    def base():
        measure("base", {**target, **other})

    def empty():
        probe = subprocess.Popen([f"{options.build}/probe", f"{options.build}/empty.bpf.o"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if probe.stdout.readline() != "ready\n":
            raise Blind("the empty probe could not be attached")
        measure("empty", {**target, **other})
        probe.stdin.close()
        probe.wait()

    def monitored():
        args = [x for k in CAPTURED for x in ("--pid", str(target[k].p.pid))]
        monitor = Monitor(context, *args, output=Context.__name__ + str(time.monotonic_ns()))
        os.sched_setaffinity(monitor.process.pid, {1 % os.cpu_count()})
        measure("bystander", other)
        measure("captured", target)
        records = monitor.stop()
        data = of_type(records, "self")[-1]["modelsnoop.self.events"]["data"]
        if data["seen"] < calls:
            raise Blind(f"the monitor saw {data['seen']} of some {3 * calls} calls")

    try:
        for _ in range(rounds):
            for condition in random.sample((base, empty, monitored), 3):
                condition()
    finally:
        for process in (*other.values(), *target.values()):
            process.p.stdin.close()
            process.p.wait()
        context.close()
    return results


def least_range(values, base, form, combine):
    """From the quietest round of each, since noise only ever adds; [in single rounds]."""
    pairs = [combine(a, b) for a, b in zip(values, base)]
    return f"{form % combine(min(values), min(base))} [{form % min(pairs)} … {form % max(pairs)}]"


def print_syscalls(results):
    def added(condition, kind):
        return least_range(results[condition, kind], results["base", kind], "%+.0f", lambda a, b: a - b)

    print("\nOne system call, ns added (of the quietest rounds; [within single rounds])")
    print(f"{'':14} {'plain':>7}  {'empty sys_exit probe':>22}  {'modelsnoop':>22}  ratio of the whole call")
    for condition, kinds in (("bystander", BYSTANDERS), ("captured", CAPTURED)):
        print("of a process that is not watched" if condition == "bystander" else "of a watched process")
        for kind in kinds:
            ratio = least_range(results[condition, kind], results["empty", kind], "%.3f", lambda a, b: a / b)
            print(f"  {kind:12} {min(results['base', kind]):7.0f}  {added('empty', kind):>22}  "
                  f"{added(condition, kind):>22}  {ratio} × empty probe")
    print("goal: not watched ≤ 1.05 × the call under the empty probe")


# ---- servers ----


class Load:
    def __init__(self, options, context, server, port, requests):
        self.options, self.context, self.server, self.port, self.requests = options, context, server, port, requests
        self.run(requests // 10)  # warm

    def run(self, n=None):
        """CPU ns of the server for one request."""
        n = n or self.requests
        before = cpu_ns(self.server.pid)
        status = subprocess.run([self.options.trap, "load", "--port", str(self.port), "--requests", str(n),
                                 "--connections", "16"]).returncode
        if status:
            raise Blind("the server did not answer the load")
        return (cpu_ns(self.server.pid) - before) / n


def with_monitor(load, costs, *args):
    file = f"bench-{time.monotonic_ns()}.jsonl"
    monitor = Monitor(load.context, "--pid", str(load.server.pid), *args, output=file)
    before = cpu_ns(monitor.process.pid)
    ns = load.run()
    time.sleep(0.3)  # let it catch up, so that its CPU is counted in full
    costs.append(((cpu_ns(monitor.process.pid) - before) / load.requests, peak_rss(monitor.process.pid)))
    records = monitor.stop()
    n = len(server_exchanges(records))
    lost = sum(of_type(records, "self")[-1]["modelsnoop.self.lost"].values())
    if n != load.requests:
        raise Blind(f"the monitor reported {n} of {load.requests} exchanges (lost {lost})")
    os.unlink(load.context.path(file))
    return ns


def beside(load, argv, costs, requests):
    """Another tool: argv with {pids}, {port}, {file}; it says on stderr when it listens."""
    file = load.context.path("other")
    pids = [x for p in tree(load.server.pid) for x in ("-p", str(p))] if "{pids}" in argv else []
    words = [w for a in argv for w in (pids if a == "{pids}" else [a.format(port=load.port, file=file)])]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=os.setpgrp)
    process.stderr.readline()
    time.sleep(0.2)
    before = cpu_ns(process.pid)
    ns = load.run(requests)
    time.sleep(0.2)
    costs.append(((cpu_ns(process.pid) - before) / requests, peak_rss(process.pid)))
    end(process, signal.SIGINT)
    if os.path.getsize(file) < requests * 100:
        raise Blind(f"{argv[0]} wrote {os.path.getsize(file)} bytes for {requests} requests")
    os.unlink(file)
    return ns


OTHERS = {
    "tcpdump -s0 -w": ["tcpdump", "-i", "lo", "-s0", "-U", "-w", "{file}", "port", "{port}"],
    "strace -f -s 512": ["strace", "-f", "-s", "512", "-o", "{file}", "{pids}"],
}


def server_rounds(options, start, requests, rounds):
    """Ratios by condition, and costs of each tool, over the rounds."""
    context = Context(options.program, options.trap)
    ratios, costs, plain = {}, {}, []
    try:
        server, port = start(context)
        load = Load(options, context, server, port, requests)
        for _ in range(rounds):
            now = {"plain": load.run()}
            runs = {"plain again": load.run,
                    "modelsnoop": lambda: with_monitor(load, costs.setdefault("modelsnoop", [])),
                    "modelsnoop, no payload": lambda: with_monitor(
                        load, costs.setdefault("modelsnoop, no payload", []), "--payload", "none")}
            for name, argv in OTHERS.items():
                if shutil.which(argv[0]):
                    few = requests // 10 if argv[0] == "strace" else requests
                    runs[name] = lambda argv=argv, name=name, few=few: beside(
                        load, argv, costs.setdefault(name, []), few)
            for name in random.sample(list(runs), len(runs)):
                now[name] = runs[name]()
            plain.append(now.pop("plain"))
            for name, ns in now.items():
                ratios.setdefault(name, []).append(ns / plain[-1])
    finally:
        context.close()
    return plain, ratios, costs


def print_server(title, goal, plain, ratios, costs):
    print(f"\n{title}: {median_range([x / 1000 for x in plain], '%.1f')} µs of its CPU a request")
    print(f"{'':26} {'its CPU a request':>22}   {'own CPU s / 100,000':>22}  peak RSS")
    for name in ("plain again", "modelsnoop", "modelsnoop, no payload", *OTHERS):
        if name not in ratios:
            print(f"  {name:24} not installed")
            continue
        own = costs.get(name)
        print(f"  {name:24} {median_range(ratios[name], '%.2f'):>22} ×"
              + (f" {median_range([c[0] / 1e4 for c in own], '%.2f'):>22}  {max(c[1] for c in own):.0f} MiB" if own else ""))
    if goal:
        print(goal)


def nginx(context):
    answer = json.dumps({"model": "demo", "prediction": "class_1", "probabilities": [0.1, 0.8, 0.1]})
    return context.nginx("location / { default_type application/json; return 200 '%s'; }" % answer.ljust(200))


def uvicorn(context):
    return context.uvicorn()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--trap", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--quick", action="store_true", help="roughly: for CI")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: attaches probes to the kernel and needs root")
    random.seed(1)
    rounds = 2 if options.quick else 7
    try:
        print_syscalls(syscalls(options, rounds, 200000 if options.quick else 2000000))
        print_server("nginx, 200 bytes of JSON", "goals: its CPU ≤ 1.15 ×, own CPU ≤ 0.3 s, RSS ≤ 64 MiB",
                     *server_rounds(options, nginx, 10000 if options.quick else 60000, rounds))
        print_server("uvicorn, 200 bytes", "",
                     *server_rounds(options, uvicorn, 3000 if options.quick else 10000, rounds))
    except Blind as e:
        sys.exit(f"bench: no figures: {e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
