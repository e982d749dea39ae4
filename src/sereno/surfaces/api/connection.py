"""A connection that asks nothing does not stay: uvicorn itself lets one lie open for ever before its first request."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 5.0
MOST_CONNECTIONS = 512
"""Fewer than a process may have files open (1024, mostly): ledger and lake need some too."""


class Connection(H11Protocol):
    """HTTP/1.1 that closes when no request is whole within `HEAD_S` of the connection or the last answer."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._rest()

    def on_response_complete(self) -> None:
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._rest()
        self._patience = self.loop.call_later(HEAD_S, self._look)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _look(self) -> None:
        """A request that is being answered takes the time that it takes."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
