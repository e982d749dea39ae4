"""Until when a venue asked to be left alone. Its limits are counted per address of the host, not per call."""

from __future__ import annotations

from pathlib import Path

import structlog

from sereno.core.clock import Clock, WallClock
from sereno.core.errors import TryLater
from sereno.core.files import replace_file
from sereno.core.timeframe import DAY_MS, UtcMs, from_iso, iso
from sereno.market.venues.retries import LONGEST_PAUSE_S, Sleep

LONGEST_MS = 3 * DAY_MS  # Binance's longest ban; a later end was written by a clock that was off

log = structlog.get_logger(__name__)


class Quiet:
    """One venue's quiet time, on the wall's clock; every request to the venue waits for its end.

    path  file that keeps it for other processes and later runs; None: this object alone knows it
    """

    def __init__(self, path: Path | None = None, wall: Clock | None = None) -> None:
        self._path = path
        self._wall = wall or WallClock()
        self._until_ms: UtcMs = 0

    def keep(self, seconds: float) -> None:
        """Ask nothing for so long; a quiet time that ends later stays."""
        until = self._wall.now_ms() + round(min(seconds * 1000, LONGEST_MS))
        if until <= max(self._until_ms, self._kept_ms()):
            return
        self._until_ms = until
        if self._path is None:
            return
        try:
            replace_file(self._path, iso(until) + "\n")
        except OSError as cause:
            log.warning("venue.quiet_not_kept", path=str(self._path), error=str(cause))

    async def wait(self, sleep: Sleep, *, venue: str) -> None:
        """Return when the quiet time is over. Raises TryLater rather than wait `LONGEST_PAUSE_S`."""
        waited_s = 0.0
        while (left_s := self._left_s()) > 0:
            if waited_s + left_s > LONGEST_PAUSE_S:
                raise TryLater(
                    "venue.quiet",
                    remedy="the venue asked to be left alone; a request before that makes it last longer",
                    after_s=left_s,
                    venue=venue,
                    until=iso(self._wall.now_ms() + round(left_s * 1000)),
                )
            await sleep(left_s)
            waited_s += left_s

    def _left_s(self) -> float:
        return (max(self._until_ms, self._kept_ms()) - self._wall.now_ms()) / 1000

    def _kept_ms(self) -> UtcMs:
        """What this or another process kept last; 0 when nothing was, or nothing that can be meant."""
        if self._path is None:
            return 0
        try:
            until = from_iso(self._path.read_text())
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as cause:
            log.warning("venue.quiet_unreadable", path=str(self._path), error=str(cause))
            return 0
        return until if until <= self._wall.now_ms() + LONGEST_MS else 0
