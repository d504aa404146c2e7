# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Single system calls: plain, under an empty probe, and with the monitor on the one that calls or on another."""
import statistics
import subprocess

from common import Blind, Samples, Watch

# name: (loop, calls a burst, pause after a burst in us)
WATCHED = {"pipe 256 B": ("pipe", 4000, 8000), "TCP 200 B": ("tcp", 1000, 8000)}
BYSTANDER = {"getpid": ("getpid", 20000, 0), "pipe 256 B": ("pipe", 5000, 0), "sched_yield": ("yield", 10000, 0)}
STATES = ("plain", "empty", "modelsnoop", "again")


class Loops:
    """A process that makes system calls as it is told."""

    def __init__(self, build):
        self.process = subprocess.Popen([f"{build}/loops"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = int(self.process.stdout.readline())
        self.made = 0

    def run(self, loop, calls, pause, bursts):
        """Median of ns a call over the bursts."""
        self.process.stdin.write(f"{loop} {calls} {bursts} {pause}\n")
        self.process.stdin.flush()
        values = [float(x) for x in self.process.stdout.readline().split()]
        if not values:
            raise Blind(f"the loop {loop} broke")
        self.made += calls * len(values)
        return statistics.median(values)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Calls:
    """ns by (state, who, call), a sample over the rounds."""

    def __init__(self, context, build, yardstick, bursts):
        self.context, self.yardstick, self.bursts = context, yardstick, bursts
        self.watched, self.bystander = Loops(build), Loops(build)
        self.ns, self.lost, self.seen = Samples(), 0, 0

    def loops(self):
        return [(self.watched, "watched", WATCHED), (self.bystander, "bystander", BYSTANDER)]

    def measure(self, state):
        for process, who, table in self.loops():
            for name, how in table.items():
                ns = self.yardstick.quietly(lambda p=process, h=how: p.run(*h, self.bursts),
                                            ours=state == "modelsnoop")
                self.ns.add((state, who, name), ns)

    def monitored(self):
        watch = Watch(self.context, "--pid", str(self.watched.pid))
        before = self.watched.made
        self.measure("modelsnoop")
        watch.close()
        watch.read(self.watched.made - before)
        self.lost += watch.lost()
        self.seen += watch.final["modelsnoop.self.events"]["data"]["seen"]

    def empty(self):
        self.yardstick.ask("on")
        self.measure("empty")
        self.yardstick.ask("off")

    def round(self, number):
        turn = number % len(STATES)
        for state in STATES[turn:] + STATES[:turn]:
            if state == "empty":
                self.empty()
            elif state == "modelsnoop":
                self.monitored()
            else:
                self.measure(state)

    def close(self):
        self.watched.close()
        self.bystander.close()

    # ---- results ----

    def added(self, state, who, name):
        return self.ns.over((state, who, name), ("plain", who, name), lambda a, b: a - b)

    def to_empty(self, name):
        """The whole call of a bystander, against the same call under the empty probe."""
        return self.ns.over(("modelsnoop", "bystander", name), ("empty", "bystander", name))

    def rows(self):
        for _, who, table in self.loops():
            for name in table:
                of = {s: self.ns[s, who, name] for s in STATES}
                added = {s: self.added(s, who, name) for s in ("empty", "modelsnoop")}
                yield (name, who, of["plain"].text("%.0f"),
                       self.ns.over(("again", who, name), ("plain", who, name)).text("%.3f"),
                       added["empty"].text("%+.0f"), added["modelsnoop"].text("%+.0f"),
                       self.ns.over(("modelsnoop", who, name), ("empty", who, name)).text("%.3f"),
                       "%.2f" % (added["modelsnoop"].median() / added["empty"].median()))

    HEAD = ("call", "made by", "plain, ns", "A/A", "empty probe adds", "modelsnoop adds", "call / call with empty probe",
            "added / added")
