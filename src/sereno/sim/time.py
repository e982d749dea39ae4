"""Simulated time: wall speed, accelerated, or standing until it is stepped; it never goes back."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from sereno.core.clock import STALL_MS, ClockAnchor, ClockFile, WallClock
from sereno.core.errors import FixConfig
from sereno.core.settings.sections import SimSettings
from sereno.core.timeframe import Timeframe, UtcMs, iso
from sereno.sim.world import World

STEPPED_POLL_S = 0.2


def speed_of(seconds_per_candle: float, timeframe: Timeframe) -> float:
    """Simulated per wall time so that one candle takes that long; 0 seconds means stepped (speed 0)."""
    return timeframe.seconds / seconds_per_candle if seconds_per_candle > 0 else 0.0


def make_time(
    settings: SimSettings, world: World, *, timeframe: Timeframe, path: Path | None = None
) -> SimulatedTime:
    """The clock of a world as the settings ask for it; `path` is where it resumes from and tells the time."""
    speed = speed_of(settings.seconds_per_candle, timeframe)
    return SimulatedTime(world.clock_start_ms, speed=speed, end_ms=world.end_ms, path=path)


class SimulatedTime:
    """The one writer of a simulated world's time; safe to use from several threads.

    start_ms   where time starts when `path` holds no earlier run
    speed      simulated milliseconds per wall millisecond; 0: time stands until it is stepped
    end_ms     time stops there; None: it goes on
    path       clock file to resume from and to tell the other processes through; it wants a `beat` each
               second, for time stalls without one

    A restart goes on where readers of the file saw time stop: not earlier, and not later by the downtime.
    Raises FixConfig when the file is from a world that reaches beyond this one's end.
    """

    def __init__(
        self,
        start_ms: UtcMs,
        *,
        speed: float = 0.0,
        end_ms: UtcMs | None = None,
        path: Path | None = None,
        wall: WallClock | None = None,
    ) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self._wall = wall or WallClock()
        self._file = ClockFile(path) if path else None
        self._lock = Lock()
        first = self._resumed(start_ms)
        self._anchor = ClockAnchor(first, self._wall.now_ms(), max(0.0, speed), end_ms)
        self._seen = first
        self._woken_speed: float | None = None

    def _resumed(self, start_ms: UtcMs) -> UtcMs:
        anchor = self._file.read() if self._file else None
        if anchor is None:
            return start_ms
        stopped = anchor.at(self._wall.now_ms())
        if self.end_ms is not None and stopped > self.end_ms:
            raise FixConfig(
                "clock.other_world",
                remedy="the clock of this state belongs to another world that ends later: "
                "choose another state_dir, or the candles that it was started with",
                clock=iso(stopped),
                end=iso(self.end_ms),
            )
        return max(start_ms, stopped)

    @property
    def speed(self) -> float:
        """Simulated milliseconds per wall millisecond."""
        return self._anchor.speed

    @property
    def ended(self) -> bool:
        """Whether the data is over, so that time stands for good."""
        return self.end_ms is not None and self.now_ms() >= self.end_ms

    def now_ms(self) -> UtcMs:
        """The moment in the simulated world."""
        with self._lock:
            return self._now()

    def _now(self) -> UtcMs:
        anchor = self._anchor
        elapsed = max(0, self._wall.now_ms() - anchor.wall_ms)
        if self._file is not None:
            # Readers stall without a heartbeat; after a suspended host the writer must agree with them.
            elapsed = min(elapsed, STALL_MS)
        now = anchor.sim_ms + int(elapsed * anchor.speed)
        self._seen = max(self._seen, now if self.end_ms is None else min(now, self.end_ms))
        return self._seen

    def wall_seconds_until(self, at: UtcMs) -> float:
        """How long a person would wait for `at`; a short poll when time only moves by steps."""
        remaining_ms = max(0, at - self.now_ms())
        speed = self.speed
        return remaining_ms / 1000 / speed if speed > 0 else STEPPED_POLL_S * (remaining_ms > 0)

    def step_to(self, at: UtcMs) -> UtcMs:
        """Move to `at`, or to the end of the data if that comes first; returns the new time.

        Raises ValueError if `at` has passed already.
        """
        with self._lock:
            now = self._now()
            if at < now:
                raise ValueError(f"time does not go back: {iso(at)} is before {iso(now)}")
            target = at if self.end_ms is None else min(at, self.end_ms)
            self._re_anchor(target, self._anchor.speed)
            self._seen = target
            return target

    def set_speed(self, speed: float) -> None:
        """Go on at another speed from here. Raises ValueError if it is negative or not finite."""
        if not 0.0 <= speed < float("inf"):
            raise ValueError(f"speed must be a number from 0 upwards, not {speed!r}")
        with self._lock:
            self._re_anchor(self._now(), speed)

    def beat(self) -> None:
        """Heartbeat: refresh the clock file, so that readers go on extrapolating."""
        with self._lock:
            self._re_anchor(self._now(), self._anchor.speed)

    def rest(self) -> None:
        """Stop time and say so in the file: readers stand still, and the next start goes on from here."""
        with self._lock:
            self._woken_speed = self._anchor.speed
            self._re_anchor(self._now(), 0.0)

    def wake(self) -> None:
        """Tell the time, and go on at the speed from before a rest."""
        with self._lock:
            speed = self._anchor.speed if self._woken_speed is None else self._woken_speed
            self._woken_speed = None
            self._re_anchor(self._now(), speed)

    def _re_anchor(self, sim_ms: UtcMs, speed: float) -> None:
        anchor = ClockAnchor(sim_ms, self._wall.now_ms(), speed, self.end_ms)
        if self._file:
            # First: on a full disk the writer's time stands with that of its readers.
            self._file.write(anchor)
        self._anchor = anchor
