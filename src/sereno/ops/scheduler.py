"""The scheduler inside `sereno up`: starts jobs as child processes and keeps daemons alive.

It decides from the desk's clock, so a simulated world fires the table at its own times. Under an
accelerated clock firings coalesce: a job starts once per `quantum_ms` of desk time at most. A job
never overlaps itself here; across processes the lease sees to that.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from sereno.core.clock import Clock
from sereno.core.timeframe import MINUTE_MS, UtcMs
from sereno.ops.guard import EXIT_CONFIG, EXIT_LATER, EXIT_OK
from sereno.ops.jobs import Job

MIN_START_S = 5.0
LONGEST_PAUSE_S = 60.0
JUMP_MS = MINUTE_MS
MENDING_S = 600.0  # what a person must mend is not mended within seconds
_log = structlog.get_logger("sereno.scheduler")


class Child(Protocol):
    """A started process."""

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        ...


class Overseer(Protocol):
    """Whoever sees from outside that a child hangs: one that was stopped cannot tell of itself."""

    def complaint(self, job: Job, child: Child, age_s: float) -> str:
        """Why the child must be replaced; empty while all is well."""
        ...

    def end(self, job: Job, child: Child, why: str) -> None:
        """Kill it with all that it started, and record that."""
        ...


Start = Callable[[Job], Child]


def quantum_ms(candle_ms: int, seconds_per_candle: float) -> int:
    """Desk time within which a job starts at most once: what passes in `MIN_START_S` of wall time,
    and never more than one candle. 0 for a clock that stands or walks at wall speed.
    """
    if seconds_per_candle <= 0:
        return 0
    speed = candle_ms / 1000 / seconds_per_candle
    return 0 if speed <= 1.5 else int(min(MIN_START_S * 1000 * speed, candle_ms))


@dataclass(slots=True)
class _Daemon:
    """A daemon's child with the pause before its next start."""

    child: Child | None = None
    started_at: float = 0.0
    pause_s: float = 1.0
    next_at: float = 0.0


@dataclass(slots=True)
class Scheduler:
    """State of all jobs of one desk. Call `tick` a few times a second, or `fire` from triggers.

    last_started_ms   desk time of each job's last start; at first that of its last record
    triggered         whether something else calls `fire` at the firings; then `tick` does not
    on_jump           told by how many milliseconds the host's clock was set, where `triggered`
    overseer          tells which children hang, and ends them; None: nobody looks
    """

    jobs: tuple[Job, ...]
    clock: Clock
    zone: str
    start: Start
    quantum: int = 0
    disabled: Collection[str] = ()
    monotonic: Callable[[], float] = time.monotonic
    last_started_ms: dict[str, UtcMs] = field(default_factory=dict)
    running: dict[str, Child] = field(default_factory=dict)
    exits: dict[str, int] = field(default_factory=dict)
    triggered: bool = False
    overseer: Overseer | None = None
    on_jump: Callable[[int], None] = lambda _moved_ms: None
    _ahead_ms: int | None = None
    _paused: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _next: dict[str, UtcMs] = field(default_factory=dict)
    _daemons: dict[str, _Daemon] = field(default_factory=dict)
    _started_at: dict[str, float] = field(default_factory=dict)

    @property
    def timed(self) -> tuple[Job, ...]:
        """Jobs with a schedule that are not disabled."""
        return tuple(job for job in self.jobs if not job.is_daemon and job.name not in self.disabled)

    def prime(self, last_runs: Mapping[str, UtcMs]) -> tuple[Job, ...]:
        """Take the newest records over and answer the jobs whose firing fell into downtime, or was cut off by it.

        Each of them is started once, however many firings were missed. A job without any record is
        not: the first pass of `sereno up` has done what it must.
        """
        now = self.clock.now_ms()
        self.last_started_ms.update(last_runs)
        missed = []
        for job in self.timed:
            self._next[job.name] = job.schedule.next_after(now, self.zone)
            last = last_runs.get(job.name)
            if job.catch_up and last is not None and last < job.schedule.last_at_or_before(now, self.zone):
                missed.append(job)
        return tuple(missed)

    def next_firing(self, job: Job) -> UtcMs | None:
        """When a job fires next, in desk time."""
        return self._next.get(job.name)

    def pause(self) -> tuple[subprocess.Popen[bytes], ...]:
        """Start nothing from now on; answers the children, for the caller to end."""
        with self._lock:
            self._paused = True
            return self.children()

    def resume(self) -> None:
        """Go on: daemons are started at the next tick."""
        with self._lock:
            self._paused = False
            self._daemons.clear()

    def tick(self) -> None:
        """Look at children, start what is due, keep daemons alive."""
        self.reap()
        if self._paused:
            return
        now = self.clock.now_ms()
        if self.triggered:
            self._follow_clock(now)
        for job in self.timed:
            due = self._next.setdefault(job.name, job.schedule.next_after(now, self.zone))
            if now >= due:
                self._next[job.name] = job.schedule.next_after(now, self.zone)
                if not self.triggered:
                    self.fire(job, now)
        self.keep_daemons()

    def _follow_clock(self, now: UtcMs) -> None:
        """Firings are planned by the host's clock: when that is set, or the host has slept, plan anew."""
        ahead = now - int(self.monotonic() * 1000)
        moved = 0 if self._ahead_ms is None else ahead - self._ahead_ms
        if self._ahead_ms is not None and abs(moved) <= JUMP_MS:
            return
        self._ahead_ms = ahead
        if moved:
            _log.warning("clock.jumped", moved_s=moved // 1000)
            if moved < 0:
                self._next.clear()
            self.on_jump(moved)

    def fire(self, job: Job, now: UtcMs | None = None) -> bool:
        """Start a job unless it runs or has started within the quantum. Whether it was started."""
        with self._lock:
            return self._fire(job, self.clock.now_ms() if now is None else now)

    def _fire(self, job: Job, now: UtcMs) -> bool:
        last = self.last_started_ms.get(job.name)
        if self._paused:
            return False
        if self._lives(job.name):
            _log.debug("job.still_running", job=job.name)
            return False
        if self.quantum and last is not None and now // self.quantum == last // self.quantum:
            return False
        self.last_started_ms[job.name] = now
        try:
            self.running[job.name] = self.start(job)
            self._started_at[job.name] = self.monotonic()
        except OSError as cause:
            _log.error("job.not_started", job=job.name, error=str(cause))
            return False
        return True

    def reap(self) -> None:
        """Note the ends of children; a failed one is its record's business, not ours."""
        with self._lock:
            ended = {name: status for name, c in self.running.items() if (status := c.poll()) is not None}
            for name, status in ended.items():
                del self.running[name]
                self.exits[name] = status
                level = _log.info if status in (EXIT_OK, EXIT_LATER) else _log.warning
                level("job.ended", job=name, status=status)
            for job in self.timed:
                child = self.running.get(job.name)
                if child is not None:
                    self._end_if_hung(job, child, self._started_at.get(job.name, self.monotonic()))

    def _end_if_hung(self, job: Job, child: Child, started_at: float) -> None:
        """What it leaves behind is noted at the next look, as any other end."""
        why = self.overseer.complaint(job, child, self.monotonic() - started_at) if self.overseer else ""
        if why and self.overseer is not None:
            _log.error("job.hung", job=job.name, why=why)
            self.overseer.end(job, child, why)

    def keep_daemons(self) -> None:
        """Start daemons that are not there, with growing pauses when they keep dying."""
        at = self.monotonic()
        for job in self.jobs:
            if not job.is_daemon or job.name in self.disabled:
                continue
            daemon = self._daemons.setdefault(job.name, _Daemon())
            if daemon.child is not None:
                status = daemon.child.poll()
                if status is None:
                    if at - daemon.started_at > LONGEST_PAUSE_S:
                        daemon.pause_s = 1.0
                    self._end_if_hung(job, daemon.child, daemon.started_at)
                    continue
                pause_s = MENDING_S if status == EXIT_CONFIG else daemon.pause_s
                _log.error("daemon.ended", job=job.name, status=status, restart_in_s=pause_s)
                daemon.child = None
                daemon.next_at = at + pause_s
                daemon.pause_s = min(2 * daemon.pause_s, LONGEST_PAUSE_S)
            if at >= daemon.next_at:
                try:
                    daemon.child = self.start(job)
                except OSError as cause:
                    _log.error("daemon.not_started", job=job.name, error=str(cause))
                    daemon.next_at = at + daemon.pause_s
                daemon.started_at = at

    def children(self) -> tuple[subprocess.Popen[bytes], ...]:
        """Every process that was started and may still live."""
        all_children = [*self.running.values(), *(d.child for d in self._daemons.values() if d.child)]
        return tuple(child for child in all_children if isinstance(child, subprocess.Popen))

    def _lives(self, name: str) -> bool:
        child = self.running.get(name)
        return child is not None and child.poll() is None
