"""Where time comes from: the wall, a fixed moment for tests, or a simulated world.

A simulated world writes its time into one small file (`ClockFile`): an anchor pair of simulated and
wall time and a speed. Every process of the desk extrapolates from it. The writer refreshes the
anchor as a heartbeat; when it stops, time stops `STALL_MS` later instead of running off alone.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from sereno.core.errors import FixConfig
from sereno.core.files import replace_file
from sereno.core.timeframe import UtcMs

STALL_MS = 5_000


class Clock(Protocol):
    """The desk's time."""

    def now_ms(self) -> UtcMs:
        """The moment, in the desk's time."""
        ...

    def wall_seconds_until(self, at: UtcMs) -> float:
        """How long a person would wait for `at`; 0 when it has passed."""
        ...


class WallClock:
    """The host's clock."""

    def now_ms(self) -> UtcMs:
        return time.time_ns() // 1_000_000

    def wall_seconds_until(self, at: UtcMs) -> float:
        return max(0.0, (at - self.now_ms()) / 1000)


class FixedClock:
    """A clock that stands until it is told to move."""

    def __init__(self, at: UtcMs) -> None:
        self._now = at

    def now_ms(self) -> UtcMs:
        return self._now

    def wall_seconds_until(self, at: UtcMs) -> float:  # noqa: ARG002 - tests never wait
        return 0.0

    def set(self, at: UtcMs) -> None:
        """Jump to `at`; going back is refused, since the desk's time never does."""
        if at < self._now:
            raise ValueError(f"time does not go back: {at} < {self._now}")
        self._now = at

    def advance(self, by_ms: int) -> None:
        """Move on by `by_ms`."""
        self.set(self._now + by_ms)


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """Simulated time `sim_ms` was at wall time `wall_ms`; `speed` simulated per wall millisecond, 0 stands."""

    sim_ms: UtcMs
    wall_ms: UtcMs
    speed: float
    end_ms: UtcMs | None = None

    def at(self, wall_ms: UtcMs) -> UtcMs:
        """Simulated time at a wall time; it never passes `end_ms` and stalls without heartbeat."""
        elapsed = min(max(wall_ms - self.wall_ms, 0), STALL_MS)
        now = self.sim_ms + int(elapsed * self.speed)
        return now if self.end_ms is None else min(now, self.end_ms)


class ClockFile:
    """The file through which a simulated world tells its time. One writer, any number of readers."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, anchor: ClockAnchor) -> None:
        """Replace the anchor atomically, and so that a power cut leaves one."""
        replace_file(self.path, json.dumps(asdict(anchor)), durable=True)

    def read(self) -> ClockAnchor | None:
        """The anchor, or None when no world has written one yet. Raises FixConfig when it is damaged."""
        try:
            anchor = ClockAnchor(**json.loads(self.path.read_text()))
            anchor.at(anchor.wall_ms)  # numbers alone can be reckoned with
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as cause:
            raise FixConfig(
                "clock.damaged",
                path=self.path,
                remedy="start the simulator with `sereno sim` or use `sereno up`: it tells its time anew",
            ) from cause
        return anchor


class SimClock:
    """Reads a `ClockFile`; simulated time never goes back within one process."""

    def __init__(self, path: Path) -> None:
        self._file = ClockFile(path)
        self._wall = WallClock()
        self._seen = 0

    def _anchor(self) -> ClockAnchor:
        anchor = self._file.read()
        if anchor is None:
            raise FixConfig(
                "clock.no_world",
                remedy="the simulator is not running: start it with `sereno sim` or use `sereno up`",
                path=self._file.path,
            )
        return anchor

    def now_ms(self) -> UtcMs:
        self._seen = max(self._seen, self._anchor().at(self._wall.now_ms()))
        return self._seen

    def wall_seconds_until(self, at: UtcMs) -> float:
        anchor = self._anchor()
        remaining_ms = max(0, at - self.now_ms())
        return remaining_ms / 1000 / anchor.speed if anchor.speed > 0 else 0.2 * (remaining_ms > 0)
