"""Keeping the record of a run: in the ledger, and as metrics in a textfile."""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from sereno.core.clock import Clock, WallClock
from sereno.core.files import replace_file
from sereno.core.mode import Mode
from sereno.core.settings import Settings
from sereno.core.timeframe import UtcMs, iso
from sereno.ops.guard import EXIT_TIMEOUT, Verdict, is_disk_full
from sereno.ops.logs import Redactor
from sereno.ops.process import Life, holder_name, life_of
from sereno.ops.run import Finished
from sereno.ops.textfile import remove_textfiles, write_textfile
from sereno.store.ledger import leases, runs

if TYPE_CHECKING:
    from sereno.store.ledger import Ledger, Tx

_COMPACT = str.maketrans("", "", "-:")
BALLAST_BYTES = 4 * 1024 * 1024
_log = structlog.get_logger("sereno.runner")


def new_run_id(job: str, wall_ms: UtcMs | None = None) -> str:
    """Unique, and sorted by the host's time to the millisecond.

    Runs that begin at one moment of a standing simulated clock are told apart by it alone.
    """
    now = WallClock().now_ms() if wall_ms is None else wall_ms
    moment = iso(now - now % 1000).translate(_COMPACT).removesuffix("Z")
    return f"{job}-{moment}.{now % 1000:03}Z-{secrets.token_hex(3)}"


@dataclass(slots=True)
class Recorder:
    """Writes starts and ends of runs. One for each process that runs jobs."""

    ledger: Ledger
    settings: Settings
    clock: Clock
    redactor: Redactor

    @property
    def mode(self) -> Mode:
        """Of every record."""
        return self.settings.mode

    def abandon_dead(self) -> tuple[str, ...]:
        """Record the end of runs whose holder is gone, of whatever job; their ids.

        The holder decides, never the job's name: `signals-pass` is recorded by the daemon and by
        `sereno infer`, which may both live.
        """
        with self.ledger.read() as tx:
            gone = [r for r in runs.running(tx) if r.mode is self.mode and _is_gone(tx, r.holder)]
        return tuple(run.run_id for run in gone if self._abandon(run))

    def _abandon(self, run: runs.JobRun) -> bool:
        with self.ledger.begin() as tx:
            why = "its process ended without a word"
            ended = runs.finish(tx, run.run_id, runs.RunStatus.ABANDONED, self.clock.now_ms(), error=why)
        if ended:
            _log.warning("run.abandoned", run_id=run.run_id, job=run.job)
        return ended

    def time_out(self, holder: str, why: str) -> None:
        """Record the end of every run of a process that was killed since it hung."""
        with self.ledger.begin() as tx:
            for run in runs.running(tx):
                if run.holder == holder:
                    runs.finish(tx, run.run_id, runs.RunStatus.TIMEOUT, self.clock.now_ms(), error=why)
                    _log.error("run.timed_out", run_id=run.run_id, job=run.job, why=why)

    def start(self, job: str, run_id: str) -> Started:
        """Record that a run begins."""
        started = Started(job, run_id, self.clock.now_ms(), time.monotonic())
        with self.ledger.begin() as tx:
            runs.start(
                tx,
                runs.JobRun(
                    run_id=run_id,
                    job=job,
                    mode=self.mode,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    started_ms=started.started_ms,
                    ended_ms=None,
                    status=runs.RunStatus.RUNNING,
                    rows=None,
                    error=None,
                    details={},
                    holder=holder_name(),
                ),
            )
        return started

    def end(self, started: Started, verdict: Verdict, status: str) -> Finished:
        """Record how a run ended; with a full disk the ballast makes room for that."""
        duration_s = round(time.monotonic() - started.monotonic_s, 3)
        wall_ms = WallClock().now_ms()
        error = None if verdict.error is None else self.redactor.text(verdict.error)
        details = {key: self.redactor.cleaned(value) for key, value in verdict.details.items()}
        finished = Finished(
            job=started.job,
            run_id=started.run_id,
            status=status,
            rows=verdict.rows,
            error=error,
            details={**details, "duration_s": duration_s, "wall_ms": wall_ms},
            started_ms=started.started_ms,
            ended_ms=self.clock.now_ms(),
            wall_ms=wall_ms,
            duration_s=duration_s,
            exit_code=EXIT_TIMEOUT if status == "timeout" else verdict.exit_code,
        )
        try:
            self._write(finished)
        except Exception as cause:
            if not is_disk_full(cause):
                raise
            drop_ballast(self.settings.paths.run)
            self._write(finished)
        return finished

    def _write(self, run: Finished) -> None:
        with self.ledger.begin() as tx:
            runs.finish(
                tx,
                run.run_id,
                runs.RunStatus(run.status),
                run.ended_ms,
                rows=run.rows,
                error=run.error,
                details=run.details,
            )
        folder, prefix = self.settings.paths.metrics, self.settings.api.metrics_prefix
        if self.settings.metrics.textfile:
            write_textfile(folder, prefix, self.mode, run)
        else:
            remove_textfiles(folder)


def _is_gone(tx: Tx, holder: str | None) -> bool:
    """Whether the process that keeps a record is gone: by its name here, by its leases elsewhere."""
    if holder is None:
        return True
    match life_of(holder):
        case Life.LIVES:
            return False
        case Life.GONE:
            return True
        case Life.UNKNOWN:
            return not leases.holds_any(tx, holder, WallClock().now_ms())


@dataclass(frozen=True, slots=True)
class Started:
    """A run that has a record but no end yet."""

    job: str
    run_id: str
    started_ms: UtcMs
    monotonic_s: float


def ready_ballast(folder: Path) -> None:
    """Keep a few megabytes back, so that a full disk can still take the record of the failure."""
    path = folder / "ballast"
    if path.exists():
        return
    try:
        replace_file(path, b"\0" * BALLAST_BYTES)
    except OSError as cause:
        _log.warning("disk.no_ballast", error=str(cause))


def drop_ballast(folder: Path) -> None:
    """Give the reserve up."""
    _log.error("disk.full", remedy="free some room below state_dir")
    (folder / "ballast").unlink(missing_ok=True)
