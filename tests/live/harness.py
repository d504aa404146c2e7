# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers, the monitor, and the comparison of its records with what a client saw."""
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

PYTHON = "/usr/bin/python3"  # Debian's: the one that has uvicorn, gunicorn and scikit-learn
HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = os.path.join(HERE, "servers")


class Failed(Exception):
    """A test's claim does not hold; the text says which."""


class Short(Failed):
    """Only durations that fall short of the client's: true of the monitor, or the machine was busy."""


class Skipped(Exception):
    """The host lacks something that the test needs."""


def need(condition, text):
    if not condition:
        raise Failed(text)


# ---- processes ----


def end(process, sig=signal.SIGTERM, timeout=10):
    """End a child and wait for it; SIGKILL when it does not listen."""
    if process.poll() is None:
        process.send_signal(sig)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def answers(address):
    s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    try:
        s.connect(address)
        return True
    except OSError:
        return False
    finally:
        s.close()


class Context:
    """What one test starts; everything is ended when it is over."""

    ports = iter(range(18200, 19900, 10))

    def __init__(self, program, trap):
        self.program, self.trap = program, trap
        self.folder = tempfile.TemporaryDirectory(prefix="modelsnoop-live-")
        os.chmod(self.folder.name, 0o755)  # nginx's workers are another user
        self.started = []

    def path(self, name):
        return os.path.join(self.folder.name, name)

    @classmethod
    def port(cls):
        for port in cls.ports:
            if not answers(("127.0.0.1", port)) and not answers(("127.0.0.1", port + 1)):
                return port
        raise Failed("no free port")

    def start(self, argv, address=None, **options):
        """Start a server; return when it answers at address: (host, port) or a socket's path."""
        log = open(self.path(f"server-{len(self.started)}.log"), "wb")
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(argv, stdout=log, stderr=log, **options)
        self.started.append(process)
        deadline = time.monotonic() + 20
        while address is not None and not answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{argv[0]} does not answer: {open(log.name).read()[-500:]}")
            time.sleep(0.02)
        return process

    def monitor(self, *args, **options):
        m = Monitor(self, *args, **options)
        self.started.append(m.process)
        return m

    def close(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
            end(process)
        self.folder.cleanup()

    # -- the servers --

    def trap_server(self, port=None, unix=None):
        port = port or self.port()
        argv = [self.trap, "serve", "--port", str(port)] + (["--unix", unix] if unix else [])
        return self.start(argv, ("127.0.0.1", port)), port

    def uvicorn_argv(self, *args):
        return [PYTHON, "-m", "uvicorn", "--app-dir", SERVERS, "asgi_app:app", "--log-level", "critical",
                "--no-access-log", "--timeout-keep-alive", "60", *args]

    def uvicorn(self, *args):
        port = self.port()
        argv = self.uvicorn_argv("--port", str(port), *args)
        return self.start(argv, ("127.0.0.1", port)), port

    def gunicorn(self, *args):
        port = self.port()
        argv = [PYTHON, "/usr/bin/gunicorn", "--chdir", SERVERS, "--bind", f"127.0.0.1:{port}",
                "--log-level", "critical", *args, "wsgi_app:app"]
        return self.start(argv, ("127.0.0.1", port)), port

    def node(self):
        port = self.port()
        return self.start(["node", os.path.join(SERVERS, "node_app.js"), str(port)],
                          ("127.0.0.1", port)), port

    def nginx(self, body):
        """body: what stands in the server block."""
        port, base = self.port(), self.folder.name
        with open(self.path("nginx.conf"), "w") as f:
            f.write(f"""daemon off; worker_processes 2; pid {base}/nginx.pid; error_log {base}/nginx.err;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; keepalive_requests 1000000; client_max_body_size 64m;
    client_body_temp_path {base}/body; proxy_temp_path {base}/proxy; fastcgi_temp_path {base}/f;
    uwsgi_temp_path {base}/u; scgi_temp_path {base}/s; default_type text/plain;
    server {{ listen 127.0.0.1:{port}; root {base}/www; {body} }}
}}
""")
        os.makedirs(self.path("www"), exist_ok=True)
        argv = ["/usr/sbin/nginx", "-p", base, "-c", self.path("nginx.conf")]
        return self.start(argv, ("127.0.0.1", port)), port


class Monitor:
    """modelsnoop with its records in a file."""

    def __init__(self, context, *args, command="run", output="events.jsonl", wait=True):
        self.path = context.path(output)
        spec = f"jsonl:{self.path}" if command == "run" else self.path
        self.stderr, self.ready = [], threading.Event()
        options, cmd = args, ()
        if "--" in args:
            options, cmd = args[:args.index("--")], args[args.index("--"):]
        self.process = subprocess.Popen([context.program, command, *options, "-o", spec, *cmd],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if wait and not self.ready.wait(20):
            end(self.process)
            raise Failed("not ready: " + "".join(self.stderr)[-500:])
        if wait and not any(line == "modelsnoop: ready\n" for line in self.stderr):
            raise Failed(f"ended with {self.process.wait()}: " + "".join(self.stderr)[-500:])

    def _read(self):
        for line in self.process.stderr:
            self.stderr.append(line)
            if line == "modelsnoop: ready\n":
                self.ready.set()
        self.ready.set()

    def stop(self, sig=signal.SIGINT):
        """Stop, and return the records; anything but exit status 0 fails."""
        status = end(self.process, sig, 20)
        self.reader.join(5)
        need(status == 0, f"exit status {status} at {sig.name}: " + "".join(self.stderr)[-500:])
        return self.records()

    def records(self):
        return load(self.path)


def load(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def of_type(records, kind, **keys):
    """Records of a type; keys with _ for the dots."""
    wanted = {k.replace("__", "_").replace("_", "."): v for k, v in keys.items()}
    return [r for r in records if r["type"] == kind and all(r.get(k) == v for k, v in wanted.items())]


# ---- the client ----

SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33


class Truth:
    """One request as the client saw it."""

    def __init__(self, method, path, **more):
        self.method, self.path, self.query = method, path, ""
        self.status = None  # or a tuple of what is right
        self.request_size = self.response_size = 0
        self.outcome = None  # None: by status; else what is right, alternatives by |
        self.start_ns = self.sent_ns = 0  # before and after the first send
        self.arrived_ns = self.read_ns = 0  # the last byte: in our socket, and in our hands
        self.bounds = "both"  # of the duration: both, upper, none
        self.port = None
        self.unix = False
        self.size_range = None  # where the client cannot know the size
        self.size_hidden = False  # many chunks in one long write: the size may be absent
        self.__dict__.update(more)

    def outcomes(self):
        if self.outcome:
            return self.outcome.split("|")
        return ["server_error" if self.status >= 500 else "client_error" if self.status >= 400 else "ok"]


class Client:
    """A connection; blocking, one request at a time unless told otherwise."""

    count = 0

    def __init__(self, address):
        self.unix = isinstance(address, str)
        self.sock = socket.socket(socket.AF_UNIX if self.unix else socket.AF_INET)
        self.sock.settimeout(30)
        # So that bytes arrive when they were sent, not when we get round to reading.
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.sock.connect(address)
        if not self.unix:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.port = None if self.unix else self.sock.getsockname()[1]
        self.room = memoryview(bytearray(1 << 20))
        self.buffer, self.arrived_ns, self.read_ns = self.room[:0], 0, 0

    @classmethod
    def new_path(cls, name):
        cls.count += 1
        return f"/{name}/{cls.count}"

    def close(self, reset=False):
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def truth(self, method, name, query="", **more):
        return Truth(method, self.new_path(name), query=query, port=self.port, unix=self.unix, **more)

    # -- out --

    @staticmethod
    def head(t, *headers):
        target = t.path + ("?" + t.query if t.query else "")
        lines = [f"{t.method} {target} HTTP/1.1", "Host: live", *headers, "", ""]
        return "\r\n".join(lines).encode()

    def send_raw(self, data, piece=0):
        if not piece:
            self.sock.sendall(data)
        for at in range(0, len(data) if piece else 0, piece or 1):
            self.sock.sendall(data[at:at + piece])

    def send(self, t, body=0, chunked=False, piece=0, headers=()):
        """Send head and body; t.start_ns is set right before the first byte."""
        t.request_size = body
        headers = list(headers)
        if chunked:
            headers.append("Transfer-Encoding: chunked")
        elif body:
            headers.append(f"Content-Length: {body}")
        head = self.head(t, *headers)
        data = b"r" * body
        if chunked:
            parts = [data[at:at + 1000] for at in range(0, body, 1000)]
            data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
        data = head + data
        t.start_ns = time.monotonic_ns()
        first = self.sock.send(data[:piece or 65536])
        t.sent_ns = time.monotonic_ns()
        self.send_raw(data[first:], piece)

    # -- in --

    def fill(self):
        """Read what is there into self.buffer: a view, so that long bodies cost no copies."""
        n, control, _, _ = self.sock.recvmsg_into([self.room], 64)
        if n:
            self.read_ns = self.arrived_ns = time.monotonic_ns()
            # The stack's own stamp: a client that waited for a CPU does not blame the monitor for it.
            for level, kind, value in control:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, ns = struct.unpack("=qq", value[:16])
                    self.arrived_ns -= time.time_ns() - (seconds * 1000000000 + ns)
        rest = bytes(self.buffer)
        self.buffer = memoryview(rest + bytes(self.room[:n])) if rest else self.room[:n]
        return n

    def line(self):
        while (at := bytes(self.buffer[:8192]).find(b"\r\n")) < 0:
            if not self.fill():
                return None
        text, self.buffer = bytes(self.buffer[:at]), self.buffer[at + 2:]
        return text

    def read_head(self, t):
        first = self.line()
        if first is None:
            return None
        t.status = int(first.split()[1])
        headers = {}
        while True:
            text = self.line()
            if text is None:
                return None
            if not text:
                return headers
            name, value = text.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip()

    def content(self, t, n):
        """Up to n content bytes into nowhere; False when the connection ends first."""
        while n:
            if not self.buffer and not self.fill():
                return False
            here = min(n, len(self.buffer))
            self.buffer = self.buffer[here:]
            t.response_size += here
            n -= here
        return True

    def receive(self, t):
        """Read the reply; True when it is whole."""
        try:
            headers = self.read_head(t)
            while headers is not None and t.status < 200:
                headers = self.read_head(t)
            whole = headers is not None and self._body(t, headers)
        except ConnectionResetError:
            whole = False
        t.arrived_ns, t.read_ns = self.arrived_ns, self.read_ns
        return whole

    def _body(self, t, headers):
        if t.method == "HEAD" or t.status in (204, 304):
            return True
        if headers.get("transfer-encoding") == "chunked":
            while True:
                size = self.line()
                if size is None:
                    return False
                n = int(size.split(b";")[0], 16)
                if not (self.content(t, n) and self.line() is not None):
                    return False
                if n == 0:
                    return True
        if "content-length" in headers:
            return self.content(t, int(headers["content-length"]))
        self.content(t, 1 << 60)
        return True

    def ask(self, method, name, query="", outcome=None, **how):
        """One whole exchange."""
        t = self.truth(method, name, query, outcome=outcome)
        self.send(t, **how)
        whole = self.receive(t)
        need(whole or outcome, f"{t.path}?{query}: the server's answer is not whole (status {t.status})")
        return t


def run_load(context, address, requests, connections=32, query="n=200", body=0, name="load", **options):
    """The C client; returns truths and (bytes sent, bytes received) on the wire."""
    file = context.path(Client.new_path("truth").replace("/", "-"))
    where = ["--unix", address] if isinstance(address, str) else ["--port", str(address[1])]
    argv = [context.trap, "load", *where, "--requests", str(requests), "--connections", str(connections),
            "--query", query, "--body", str(body), "--name", name, "--truth", file]
    status = subprocess.run(argv, timeout=120, **options).returncode
    need(status == 0, f"the load did not get its answers (status {status})")
    return read_load(file, body, query, isinstance(address, str))


def read_load(file, body=0, query="", unix=False):
    truths, wire = [], (0, 0)
    with open(file) as f:
        for line in f:
            path, *numbers = line.split("\t")
            n = [int(x) for x in numbers]
            if path == "wire":
                wire = tuple(n)
                continue
            truths.append(Truth("POST" if body else "GET", path, query=query, status=n[0],
                                request_size=n[1], response_size=n[2], start_ns=n[3], sent_ns=n[4],
                                arrived_ns=n[5], read_ns=n[6], port=None if unix else n[7], unix=unix))
    return truths, wire


# ---- the comparison ----

SHORT = "falls short of"
LOW_NS, LOW_SHARE = 3_000_000, 0.10  # how much shorter than the client's a duration may be


def compare(record, t):
    """What is wrong with an exchange record, as a list of texts."""
    wrong = []

    def same(key, want):
        if record.get(key) != want:
            wrong.append(f"{key} is {record.get(key)!r}, not {want!r}")

    same("http.request.method", t.method)
    same("url.query", t.query or None)
    if isinstance(t.status, tuple):
        if record.get("http.response.status_code") not in t.status:
            wrong.append(f"status {record.get('http.response.status_code')} is none of {t.status}")
    else:
        same("http.response.status_code", t.status)
    same("http.request.body.size", t.request_size)
    if t.size_range:
        low, high = t.size_range
        if not low <= record.get("http.response.body.size", -1) <= high:
            wrong.append(f"http.response.body.size is {record.get('http.response.body.size')}, not {low}…{high}")
    elif isinstance(t.status, int) and not (t.size_hidden and "http.response.body.size" not in record):
        same("http.response.body.size", t.response_size)
    same("exchange.loss", 0)
    same("network.transport", "unix" if t.unix else "tcp")
    if t.port:
        same("client.port", t.port)
    if record.get("exchange.outcome") not in t.outcomes():
        wrong.append(f"exchange.outcome is {record.get('exchange.outcome')}, not {t.outcomes()}")
    theirs = round((record.get("socket.wait_time", 0) + record.get("duration", 0)) * 1e9)
    most, least = t.read_ns - t.start_ns, t.arrived_ns - t.sent_ns
    least -= max(LOW_NS, least * LOW_SHARE)
    if t.bounds != "none" and theirs > most:
        wrong.append(f"wait + duration {theirs / 1e6:.3f} ms is longer than the client's {most / 1e6:.3f}")
    if t.bounds == "both" and not t.unix and theirs < least:
        wrong.append(f"wait + duration {theirs / 1e6:.3f} ms {SHORT} {least / 1e6:.3f}")
    return wrong


def server_exchanges(records):
    return [r for r in records if r["type"] == "exchange" and r.get("exchange.role") == "server"]


def reconcile(records, truths, short_share=0.0):
    """Every request exactly once, and right; raises with the first few differences.

    short_share: so many durations may fall short of the client's, because the loopback device's own
    queue waited for a CPU. None may be longer."""
    by_path, wrong = {}, []
    for r in server_exchanges(records):
        by_path.setdefault(r.get("url.path"), []).append(r)
    for t in truths:
        found = by_path.pop(t.path, [])
        if len(found) != 1:
            wrong.append(f"{t.method} {t.path}: {len(found)} records")
        else:
            wrong += [f"{t.method} {t.path}?{t.query}: {text}" for text in compare(found[0], t)]
    wrong += [f"{path}: never asked for" for path in by_path]
    check_self(records)
    check_envelope(records)
    short = [text for text in wrong if SHORT in text]
    text = f"{len(wrong)} differences in {len(truths)} requests:\n    " + "\n    ".join(wrong[:12])
    need(len(short) == len(wrong), text)
    if len(short) > short_share * len(truths):
        raise Short(text)


def check_envelope(records):
    need([r["seq"] for r in records] == list(range(1, len(records) + 1)), "seq is not 1, 2, 3, …")
    ids = [r["id"] for r in records]
    need(len(set(ids)) == len(ids), "ids are not unique")
    need(len({r["run.id"] for r in records}) == 1, "more than one run.id")
    need(all(len(i) == 32 for i in ids), "an id has not 32 digits")


def check_self(records):
    """seen = submitted + lost by reason, for each CPU and kind, in every self record. The last one's losses."""
    selves = of_type(records, "self")
    need(selves, "no self record")
    for r in selves:
        for cpu in r.get("modelsnoop.self.events", {}).get("cpus", []):
            for kind, c in cpu.items():
                if kind == "cpu":
                    continue
                lost = sum(c["lost"].values())
                need(c["seen"] == c["submitted"] + lost,
                     f"CPU {cpu['cpu']}, {kind}: seen {c['seen']} is not submitted {c['submitted']} + lost {lost}")
    last = selves[-1]
    need(last.get("self.final") is True, "the last self record is not final")
    need(last["modelsnoop.self.events"]["data"]["seen"] > 0, "the monitor saw no event")
    return last["modelsnoop.self.lost"]
