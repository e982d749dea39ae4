"""What strangers and crowds do to the server: nothing that keeps others, or what watches the desk, from an answer."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from sereno.core.settings import ApiSettings
from sereno.surfaces.api import connection
from sereno.surfaces.api.guards import AT_ONCE, RESERVE, Crowd, Receive, Scope, Send
from sereno.surfaces.api.server import listen, server_of

HEAD_S = 0.3
LONG_S = 3 * HEAD_S
LARGE_BYTES = 16_000_000
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `well`; at /slow after a while, at /large with more than a socket holds."""
    if scope["path"] == "/slow":
        await asyncio.sleep(LONG_S)
    if scope["path"] == "/large":
        length = str(LARGE_BYTES).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": bytes(LARGE_BYTES)})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"well"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connection, "HEAD_S", HEAD_S)
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 100)
    listener = listen(ApiSettings(port=0))
    server = server_of(app)
    thread = threading.Thread(target=lambda: asyncio.run(server._serve([listener])))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    listener.close()


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def asked(port: int, path: str = "/") -> int:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        link.request("GET", path)
        return link.getresponse().status
    finally:
        link.close()


def is_closed(line: socket.socket) -> bool:
    try:
        return line.recv(65536) == b""
    except ConnectionResetError:
        return True


def drip(line: socket.socket) -> bool:
    """Send a header's bytes one at a time for ever; whether the server has had enough of it."""
    until = time.monotonic() + 10
    try:
        while time.monotonic() < until:
            line.sendall(b"a")
            time.sleep(HEAD_S / 10)
    except OSError:
        return True
    return False


def test_a_slow_reader_gets_the_whole_answer(port: int) -> None:
    """Over a tunnel a report takes its time; it must not end half-way."""
    got = 0
    with dial(port) as line:
        line.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while part := line.recv(LARGE_BYTES // 32):
            got += len(part)
            time.sleep(LONG_S / 30)
    assert got > LARGE_BYTES, "head and body"


def test_a_reader_that_takes_nothing_is_closed(port: int) -> None:
    got = 0
    with dial(port) as line, contextlib.suppress(ConnectionResetError):
        line.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(LONG_S)
        while part := line.recv(LARGE_BYTES):
            got += len(part)
    assert got < LARGE_BYTES


def test_silent_connections_keep_nobody_out_and_are_closed(port: int) -> None:
    silent = [dial(port) for _ in range(80)]
    assert asked(port) == 200
    assert all(is_closed(line) for line in silent)
    for line in silent:
        line.close()


def test_there_are_never_more_connections_than_the_process_can_bear(port: int) -> None:
    lines = [dial(port) for _ in range(130)]
    assert all(is_closed(line) for line in lines)
    assert asked(port) == 200
    for line in lines:
        line.close()


@pytest.mark.parametrize("first", [b"", HEAD + b"\r\n"], ids=["at once", "after an answer"])
def test_a_head_that_comes_in_drops_is_not_waited_for(port: int, first: bytes) -> None:
    with dial(port) as line:
        if first:
            line.sendall(first)
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(HEAD)
        assert drip(line)


def test_a_body_that_comes_in_drops_is_not_waited_for(port: int) -> None:
    with dial(port) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        assert drip(line)


def test_an_answer_may_take_longer_than_a_question(port: int) -> None:
    assert asked(port, "/slow") == 200


def test_a_crowd_is_refused_and_what_watches_the_desk_gets_through() -> None:
    async def scene() -> list[list[MutableMapping[str, Any]]]:
        gate = asyncio.Event()

        async def waiting(_scope: Scope, _receive: Receive, send: Send) -> None:
            await gate.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        crowd = Crowd(waiting)

        async def ask(path: str) -> list[MutableMapping[str, Any]]:
            said: list[MutableMapping[str, Any]] = []

            async def send(message: MutableMapping[str, Any]) -> None:
                said.append(message)

            await crowd({"type": "http", "path": path}, lambda: asyncio.sleep(0, {}), send)
            return said

        paths = ["/api"] * (AT_ONCE + 1) + ["/health"] * (RESERVE + 1) + ["/metrics", "/api"]
        asking = [asyncio.create_task(ask(path)) for path in paths]
        await asyncio.sleep(0)
        gate.set()
        first = [await one for one in asking]
        return [*first, await ask("/api")]

    said = asyncio.run(scene())
    refused = [place for place, one in enumerate(said) if one[0]["status"] == 503]
    assert refused == [AT_ONCE, AT_ONCE + RESERVE + 1, AT_ONCE + RESERVE + 2, AT_ONCE + RESERVE + 3]
    assert (b"retry-after", b"1") in said[AT_ONCE][0]["headers"]
    assert json.loads(said[AT_ONCE][1]["body"])["error"] == "desk.busy"
