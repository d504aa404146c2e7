#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The command line contract: exit statuses, what refusals say, and that nothing is half-written.

Usage: run_cli.py PROGRAM [NAME…]    NAMEs choose checks by a part of their name.

Prints one line a check and at the end `N passed, N failed`; what needs root or a kernel with BTF is
named as skipped where it is missing. Standard library only.
"""
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

READY = "modelsnoop: ready"
NO_PID = 4194303
NOBODY = 65534
BPF_CAPS = "-bpf,-perfmon,-sys_admin"


class Skip(Exception):
    pass


class Wrong(Exception):
    pass


def expect(condition, why):
    if not condition:
        raise Wrong(why)


class Result:
    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    def __str__(self):
        return f"{' '.join(self.argv)}: status {self.status}, stderr {self.err!r}, stdout {self.out[:300]!r}"

    def exits(self, *status):
        expect(self.status in status, f"{self}; wanted status {' or '.join(map(str, status))}")
        return self

    def says(self, *parts):
        for part in parts:
            expect(part in self.err, f"{self}; wanted {part!r} on stderr")
        return self

    def prints(self, *parts):
        for part in parts:
            expect(part in self.out, f"{self}; wanted {part!r} on stdout")
        return self

    def silent(self):
        expect(self.out == "", f"{self}; wanted nothing on stdout")
        return self


class Cli:
    """The program under test and a scratch directory."""

    def __init__(self, program, scratch):
        self.scratch = scratch
        self.program = os.path.join(scratch, "modelsnoop")
        # A copy that other users may execute, wherever the build tree is.
        shutil.copy(program, self.program)
        os.chmod(self.program, 0o755)
        self._live = None

    def path(self, name):
        return os.path.join(self.scratch, name)

    def file(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def __call__(self, *args, before=(), env=None, timeout=30, stdin=subprocess.DEVNULL):
        argv = [*before, self.program, *map(str, args)]
        full = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        full.update(env or {})
        try:
            p = subprocess.run(argv, capture_output=True, timeout=timeout, env=full, stdin=stdin, check=False)
        except subprocess.TimeoutExpired as e:
            raise Wrong(f"{' '.join(argv)}: still running after {timeout} s") from e
        return Result([str(a) for a in args], p.returncode, p.stdout.decode(), p.stderr.decode())

    def start(self, *args, **kw):
        """A running monitor, once it is ready."""
        p = subprocess.Popen([self.program, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, **kw)
        lines = []
        for line in p.stderr:
            lines.append(line)
            if READY in line:
                break
        else:
            raise Wrong(f"{' '.join(map(str, args))}: never ready, status {p.wait()}: {''.join(lines)}")
        p.said = lines
        return p

    def needs_probes(self):
        if self._live is None:
            self._live = self("doctor").status
        if self._live != 0:
            raise Skip("this host cannot monitor (doctor says why)")


def finish(p, sig=signal.SIGINT, timeout=20):
    p.send_signal(sig)
    try:
        out, err = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as e:
        p.kill()
        raise Wrong(f"did not end within {timeout} s of {sig.name}") from e
    return Result(p.args[1:], p.returncode, out, "".join(p.said) + err)


def needs_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


class Sleeper:
    """A process to point at."""

    def __enter__(self):
        self.p = subprocess.Popen(["sleep", "300"])
        return self.p.pid

    def __exit__(self, *_):
        self.p.kill()
        self.p.wait()


class Server:
    """A web server in this process; keep-alive, so that a request costs little."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = b'{"answer":"' + b"x" * 500 + b'"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def get(self, count):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for i in range(count):
            c.request("GET", f"/{i}")
            c.getresponse().read()
        c.close()


class SmallDisk:
    """A tmpfs of some KiB."""

    def __init__(self, cli, kib):
        self.where, self.kib = cli.path("small"), kib

    def __enter__(self):
        needs_root()
        os.makedirs(self.where, exist_ok=True)
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.kib}k", "tmpfs", self.where],
                           capture_output=True, text=True, check=False)
        if r.returncode:
            raise Skip(f"cannot mount a tmpfs: {r.stderr.strip()}")
        return self.where

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.where], check=False)


def records(path):
    """Every line must be whole: that is what `append is line-atomic` means to a reader."""
    with open(path, "rb") as f:
        data = f.read()
    expect(not data or data.endswith(b"\n"), f"{path} ends in the middle of a line: …{data[-80:]!r}")
    return [json.loads(line) for line in data.splitlines()]


def a_capture(cli):
    """One real capture for all checks that read one."""
    path = cli.path("one.cap")
    if not os.path.exists(path):
        cli.needs_probes()
        cli("record", "-o", path, "--", "true").exits(0)
    return path


# ---- help and version ------------------------------------------------------------------------------

COMMANDS = ["run", "record", "replay", "baseline", "doctor"]
LATER_COMMANDS = ["merge", "explain", "report", "top"]


def check_help_of_the_program(cli):
    r = cli("--help").exits(0)
    r.prints(*COMMANDS, "Targets", "Capture", "Output", "Drift", "--false-alarms", "--copy-bytes", "Exit status")
    expect(r.err == "", f"{r}; wanted nothing on stderr")


def check_help_of_each_command(cli):
    for c in COMMANDS:
        cli(c, "--help").exits(0).prints(f"modelsnoop {c}")
    r = cli("run", "--help").prints("--on-alert", "--learn", "--pid")
    expect("--learn" not in cli("doctor", "--help").out, f"{r}; doctor's help offers --learn")


def check_help_and_version_anywhere(cli):
    for args in [["run", "--bogus", "--help"], ["replay", "--learn", "x", "--help"], ["-h"], ["merge", "--help"],
                 ["doctor", "-h"]]:
        cli(*args).exits(0).prints("Usage:")
    for args in [["--version"], ["run", "--version"], ["run", "-p", "x", "--version"], ["-V"]]:
        out = cli(*args).exits(0).prints("modelsnoop ").out
        expect(out.split()[1][0].isdigit(), f"{args}: no version in {out!r}")


def check_help_after_dashes_is_the_command_s(cli):
    cli.needs_probes()
    r = cli("run", "-o", "jsonl:/dev/null", "--", "sh", "-c", "exit 9", "--help")
    r.exits(9)


# ---- usage errors: 2 -------------------------------------------------------------------------------

USAGE = [
    # arguments, what must be said
    ([], ["no command", "--help"]),
    (["rum"], ["unknown command 'rum'", "did you mean run"]),
    (["frobnicate"], ["unknown command 'frobnicate'"]),
    (["--pid", "1", "run"], ["command comes first"]),
    (["run"], ["no target", "-p PID", "--comm", "--port", "--cgroup", "-- CMD"]),
    (["record", "-o", "x"], ["no target"]),
    (["record", "-p", "1"], ["-o PATH"]),
    (["run", "1234"], ["1234", "-p PID"]),
    (["run", "--lern", "5"], ["'--lern'", "did you mean --learn"]),
    (["run", "--outptu=text"], ["did you mean --output"]),
    (["run", "-z"], ["'-z'"]),
    (["run", "-p"], ["--pid needs a value"]),
    (["run", "-p", "abc"], ["--pid", "'abc'", "1 to 4194304"]),
    (["run", "-p", "0"], ["--pid", "'0'", "1 to 4194304"]),
    (["run", "--port", "65536"], ["--port", "'65536'", "1 to 65535"]),
    (["run", "-p", "1", "--learn", "5x"], ["--learn", "'5x'", "10 to 1000000000"]),
    (["run", "-p", "1", "--learn", "99999999999999999999"], ["--learn", "out of range"]),
    (["run", "-p", "1", "--sample-rate", "2"], ["--sample-rate", "'2'", "0 to 1"]),
    (["run", "-p", "1", "--sample-rate", "nan"], ["--sample-rate", "'nan'"]),
    (["run", "-p", "1", "--min-effect", "-1"], ["--min-effect", "0 to 1"]),
    (["run", "-p", "1", "--buffer", "8Q"], ["--buffer", "'8Q'", "K, M, G"]),
    (["run", "-p", "1", "--copy-bytes", "64K+1"], ["--copy-bytes", "64K"]),
    (["run", "-p", "1", "--interval", "0"], ["--interval", "'0'"]),
    (["run", "-p", "1", "--payload", "redact"], ["--payload", "'redact'", "did you mean redacted"]),
    (["run", "-p", "1", "--tag", "novalue"], ["--tag", "'novalue'", "KEY=VALUE"]),
    (["run", "-p", "1", "--tag", "a\nb=c"], ["--tag", "control characters"]),
    (["run", "-p", "1", "--redact", "x"], ["--redact", "NAME=REGEX"]),
    (["run", "-p", "1", "-o", "jsnol:x"], ["jsnol", "did you mean jsonl"]),
    (["run", "-p", "1", "-o", "text", "-o", "jsonl"], ["stdout"]),
    (["run", "-p", "1", "--service", ""], ["--service", "empty"]),
    (["doctor", "--learn", "100"], ["--learn does not belong to doctor"]),
    (["replay", "x", "-p", "1"], ["--pid does not belong to replay"]),
    (["replay", "x", "--", "true"], ["-- CMD does not belong to replay"]),
    (["run", "--"], ["-- needs a command"]),
    (["replay"], ["replay", "FILE"]),
    (["replay", "a", "b"], ["'b'"]),
    (["run", "-p", "1", "--config", "/nonexistent/c"], ["--config", "/nonexistent/c"]),
]


def check_usage_errors(cli):
    for args, parts in USAGE:
        cli(*args).exits(2).says(*parts).silent()


def check_bad_regular_expression(cli):
    cap = a_capture(cli)
    cli("replay", cap, "--redact", "x=(").exits(2).says("--redact", "x=(").silent()
    cli("replay", cap, "--redact", "x=a*").exits(2).says("--redact", "empty")


def check_missing_baseline_file(cli):
    cap = a_capture(cli)
    r = cli("replay", cap, "--baseline", "/nonexistent/b", "-o", "jsonl:" + cli.path("nb.jsonl"))
    r.exits(1, 2).says("/nonexistent/b")
    expect(not os.path.exists(cli.path("nb.jsonl")) or not records(cli.path("nb.jsonl")), "half-written output")


def check_terminal_is_safe_from_arguments(cli):
    r = cli("run", "--evil\x1b[2J").exits(2)
    expect("\x1b" not in r.err, f"{r}; an escape sequence reached stderr")


# ---- later versions: 2 -----------------------------------------------------------------------------

LATER_OPTIONS = ["--auto", "--stdio", "--no-stdio", "--hang-after=5", "--rotate=1M", "--label-path=/x",
                 "--label-key=$.id", "--label-value=$.l", "--state=/tmp/x"]


def check_commands_of_later_versions(cli):
    for c in LATER_COMMANDS:
        cli(c).exits(2).says(c, "not in this version").silent()
        cli(c, "x").exits(2).says("not in this version")


def check_options_of_later_versions(cli):
    for o in LATER_OPTIONS:
        cli("run", "-p", "1", o).exits(2).says(o.split("=")[0], "not in this version").silent()
    for f in ["otlp:/tmp/x", "prom:/tmp/x"]:
        cli("run", "-p", "1", "-o", f).exits(2).says(f.split(":")[0], "not in this version")


# ---- config file: 2 --------------------------------------------------------------------------------

CONFIG = [
    ("# fine\nlearn = 50\n\nlern = 60\n", [":4:", "'lern'", "did you mean 'learn'"]),
    ("sample_bytes = 1K\n", [":1:", "'sample_bytes'", "did you mean 'sample-bytes'"]),
    ("learn = many\n", [":1:", "learn", "'many'", "10 to 1000000000"]),
    ("learn 50\n", [":1:", "learn", "'='"]),
    ("\n\nrotate = 1M\n", [":3:", "rotate", "not in this version"]),
    ("config = x\n", [":1:", "config"]),
    ("service = \"x\n", [":1:", "quote"]),
    ("learn = 50\nservice = a\0b\n", [":2:", "NUL"]),
]


def check_config_errors_name_file_and_line(cli):
    for text, parts in CONFIG:
        path = cli.file("bad.conf", text)
        cli("run", "-p", "1", "--config", path).exits(2).says(path, *parts).silent()
        cli("replay", "x", "--config", path).exits(2).says(path, *parts)


def check_config_counts_and_the_command_line_wins(cli):
    cap = a_capture(cli)
    out = cli.path("conf.jsonl")
    conf = cli.file("good.conf", f"# output\noutput = jsonl:{out}\ntag = env=file\nservice = from-file\n")
    cli("replay", cap, "--config", conf).exits(0)
    seen = records(out)
    expect(seen, "the config file's output was not written")
    expect(all(r.get("tags") == {"env": "file"} for r in seen), f"tags of the file: {seen[0]}")
    os.unlink(out)
    cli("replay", cap, "--config", conf, "--tag", "env=line").exits(0)
    seen = records(out)
    expect(all(r.get("tags") == {"env": "line"} for r in seen), f"the command line does not win: {seen[0]}")


def check_config_that_everybody_may_write(cli):
    path = cli.file("open.conf", "on-alert = /bin/true\n")
    os.chmod(path, 0o666)
    cli("run", "-p", "1", "--config", path).exits(2).says(":1:", "on-alert", "chmod o-w")


# ---- targets: 4 ------------------------------------------------------------------------------------

def check_no_such_process(cli):
    cli.needs_probes()
    out = cli.path("no.jsonl")
    cli("run", "-p", NO_PID, "-o", f"jsonl:{out}").exits(4).says(str(NO_PID)).silent()
    cli("record", "-p", NO_PID, "-o", cli.path("no.cap")).exits(4).says(str(NO_PID))
    expect(not os.path.exists(cli.path("no.cap")), "a capture of nothing was left behind")
    expect(not os.path.exists(out) or os.path.getsize(out) == 0, "an output of nothing was left behind")


def check_process_that_has_gone(cli):
    cli.needs_probes()
    p = subprocess.Popen(["true"])
    p.wait()
    cli("run", "-p", p.pid, "-o", "jsonl").exits(4).says(str(p.pid))


def check_command_that_does_not_exist(cli):
    cli.needs_probes()
    cli("run", "-o", "jsonl:/dev/null", "--", "/nonexistent/cmd").exits(4).says("/nonexistent/cmd")


# ---- statuses of CMD and signals -------------------------------------------------------------------

def check_status_of_cmd(cli):
    cli.needs_probes()
    for script, status in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)]:
        cli("run", "-o", "jsonl:/dev/null", "--", "sh", "-c", script).exits(status).says(READY)


def check_stdout_is_output_only(cli):
    cli.needs_probes()
    with Sleeper() as pid:
        p = cli.start("run", "-p", pid, "-o", "jsonl")
        time.sleep(0.3)
        r = finish(p).exits(0)
    lines = r.out.splitlines()
    expect(lines, f"{r}; wanted records on stdout")
    for line in lines:
        expect(isinstance(json.loads(line), dict), f"not a record: {line}")
    expect(r.err.count(READY) == 1, f"{r}; wanted one `{READY}`")


def check_signals_end_it_with_0(cli):
    cli.needs_probes()
    for sig in (signal.SIGINT, signal.SIGTERM):
        out = cli.path(f"{sig.name}.jsonl")
        with Sleeper() as pid:
            p = cli.start("run", "-p", pid, "-o", f"jsonl:{out}")
            time.sleep(0.2)
            finish(p, sig).exits(0)
        seen = records(out)
        expect([r["seq"] for r in seen] == list(range(1, len(seen) + 1)), "seq has gaps")
        expect(any(r["type"] == "self" for r in seen), "no final self record")


def check_sighup_reopens(cli):
    cli.needs_probes()
    out = cli.path("hup.jsonl")
    with Sleeper() as pid:
        p = cli.start("run", "-p", pid, "-o", f"jsonl:{out}")
        time.sleep(0.3)
        os.rename(out, out + ".1")
        p.send_signal(signal.SIGHUP)
        deadline = time.time() + 5
        while not os.path.exists(out) and time.time() < deadline:
            time.sleep(0.05)
        expect(os.path.exists(out), "the file was not opened anew")
        finish(p).exits(0)
    both = records(out + ".1") + records(out)
    expect([r["seq"] for r in both] == list(range(1, len(both) + 1)), "records were lost at SIGHUP")


def check_ends_with_its_target(cli):
    cli.needs_probes()
    target = subprocess.Popen(["sleep", "300"])
    p = cli.start("run", "-p", target.pid, "-o", "jsonl:/dev/null")
    target.kill()
    target.wait()
    try:
        p.wait(timeout=10)
    except subprocess.TimeoutExpired as e:
        p.kill()
        raise Wrong("still running 10 s after its only target") from e
    expect(p.returncode == 0, f"status {p.returncode}")


# ---- privileges: 3 ---------------------------------------------------------------------------------

def check_missing_capabilities(cli):
    needs_root()
    if not shutil.which("setpriv"):
        raise Skip("no setpriv(1)")
    without = ["setpriv", f"--bounding-set={BPF_CAPS}", "--inh-caps=" + BPF_CAPS]
    with Sleeper() as pid:
        out = cli.path("caps.jsonl")
        r = cli("run", "-p", pid, "-o", f"jsonl:{out}", before=without).exits(3)
        r.says("CAP_BPF", "CAP_PERFMON").silent()
        expect(not os.path.exists(out), "an output was made before the check")
        cli("record", "-p", pid, "-o", cli.path("caps.cap"), before=without).exits(3).says("CAP_BPF")
        expect(not os.path.exists(cli.path("caps.cap")), "a capture was made before the check")
    cli("doctor", before=without).exits(3).prints("CAP_BPF", "missing").says("CAP_BPF")


def nobody(cli):
    """Prefix that runs a command as nobody."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        raise Skip("no setpriv(1)")
    os.chmod(cli.scratch, 0o755)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def check_unprivileged_user(cli):
    before = nobody(cli)
    with Sleeper() as pid:
        cli("run", "-p", pid, "-o", "jsonl", before=before).exits(3).says("CAP_BPF").silent()
    cli("doctor", before=before).exits(3).prints("missing")
    cli("run", "--lern", before=before).exits(2)


def check_replay_needs_no_privileges(cli):
    cap = a_capture(cli)
    before = nobody(cli)
    os.chmod(cap, 0o644)
    r = cli("replay", cap, "-o", "jsonl", before=before).exits(0)
    expect(r.out == cli("replay", cap, "-o", "jsonl").out, "replay depends on who runs it")


# ---- captures: 1 -----------------------------------------------------------------------------------

def check_capture_that_is_none(cli):
    out = cli.path("none.jsonl")
    for content in [b"", b"hello\n" * 100, b"\0" * 4096]:
        cap = cli.file("none.cap", content)
        cli("replay", cap, "-o", f"jsonl:{out}").exits(1).says(cap)
    expect(not os.path.exists(out) or not records(out), "records of no capture")
    cli("replay", cli.path("absent.cap")).exits(1, 2).says("absent.cap")
    cli("replay", cli.scratch).exits(1, 2).says(cli.scratch)


def check_capture_without_permission(cli):
    cap = a_capture(cli)
    before = nobody(cli)
    if not before:
        raise Skip("needs root")
    os.chmod(cap, 0o600)
    cli("replay", cap, before=before).exits(1, 2).says(cap, "ermission")


def check_capture_cut_or_damaged(cli):
    with open(a_capture(cli), "rb") as f:
        whole = f.read()
    for name, data in [("cut", whole[:len(whole) * 2 // 3]),
                       ("flip", whole[:-40] + bytes([whole[-40] ^ 0xff]) + whole[-39:])]:
        out = cli.path(f"{name}.jsonl")
        cap = cli.file(f"{name}.cap", data)
        cli("replay", cap, "-o", f"jsonl:{out}").exits(1).says(cap)
        expect(records(out), f"{name}: nothing of what was sound came out")


def check_replay_twice_is_the_same(cli):
    cap = a_capture(cli)
    one, two = cli("replay", cap, "-o", "jsonl").exits(0), cli("replay", cap, "-o", "jsonl").exits(0)
    expect(one.out and one.out == two.out, "two replays differ")


# ---- files -----------------------------------------------------------------------------------------

def check_symlinks_are_not_followed(cli):
    cap = a_capture(cli)
    for target in ["precious", "dangling"]:
        link, there = cli.path(f"link-{target}"), cli.path(target)
        if target == "precious":
            cli.file(target, "keep me")
        os.symlink(there, link)
        cli("replay", cap, "-o", f"jsonl:{link}").exits(1).says(link, "symbolic link")
        cli("record", "-o", link, "--", "true").exits(1).says(link)
    with open(cli.path("precious")) as f:
        expect(f.read() == "keep me", "a file behind a symlink was written to")
    expect(not os.path.exists(cli.path("dangling")), "a file was made through a symlink")


def check_modes_of_files(cli):
    cap = a_capture(cli)
    old = os.umask(0)
    try:
        out, capture = cli.path("mode.jsonl"), cli.path("mode.cap")
        cli("replay", cap, "-o", f"jsonl:{out}").exits(0)
        cli("record", "-o", capture, "--", "true").exits(0)
        for path in (out, capture):
            mode = os.stat(path).st_mode & 0o777
            expect(mode == 0o600, f"{path} has mode {mode:o}")
    finally:
        os.umask(old)


def check_output_directory_that_is_absent(cli):
    cap = a_capture(cli)
    cli("replay", cap, "-o", "jsonl:/nonexistent/d/x").exits(1, 2).says("/nonexistent/d/x")


def check_closed_stdout(cli):
    """A reader that goes away (| head) ends the output, not with a crash."""
    cap = a_capture(cli)
    r, w = os.pipe()
    os.close(r)
    p = subprocess.Popen([cli.program, "replay", cap, "-o", "jsonl"], stdout=w, stderr=subprocess.PIPE, text=True)
    os.close(w)
    _, err = p.communicate(timeout=20)
    expect(p.returncode in (0, 1), f"status {p.returncode}: {err}")


def check_full_disk_costs_one_output_only(cli):
    cli.needs_probes()
    with SmallDisk(cli, 64) as disk, Server() as server:
        full, fine = f"{disk}/full.jsonl", cli.path("fine.jsonl")
        p = cli.start("run", "-p", os.getpid(), "-o", f"jsonl:{full}", "-o", f"jsonl:{fine}")
        server.get(400)
        time.sleep(1)
        expect(p.poll() is None, f"a full disk ended the monitor: {p.poll()}")
        r = finish(p).exits(1)
        expect("full.jsonl" in r.err and "No space left" in r.err, f"{r}; wanted the output and the reason")
        seen = records(fine)
        got = sum(1 for x in seen if x["type"] == "exchange")
        expect(got >= 400, f"the other output has {got} of 400 exchanges")
        records(full)


def check_full_disk_under_a_capture(cli):
    cli.needs_probes()
    with SmallDisk(cli, 64) as disk, Server() as server:
        cap = f"{disk}/x.cap"
        p = cli.start("record", "-p", os.getpid(), "-o", cap)
        server.get(400)
        try:
            _, err = p.communicate(timeout=10)
            said = "".join(p.said) + err
            status = p.returncode
        except subprocess.TimeoutExpired:
            r = finish(p)
            status, said = r.status, r.err
        expect(status == 1, f"status {status}: {said}")
        expect("No space left" in said, f"the reason is not said: {said}")
        cli("replay", cap, "-o", f"jsonl:{cli.path('full.jsonl')}").exits(1)
        expect(records(cli.path("full.jsonl")), "nothing of the part that was written can be replayed")


def check_outputs_survive_sigkill_whole(cli):
    cli.needs_probes()
    out = cli.path("killed.jsonl")
    with Server() as server:
        p = cli.start("run", "-p", os.getpid(), "-o", f"jsonl:{out}")
        server.get(200)
        time.sleep(0.5)
        p.kill()
        p.wait()
        p.communicate()
        server.get(5)
    expect(records(out), "nothing was written before the end")


# ---- runner ----------------------------------------------------------------------------------------

def main():
    if len(sys.argv) < 2:
        print(__doc__.strip().splitlines()[2], file=sys.stderr)
        return 2
    chosen = sys.argv[2:]
    checks = [(n[len("check_"):].replace("_", " "), f) for n, f in globals().items() if n.startswith("check_")]
    passed = failed = skipped = 0
    scratch = tempfile.mkdtemp(prefix="modelsnoop-cli-")
    try:
        cli = Cli(sys.argv[1], scratch)
        for name, check in checks:
            if chosen and not any(c in name for c in chosen):
                continue
            try:
                check(cli)
                passed += 1
                print(f"  ok    {name}", flush=True)
            except Skip as e:
                skipped += 1
                print(f"  SKIP  {name}: {e}", flush=True)
            except (Wrong, OSError, ValueError, KeyError, subprocess.SubprocessError, socket.error) as e:
                failed += 1
                print(f"  FAIL  {name}: {type(e).__name__ + ': ' if not isinstance(e, Wrong) else ''}{e}", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
