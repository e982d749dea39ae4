"""A connection that asks nothing does not stay: uvicorn itself lets one lie open for ever before its first request."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 5.0
MOST_CONNECTIONS = 512
"""Fewer than a process may have files open (1024, mostly): ledger and lake need some too."""


class Connection(H11Protocol):
    """HTTP/1.1 that closes when no request is whole within `HEAD_S` of the connection or the last answer.

    An answer that is still on its way to a slow reader counts as not yet given, for as long as some of it goes.
    """

    _patience: asyncio.TimerHandle | None = None
    _unsent_bytes: int | None = None

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
        self._unsent_bytes = None
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._rest()
        self._patience = self.loop.call_later(HEAD_S, self._look)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _look(self) -> None:
        """A request that is being answered takes the time that it takes, and its answer what the line takes."""
        if self.cycle is not None and not self.cycle.response_complete:
            return
        before, self._unsent_bytes = self._unsent_bytes, self.transport.get_write_buffer_size()
        if not self._unsent_bytes:
            self.transport.close()
        elif before is None or self._unsent_bytes < before:
            self._wait()
        else:
            self.transport.abort()
