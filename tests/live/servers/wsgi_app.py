# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""WSGI application with the query parameters of asgi_app.py."""
import os
import time
from urllib.parse import parse_qsl


def app(environ, start_response):
    want = dict(parse_qsl(environ["QUERY_STRING"]))
    size, chunk = int(want.get("n", 200)), int(want.get("chunk", 0))
    status = int(want.get("status", 200))
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
        environ["wsgi.input"].read()
    elif length and "refuse" not in want:
        environ["wsgi.input"].read(length)
    if "pidfile" in want:
        with open(want["pidfile"], "w") as f:
            f.write(str(os.getpid()))
    if "pause" in want:
        time.sleep(int(want["pause"]) / 1000)
    bare = status in (204, 304)
    headers = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))]
    if not chunk and not bare:
        headers.append(("Content-Length", str(size)))
    start_response(f"{status} Status", headers)
    body = b"" if bare or environ["REQUEST_METHOD"] == "HEAD" else b"x" * size
    step = chunk or len(body) or 1
    return [body[at : at + step] for at in range(0, len(body), step)]
