# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a server spends on a request when it is watched, what the watcher spends, and what it loses."""
import json
import os
import resource
import shutil
import signal
import subprocess
import time

from common import Blind, Samples, Watch, cpu_seconds, end, last_cpu, peak_mib, pinned, tree

QUESTION = json.dumps({"instances": [{"sepal_len": 5.1, "sepal_wid": 3.5, "petal_len": 1.4, "petal_wid": 0.2}]})
ANSWER = json.dumps({"model": "iris", "version": "7", "prediction": "setosa", "id": "3f1c",
                     "probabilities": {"setosa": 0.931, "versicolor": 0.052, "virginica": 0.017}}).ljust(200)

NGINX = """daemon off; worker_processes 1; pid {base}/nginx.pid; error_log {base}/nginx.err;
events {{ worker_connections 512; }}
http {{
    access_log off; keepalive_requests 100000000; default_type application/json;
    client_body_temp_path {base}/body; proxy_temp_path {base}/proxy; fastcgi_temp_path {base}/f;
    uwsgi_temp_path {base}/u; scgi_temp_path {base}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{answer}'; }} }}
}}
"""


def nginx(context):
    """One worker that answers 200 bytes of JSON."""
    port, base = context.port(), context.folder.name
    with open(context.path("nginx.conf"), "w", encoding="utf-8") as f:
        f.write(NGINX.format(base=base, port=port, answer=ANSWER))
    argv = ["/usr/sbin/nginx", "-p", base, "-c", context.path("nginx.conf")]
    return context.start(argv, ("127.0.0.1", port), preexec_fn=pinned(last_cpu())), port


def uvicorn(context):
    port = context.port()
    argv = context.uvicorn_argv("--port", str(port))
    return context.start(argv, ("127.0.0.1", port), preexec_fn=pinned(last_cpu())), port


class Served:
    """A server and its load; results by state, a sample over the rounds."""

    def __init__(self, context, build, yardstick, start, requests, body=None):
        self.context, self.build, self.yardstick, self.requests, self.body = context, build, yardstick, requests, body
        self.server, self.port = start(context)
        self.cpu, self.rate = Samples(), Samples()  # s a request, requests a s
        self.own, self.peak = Samples(), Samples()  # the watcher's s an exchange, MiB
        self.missing = Samples()  # share of the requests without a whole record
        self.load(requests // 10)  # warm

    def load(self, requests, rate=0):
        """Server's CPU s a request, and requests a s."""
        argv = [f"{self.build}/load", str(self.port), str(requests)]
        argv += ["--body", self.body] if self.body else []
        argv += ["--rate", str(rate)] if rate else []
        before = cpu_seconds(self.server.pid)
        done = subprocess.run(argv, stdout=subprocess.PIPE, preexec_fn=pinned(0), text=True, check=False)
        if done.returncode:
            raise Blind("the server did not answer the load")
        return (cpu_seconds(self.server.pid) - before) / requests, requests / float(done.stdout.split()[1])

    def note(self, state, result):
        self.cpu.add(state, result[0])
        self.rate.add(state, result[1])

    def plain(self, state):
        self.note(state, self.yardstick.quietly(lambda: self.load(self.requests)))

    def watched(self, state="modelsnoop", requests=None, rate=0, settle=0.3):
        requests = requests or self.requests
        watch = Watch(self.context, "--pid", str(self.server.pid))
        self.note(state, self.load(requests, rate))
        watch.close(settle)
        whole = watch.read(requests)
        self.own.add(state, watch.cpu / max(whole, 1))
        self.peak.add(state, watch.peak)
        self.missing.add(state, 1 - whole / requests)

    def beside(self, state, argv, requests):
        """Another tool that says on stderr when it is there; its file must hold something of every request."""
        file = self.context.path("other")
        pids = [word for p in tree(self.server.pid) for word in ("-p", str(p))]
        words = [w for a in argv for w in (pids if a == "PIDS" else [a.format(port=self.port, file=file)])]
        tool = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.context.started.append(tool)
        tool.stderr.readline()
        time.sleep(0.2)
        before = cpu_seconds(tool.pid)
        self.note(state, self.yardstick.quietly(lambda: self.load(requests)))
        time.sleep(0.3)
        self.own.add(state, (cpu_seconds(tool.pid) - before) / requests)
        self.peak.add(state, peak_mib(tool.pid))
        end(tool, signal.SIGINT)
        if os.path.getsize(file) < requests * 60:
            raise Blind(f"{argv[0]} wrote {os.path.getsize(file)} bytes at {requests} requests")
        os.unlink(file)

    TOOLS = {
        "tcpdump": ["tcpdump", "-i", "lo", "-w", "{file}", "port", "{port}"],
        "strace": ["strace", "-f", "-e", "trace=network,read,write", "-o", "{file}", "PIDS"],
    }

    def round(self, number, tools):
        def tool(name):
            few = self.requests // 5 if name == "strace" else self.requests
            return lambda: self.beside(name, self.TOOLS[name], few)

        turns = [lambda: self.plain("plain"), self.watched, lambda: self.plain("again")]
        turns += [tool(name) for name in tools if shutil.which(self.TOOLS[name][0])]
        first = number % len(turns)
        for turn in turns[first:] + turns[:first]:
            turn()

    def replay(self, requests, rate):
        """Exchanges a second of wall and of CPU out of a capture made here."""
        watch = Watch(self.context, "--pid", str(self.server.pid), command="record")
        self.load(requests, rate)
        watch.close()
        size, out = os.path.getsize(watch.file), self.context.path("replayed")
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        status = subprocess.run([self.context.program, "replay", watch.file, "-o", f"jsonl:{out}"], check=False).returncode
        seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        os.unlink(watch.file)
        watch.file = out
        if status or watch.read(requests) < requests:
            raise Blind(f"replay, status {status}, did not show all {requests} requests")
        return requests / seconds, requests / cpu, size / requests

    HEAD = ("server", "beside it", "its CPU a request, µs", "against plain", "requests a second", "own CPU s / 100,000",
            "own peak RSS, MiB", "not shown whole")

    def rows(self, name):
        for state in self.cpu:
            own = state in self.own
            yield (name, {"again": "nothing (A/A)", "plain": "nothing"}.get(state, state),
                   self.cpu[state].text("%.1f", 1e6), self.cpu.over(state, "plain").text("%.3f"),
                   "%.0f" % self.rate[state].median(), self.own[state].text("%.2f", 1e5) if own else "",
                   "%.0f" % max(self.peak[state]) if own else "",
                   "%.1f %%" % (100 * max(self.missing[state])) if state in self.missing else "")
