#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Run the live tests: run.py --program modelsnoop --trap trapserver [NAME...]. One line each, then a sum."""
import argparse
import importlib
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Context, Failed, Short, Skipped  # noqa: E402

MODULES = ("test_traps", "test_servers", "test_lifecycle", "test_capture", "test_overload")


def tests():
    for module in MODULES:
        found = importlib.import_module(module)
        for name, function in list(vars(found).items()):
            if name.startswith("test_"):
                yield name[5:], function


def attempt(function, options):
    context = Context(options.program, options.trap)
    try:
        function(context)
        return "ok", ""
    except Short as e:
        return "short", str(e)
    except Skipped as e:
        return "skip", str(e)
    except Failed as e:
        return "FAIL", str(e)
    except Exception:
        return "FAIL", traceback.format_exc()
    finally:
        context.close()


def one(name, function, options):
    start = time.monotonic()
    status, text = attempt(function, options)
    if status in ("short", "FAIL"):  # a busy machine does it once, an error of ours twice; both are shown
        print(f"     {name}: first try: {text}", flush=True)
        status, text = attempt(function, options)
        status, text = ("FAIL", text) if status == "short" else (status, text or "second try")
    print(f"{status:4} {name} ({time.monotonic() - start:.1f} s){': ' + text if text else ''}", flush=True)
    return status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--trap", required=True)
    parser.add_argument("names", nargs="*", help="only tests whose names contain one of these")
    options = parser.parse_args()
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    if os.geteuid() != 0:
        print("live tests attach probes to the kernel and need root", file=sys.stderr)
        return 1
    for name, function in tests():
        if not options.names or any(part in name for part in options.names):
            counts[one(name, function, options)] += 1
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] or not counts["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
