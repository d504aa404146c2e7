# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ASGI application that answers as its query string says: n, status, pause (ms), chunk, cut.

n: bytes of the reply; chunk: send it in pieces of that size without a length (chunked coding);
pause: think first; gap: pause between head and body; cut: raise after that many bytes.
"""
import asyncio
import os
from urllib.parse import parse_qsl


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    want = dict(parse_qsl(scope["query_string"].decode()))
    size, chunk = int(want.get("n", 200)), int(want.get("chunk", 0))
    status = int(want.get("status", 200))
    if scope["method"] in ("POST", "PUT") and "refuse" not in want:
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            if not event.get("more_body"):
                break
    if "pause" in want:
        await asyncio.sleep(int(want["pause"]) / 1000)
    headers = [(b"content-type", b"text/plain"), (b"x-pid", str(os.getpid()).encode())]
    if not chunk and status not in (204, 304):
        headers.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if "gap" in want:
        await asyncio.sleep(int(want["gap"]) / 1000)
    body = b"" if status in (204, 304) else b"x" * size
    if "cut" in want:
        await send({"type": "http.response.body", "body": body[: int(want["cut"])], "more_body": True})
        raise RuntimeError("cut short, as asked for")
    for at in range(0, len(body), chunk or len(body) or 1):
        piece = body[at : at + (chunk or len(body))]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
