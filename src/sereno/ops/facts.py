"""What the ledger says about the desk at one moment; console, API, metrics and checks all read this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from sereno.core.clock import ClockFile, WallClock
from sereno.core.mode import Mode
from sereno.core.settings import Settings
from sereno.core.timeframe import UtcMs
from sereno.ops.jobs import Job, jobs_of
from sereno.ops.lease import lease_name
from sereno.ops.process import is_dead
from sereno.store.ledger import counters, leases, runs
from sereno.store.ledger.runs import JobRun, RunStatus

if TYPE_CHECKING:
    from sqlalchemy import Connection

FAILED = (RunStatus.ERROR, RunStatus.TIMEOUT, RunStatus.ABANDONED)
CUT_OFF = (RunStatus.ABANDONED, RunStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class JobState:
    """A row of the table of jobs with what became of it.

    last       newest run, ended or not; of a daemon that works in rounds the newest round
    last_well  newest run that succeeded
    alive      whether a daemon holds its lease; None for a timed job
    """

    job: Job
    last: JobRun | None
    last_well: JobRun | None
    alive: bool | None


def jobs_in_force(settings: Settings) -> tuple[Job, ...]:
    """The table without the jobs that are disabled."""
    rows = jobs_of(settings.recommendation_update_time)
    return tuple(job for job in rows if job.name not in settings.jobs.disabled)


def job_states(tx: Connection, settings: Settings) -> tuple[JobState, ...]:
    """Every job in force."""
    return tuple(
        JobState(
            job,
            last_run(tx, job.recorded_as, settings.mode),
            last_run(tx, job.recorded_as, settings.mode, RunStatus.SUCCESS),
            lease_is_held(tx, lease_name(settings.mode, job.name)) if job.is_daemon else None,
        )
        for job in jobs_in_force(settings)
    )


def last_run(tx: Connection, name: str, mode: Mode, status: RunStatus | None = None) -> JobRun | None:
    """Newest run of a job in a mode."""
    return runs.last(tx, name, mode, tuple(RunStatus) if status is None else (status,))


def last_ended(tx: Connection, name: str, mode: Mode) -> JobRun | None:
    """Newest run of a job that has ended, however it ended."""
    return runs.last(tx, name, mode, runs.OVER)


def failing(tx: Connection, settings: Settings) -> tuple[JobRun, ...]:
    """The newest ended run of each job in force, and of each daemon's rounds, where that failed."""
    names = dict.fromkeys(name for job in jobs_in_force(settings) for name in (job.name, job.recorded_as))
    ended = (last_ended(tx, name, settings.mode) for name in names)
    return tuple(run for run in ended if run is not None and run.status in FAILED)


def last_starts(tx: Connection, settings: Settings) -> Mapping[str, UtcMs]:
    """Desk time of each timed job's newest start that went on to an end, or still goes on.

    A run that was cut off served no firing; where all were, the job last started at 0.
    """
    states = [s for s in job_states(tx, settings) if s.last and not s.job.is_daemon]
    return {s.job.name: _last_served(tx, s.job.recorded_as, settings.mode) for s in states}


def _last_served(tx: Connection, name: str, mode: Mode) -> UtcMs:
    served = runs.last(tx, name, mode, [status for status in RunStatus if status not in CUT_OFF])
    return served.started_ms if served else 0


def failures(tx: Connection, name: str, mode: Mode) -> int:
    """How many runs of a job have ever failed; records that were let go still count."""
    return sum(
        counters.total(tx, runs.ENDED, job=name, mode=mode.value, status=status.value) for status in FAILED
    )


def lease_is_held(tx: Connection, name: str) -> bool:
    """Whether a lease has a holder that renews it and is not known to be dead."""
    c = leases.table.c
    row = tx.execute(select(c.holder, c.expires_ms).where(c.name == name)).one_or_none()
    if row is None or row.holder is None:
        return False
    return row.expires_ms > WallClock().now_ms() and not is_dead(row.holder)


def world_ended_ms(settings: Settings, now: UtcMs | None) -> UtcMs | None:
    """Where a simulated world's time stands still since its candles are at their end; None while it goes on.

    now   the desk's time, None when nobody tells it

    A desk of such a world is well, but nothing more will happen in it.
    """
    if settings.mode is not Mode.SIM or now is None:
        return None
    anchor = ClockFile(settings.paths.clock_file).read()
    if anchor is None or anchor.end_ms is None or now < anchor.end_ms:
        return None
    return anchor.end_ms


def duration_s(run: JobRun | None) -> float | None:
    """Wall time a run took; None while it runs."""
    value = run.details.get("duration_s") if run else None
    return float(value) if isinstance(value, int | float) else None


def ended_wall_s(run: JobRun | None) -> float | None:
    """Host's time of a run's end; None while it runs."""
    value = run.details.get("wall_ms") if run else None
    return value / 1000 if isinstance(value, int | float) else None
