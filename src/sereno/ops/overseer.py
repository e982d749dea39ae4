"""Seeing from outside that a child of the desk hangs: a stopped process cannot tell of itself.

Its lease tells: whoever lives renews it. A child that never took one is given the time of a slow start.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import select

from sereno.core.clock import Clock, WallClock
from sereno.core.errors import SerenoError
from sereno.core.settings import Settings
from sereno.ops.jobs import Job
from sereno.ops.launch import kill_tree
from sereno.ops.lease import BEATS, lease_name
from sereno.ops.logs import Redactor
from sereno.ops.process import holder_name
from sereno.ops.records import Recorder
from sereno.ops.scheduler import Child
from sereno.store.ledger import Ledger, leases

SLOW_START_S = 120.0
_log = structlog.get_logger("sereno.scheduler")


@dataclass(slots=True)
class LeaseOverseer:
    """Judges children by their leases.

    A lapsed lease must stay so for a beat that passes here too: after a machine has slept, all have
    lapsed, and all are renewed at once.
    """

    settings: Settings
    ledger: Ledger
    clock: Clock
    monotonic: Callable[[], float] = time.monotonic
    _look_at: dict[int, float] = field(default_factory=dict)
    _lapsed_at: dict[int, float] = field(default_factory=dict)

    @property
    def beat_s(self) -> float:
        """Pause between two looks at one child."""
        return self.settings.jobs.lease_s / BEATS

    def complaint(self, job: Job, child: Child, age_s: float) -> str:
        """Why the child must be replaced; empty while all is well, or while the ledger cannot tell."""
        at = self.monotonic()
        if not isinstance(child, subprocess.Popen) or at < self._look_at.get(child.pid, 0.0):
            return ""
        self._look_at[child.pid] = at + self.beat_s
        try:
            expires_ms = self._expires_ms(job, holder_name(child.pid))
        except SerenoError as cause:
            _log.warning("scheduler.cannot_oversee", job=job.name, error=str(cause))
            return ""
        why = self._why(expires_ms, age_s)
        if not why:
            self._lapsed_at.pop(child.pid, None)
        elif at - self._lapsed_at.setdefault(child.pid, at) >= self.beat_s:
            return why
        return ""

    def _why(self, expires_ms: int | None, age_s: float) -> str:
        lease_s = self.settings.jobs.lease_s
        if expires_ms is None:
            return "it holds no lease" if age_s > SLOW_START_S + lease_s else ""
        return f"it did not renew its lease for {lease_s:g} s" if expires_ms <= WallClock().now_ms() else ""

    def end(self, job: Job, child: Child, why: str) -> None:
        """Kill it with all that it started; its runs end as timed out."""
        if not isinstance(child, subprocess.Popen):
            return
        holder = holder_name(child.pid)
        kill_tree(child)
        self._look_at.pop(child.pid, None)
        self._lapsed_at.pop(child.pid, None)
        recorder = Recorder(self.ledger, self.settings, self.clock, Redactor.of(self.settings))
        try:
            recorder.time_out(holder, f"killed by the scheduler: {why}")
        except SerenoError as cause:
            _log.warning("scheduler.not_recorded", job=job.name, error=str(cause))

    def _expires_ms(self, job: Job, holder: str) -> int | None:
        c = leases.table.c
        theirs = (c.name == lease_name(self.settings.mode, job.name)) & (c.holder == holder)
        with self.ledger.read() as tx:
            found: int | None = tx.execute(select(c.expires_ms).where(theirs)).scalar_one_or_none()
        return found
