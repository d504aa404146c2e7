# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Medians and ranges, CPU of processes, and a monitor that must have seen what it is measured at."""
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))

from harness import Monitor, end  # noqa: E402


class Blind(Exception):
    """No figure: the monitor, or a tool beside it, did not see what it was to be measured at."""


class Sample(list):
    """Figures of one kind, one for each round."""

    def median(self):
        return statistics.median(self)

    def text(self, form="%.2f", scale=1.0):
        values = [form % (x * scale) for x in (self.median(), min(self), max(self))]
        return f"{values[0]} [{values[1]}…{values[2]}]"


class Samples(dict):
    def add(self, key, value):
        self.setdefault(key, Sample()).append(value)

    def over(self, key, base, combine=lambda a, b: a / b):
        """Round by round."""
        return Sample(combine(a, b) for a, b in zip(self[key], self[base]))


def last_cpu():
    return os.cpu_count() - 1


def pinned(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def tree(pid):
    pids = [pid]
    for p in pids:
        for task in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{task}/children", encoding="ascii") as f:
                pids += [int(child) for child in f.read().split()]
    return pids


def cpu_seconds(pid):
    """Time on a CPU of a process and its children, all threads that live."""
    total = 0
    for p in tree(pid):
        for task in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{task}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
    return total / 1e9


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


class Yardstick:
    """The empty probe, and the count of probes that others have on the same path."""

    def __init__(self, build):
        self.process = subprocess.Popen([f"{build}/yardstick", f"{build}/empty.bpf.o"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.disturbed = self.measured = 0
        if self.process.stdout.readline() != "ready\n":
            raise Blind("the empty probe cannot be loaded")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise Blind(f"the empty probe does not obey {command}")
        return answer

    def alone(self, ours):
        return int(self.ask("others")) <= ours

    def quietly(self, measure, ours=0, tries=6):
        """measure() while nobody else (but `ours` monitors) has a probe on the system call path."""
        self.measured += 1
        for _ in range(tries):
            deadline = time.monotonic() + 3
            while not self.alone(ours) and time.monotonic() < deadline:
                time.sleep(0.05)
            result = measure()
            if self.alone(ours):
                return result
        self.disturbed += 1
        return result

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Watch:
    """modelsnoop at work; seen() must be asked before any figure of it is used."""

    count = 0

    def __init__(self, context, *args, command="run"):
        Watch.count += 1
        self.monitor = Monitor(context, *args, command=command, output=f"watch-{Watch.count}")
        self.pid, self.file = self.monitor.process.pid, self.monitor.path
        context.started.append(self.monitor.process)
        self.cpu_start = cpu_seconds(self.pid)
        self.cpu = self.peak = 0.0
        self.final = {}

    def close(self, settle=0.3):
        """Stop it once it has caught up."""
        time.sleep(settle)
        self.cpu, self.peak = cpu_seconds(self.pid) - self.cpu_start, peak_mib(self.pid)
        status = end(self.monitor.process, timeout=20)
        if status:
            raise Blind(f"the monitor ended with status {status}: {''.join(self.monitor.stderr)[-300:]}")

    def read(self, calls):
        """The last self record, and how many answered exchanges are whole; `calls` were there to be seen."""
        whole, line = 0, b"{}"
        with open(self.file, "rb") as f:
            for line in f:
                whole += b'"type":"exchange"' in line and b'"exchange.loss":0,' in line
        os.unlink(self.file)
        self.final = json.loads(line)
        seen = self.final.get("modelsnoop.self.events", {}).get("data", {}).get("seen", 0)
        if seen < calls * 0.99:
            raise Blind(f"the monitor saw {seen} of {calls} calls")
        return whole

    def lost(self):
        return sum(self.final["modelsnoop.self.lost"].values())
