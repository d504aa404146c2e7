#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What modelsnoop costs: run.py --program modelsnoop --build DIR [--quick] [calls|servers...].

Figures are medians over rounds in which plain, watched and other runs took turns, the range beside them.
"""
import argparse
import os
import platform
import sys
import time

from calls import BYSTANDER, Calls
from common import Blind, Yardstick
from servers import QUESTION, Served, nginx, uvicorn
from harness import Context, Failed  # noqa: E402  (common.py made the path to it)


def print_table(title, head, rows):
    print(f"\n{title}\n\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


class Goals:
    """Each a figure that may be missed."""

    def __init__(self):
        self.rows, self.missed = [], 0

    def check(self, what, figure, limit, text):
        met = figure <= limit
        self.missed += not met
        self.rows.append((what, text, "≤ %g" % limit, "met" if met else "missed"))


def part_calls(options, context, yardstick, goals):
    calls = Calls(context, options.build, yardstick, bursts=6 if options.quick else 12)
    try:
        for number in range(3 if options.quick else 20):
            calls.round(number)
    finally:
        calls.close()
    print_table("System calls, ns each", calls.HEAD, calls.rows())
    print(f"\nEvents seen {calls.seen}, lost {calls.lost}.")
    for name in BYSTANDER:
        ratio = calls.to_empty(name)
        goals.check(f"{name} of a process that is not watched, against the same call under an empty probe",
                    ratio.median(), 1.05, ratio.text("%.3f"))


def part_servers(options, context, yardstick, goals):
    quick = options.quick
    served = {"nginx": Served(context, options.build, yardstick, nginx, 4000 if quick else 20000),
              "uvicorn": Served(context, options.build, yardstick, uvicorn, 500 if quick else 2000, QUESTION)}
    for number in range(2 if quick else 9):
        served["nginx"].round(number, ("tcpdump", "strace"))
        served["uvicorn"].round(number, ())
    front = served["nginx"]
    for _ in range(1 if quick else 3):
        front.watched("modelsnoop, paced", 5000 if quick else 20000, rate=5000)
    front.watched("modelsnoop, at full speed", 20000 if quick else 150000, settle=1)
    print_table("Servers, 16 keep-alive connections, 200-byte replies", front.HEAD,
                [row for name, s in served.items() for row in s.rows(name)])
    wall, cpu, size = front.replay(5000 if quick else 20000, 5000)
    print(f"\nReplay: {wall:,.0f} exchanges a second, {cpu:,.0f} a CPU second; capture {size:.0f} B an exchange.")
    ratio = front.cpu.over("modelsnoop", "plain")
    goals.check("nginx, CPU a request, against plain", ratio.median(), 1.15, ratio.text("%.3f"))
    own, peak = front.own["modelsnoop, paced"], front.peak["modelsnoop, paced"]
    goals.check("agent, CPU s per 100,000 exchanges", own.median() * 1e5, 0.3, own.text("%.3f", 1e5))
    goals.check("agent, peak RSS, MiB", max(peak), 64, "%.1f" % max(peak))
    missing = max(front.missing["modelsnoop, paced"])
    goals.check("share of exchanges at a paced load without a whole record", missing, 0, "%.4f" % missing)


PARTS = {"calls": part_calls, "servers": part_servers}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--quick", action="store_true", help="roughly, for CI: only a blind monitor fails")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: attaches probes to the kernel and needs root")
    start, goals = time.monotonic(), Goals()
    context, yardstick = Context(options.program, None), Yardstick(options.build)
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())
    print(f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}")
    try:
        for name, part in PARTS.items():
            if not options.parts or name in options.parts:
                part(options, context, yardstick, goals)
    except (Blind, Failed) as e:
        print(f"bench: no figures: {e}\n{len(goals.rows) - goals.missed} passed, {1 + goals.missed} failed")
        return 1
    finally:
        yardstick.close()
        context.close()
    print_table("Goals", ("goal", "figure", "limit", ""), goals.rows)
    print(f"\nMedian [least…most] over rounds; {yardstick.disturbed} of {yardstick.measured} measurements had a foreign "
          f"probe beside them; load {os.getloadavg()[0]:.1f}; {time.monotonic() - start:.0f} s.")
    failed = 0 if options.quick else goals.missed
    print(f"{len(goals.rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
