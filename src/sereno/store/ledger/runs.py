"""Runs of jobs: when each began and ended, and how. Their ends are counted as they are recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    Row,
    Table,
    Text,
    TypedColumns,
    exists,
    func,
    select,
    text,
    update,
)

from sereno.core.errors import StopTrading
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs
from sereno.store.ledger import counters
from sereno.store.ledger.columns import Json, Tx, Word, metadata, one_of, whole
from sereno.store.ledger.rows import add_once

ENDED = "job_runs_ended"
"""Name of the counts of runs by job, mode and status."""


class RunStatus(StrEnum):
    """`running` until the first of the others is recorded; that one stays.

    `abandoned` is what ended without a word; `skipped` is what somebody stopped, which is no failure.
    """

    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    ABANDONED = "abandoned"
    SKIPPED = "skipped"


OVER = tuple(status for status in RunStatus if status is not RunStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class JobRun:
    """One execution of a job. `rows` is what it produced, `error` the cause when it failed.

    holder   the process that keeps this record, named so that another can tell whether it lives; None
             where an older release did not say
    """

    run_id: str
    job: str
    mode: Mode
    host: str
    pid: int
    started_ms: UtcMs
    ended_ms: UtcMs | None
    status: RunStatus
    rows: int | None
    error: str | None
    details: Mapping[str, object] = field(default_factory=dict)
    holder: str | None = None


class JobRunColumns(TypedColumns):
    """One row a run."""

    run_id = Column(Text, primary_key=True)
    job = Column(Text, nullable=False)
    mode: Column[Mode] = Column(Word(Mode), nullable=False)
    host = Column(Text, nullable=False)
    pid = Column(whole, nullable=False)
    started_ms = Column(whole, nullable=False)
    ended_ms = Column(whole)
    status: Column[RunStatus] = Column(Word(RunStatus), nullable=False)
    rows = Column(whole)
    error = Column(Text)
    details = Column(Json, nullable=False, server_default="{}")
    holder = Column(Text)


_UNENDED = text("ended_ms IS NULL")

table = Table(
    "job_runs",
    metadata,
    JobRunColumns,
    one_of("mode", Mode),
    one_of("status", RunStatus),
    Index("job_runs_by_job", "job", "mode", "started_ms"),
    Index("job_runs_by_status", "mode", "status", "started_ms"),
    Index("job_runs_by_start", "started_ms"),
    Index("job_runs_unended", "started_ms", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
    sqlite_strict=True,
)


def start(tx: Tx, run: JobRun) -> None:
    """Record that a run began (or was skipped). An id is used once."""
    if not add_once(tx, table, asdict(run)):
        raise StopTrading("run.repeated_id", run_id=run.run_id, job=run.job)
    if run.status is not RunStatus.RUNNING:
        _count(tx, run.job, run.mode, run.status)


def finish(
    tx: Tx,
    run_id: str,
    status: RunStatus,
    now: UtcMs,
    rows: int | None = None,
    error: str | None = None,
    details: Mapping[str, object] | None = None,
) -> bool:
    """Record how a run ended. The first end stays: False when it had one already, or never began."""
    ending: dict[str, Any] = {"status": status, "ended_ms": now, "rows": rows, "error": error}
    if details is not None:
        ending["details"] = dict(details)
    c = table.c
    begun = (c.run_id == run_id) & (c.status == RunStatus.RUNNING)
    ended = tx.execute(update(table).where(begun).values(ending).returning(c.job, c.mode)).one_or_none()
    if ended is not None:
        _count(tx, ended.job, ended.mode, status)
    return ended is not None


def latest(
    tx: Tx,
    job: str | None = None,
    limit: int = 50,
    *,
    mode: Mode | None = None,
    statuses: Collection[RunStatus] = tuple(RunStatus),
) -> list[JobRun]:
    """The newest runs first, of one job and mode if given. `limit` counts those that are wanted, no others."""
    c = table.c
    wanted = select(table).order_by(c.started_ms.desc(), c.run_id.desc()).limit(limit)
    wanted = wanted if job is None else wanted.where(c.job == job)
    wanted = wanted if mode is None else wanted.where(c.mode == mode)
    return _runs(tx, wanted if len(statuses) == len(RunStatus) else wanted.where(c.status.in_(statuses)))


def last(tx: Tx, job: str, mode: Mode, statuses: Collection[RunStatus] = tuple(RunStatus)) -> JobRun | None:
    """The newest run of a job in a mode."""
    return next(iter(latest(tx, job, 1, mode=mode, statuses=statuses)), None)


def running(tx: Tx, job: str | None = None) -> list[JobRun]:
    """Runs without an end, oldest first."""
    c = table.c
    unended = c.ended_ms.is_(None) & (c.status == RunStatus.RUNNING)
    wanted = select(table).where(unended).order_by(c.started_ms, c.run_id)
    return _runs(tx, wanted if job is None else wanted.where(c.job == job))


def newest_moment(tx: Tx, mode: Mode) -> UtcMs | None:
    """The latest moment at which a run began or ended; None when there were none."""
    c = table.c
    moments = select(func.max(c.started_ms), func.max(c.ended_ms)).where(c.mode == mode)
    return max((at for at in tx.execute(moments).one() if at is not None), default=None)


def old(before_ms: UtcMs) -> ColumnElement[bool]:
    """Ended runs that began before a moment; of each job the newest that ended in each way stays."""
    c, newer = table.c, table.alias("newer")
    has_newer = exists().where(
        newer.c.job == c.job,
        newer.c.mode == c.mode,
        newer.c.status == c.status,
        newer.c.started_ms > c.started_ms,
    )
    return (c.started_ms < before_ms) & (c.status != RunStatus.RUNNING) & has_newer


def _count(tx: Tx, job: str, mode: Mode, status: RunStatus) -> None:
    counters.add(tx, ENDED, {"job": job, "mode": mode.value, "status": status.value})


def _runs(tx: Tx, wanted: Any) -> list[JobRun]:
    return [_run(row) for row in tx.execute(wanted).all()]


def _run(row: Row[Any]) -> JobRun:
    return JobRun(**row._mapping)
