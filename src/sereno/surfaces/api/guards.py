"""Who may ask: the Host header on loopback, the token elsewhere; how many at once; and counting what was asked."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sereno.core.settings import ApiSettings, is_loopback

if TYPE_CHECKING:
    from sereno.surfaces.metrics import HttpMetrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
AT_ONCE = 32
RESERVE = 8
"""More for these; together as many as the threads that answer (AnyIO's 40)."""
WATCHED = frozenset({"/health", "/metrics"})
EVERYWHERE = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Doorkeeper:
    """Refuses strangers before any route runs.

    On loopback only loopback names may stand in the Host header, so that a page in a browser cannot
    reach the desk under a name of its own (DNS rebinding). With a token set, and always off
    loopback, the token is asked for; there is no way to be let in without one. Only its hash is kept
    here: 256 random bits need no slow hash, and equal work is done for every wrong token.
    """

    def __init__(self, app: AsgiApp, *, settings: ApiSettings) -> None:
        self._app = app
        self._loopback = is_loopback(settings.host)
        self._digest = settings.token_digest.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if self._loopback and not is_loopback(host_of(headers.get(b"host", b""))):
            await _refuse(send, 400, "host.refused", "ask for 127.0.0.1 or localhost")
        elif not self._known(headers.get(b"authorization", b"")):
            await _refuse(send, 401, "token.missing_or_wrong", "send Authorization: Bearer <api.token>")
        else:
            await self._app(scope, receive, send)

    def _known(self, header: bytes) -> bool:
        if not self._digest:
            return self._loopback
        scheme, _, given = header.partition(b" ")
        digest = sha256(given.strip()).hexdigest().encode()
        return hmac.compare_digest(digest, self._digest) and scheme.lower() == b"bearer"


def host_of(header: bytes) -> str:
    """Host name of a Host header, without port and brackets."""
    text = header.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


async def _refuse(send: Send, status: int, error: str, remedy: str) -> None:
    body = json.dumps({"error": error, "remedy": remedy}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Crowd:
    """Answers so many requests at once and no more; what watches the desk gets through when others do not."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._running >= AT_ONCE + (RESERVE if scope["path"] in WATCHED else 0):
            await _refuse(send, 503, "desk.busy", "too many requests at once: try again in a moment")
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1


class Envelope:
    """What stands on every answer: it is of this moment, and of the type that it says."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sealed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *EVERYWHERE]}
            await send(message)

        await self._app(scope, receive, sealed)


class Counter:
    """Counts requests by route template: labels are bounded however many addresses are tried."""

    def __init__(self, app: AsgiApp, *, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        method = scope["method"] if scope["method"] in METHODS else "OTHER"

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            path = getattr(scope.get("route"), "path", UNMATCHED)
            self._metrics.count(method, path, status, time.perf_counter() - began)


class Heads:
    """Answers HEAD as GET without the body: what only looks whether the desk is there asks so."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def bare(message: MutableMapping[str, Any]) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        as_get = {**scope, "method": "GET"}  # a copy: the server must still know that HEAD was asked
        try:
            await self._app(as_get, receive, bare)
        finally:
            if "route" in as_get:
                scope["route"] = as_get["route"]
