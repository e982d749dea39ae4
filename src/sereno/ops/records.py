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
from sereno.ops.run import Finished
from sereno.ops.textfile import write_textfile
from sereno.store.ledger import runs

if TYPE_CHECKING:
    from sereno.store.ledger import Ledger

BALLAST_BYTES = 4 * 1024 * 1024
_log = structlog.get_logger("sereno.runner")


def new_run_id(job: str) -> str:
    """Unique, and sorted by the host's time."""
    moment = iso(WallClock().now_ms()).replace("-", "").replace(":", "").partition(".")[0].rstrip("Z")
    return f"{job}-{moment}Z-{secrets.token_hex(3)}"


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

    def abandon(self, job: str) -> None:
        """Mark runs that never ended; the caller holds the job's lease, so none of them lives."""
        now = self.clock.now_ms()
        with self.ledger.begin() as tx:
            for run in runs.running(tx, job):
                if run.mode is self.mode:
                    runs.finish(
                        tx,
                        run.run_id,
                        runs.RunStatus.ABANDONED,
                        now,
                        error="its process ended without a word",
                    )
                    _log.warning("run.abandoned", run_id=run.run_id, job=job)

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
        write_textfile(self.settings.paths.metrics, self.settings.api.metrics_prefix, self.mode, run)


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
