"""Reading from the ledger what `/metrics` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sereno.core.mode import Mode
from sereno.ops.app import Desk
from sereno.ops.entries import desk_moment, entry_facts
from sereno.ops.facts import (
    duration_s,
    ended_wall_s,
    failures,
    job_states,
    last_ended,
    last_run,
)
from sereno.ops.jobs import COLLECTOR, SIGNAL_ROUND
from sereno.store.ledger import counters, equity, positions, runs
from sereno.store.ledger.runs import JobRun, RunStatus
from sereno.surfaces.metrics import DeskFacts, JobGauge

if TYPE_CHECKING:
    from sqlalchemy import Connection


def read_facts(desk: Desk) -> DeskFacts:
    """One consistent look."""
    with desk.ledger.read() as tx:
        states = job_states(tx, desk.settings)
        good_ingestion = last_run(tx, COLLECTOR, desk.mode, RunStatus.SUCCESS)
        good_pass = last_run(tx, SIGNAL_ROUND, desk.mode, RunStatus.SUCCESS)
        point = equity.latest(tx, desk.mode, desk.account)
        entries = entry_facts(tx, desk.mode, desk.account, desk_moment(desk.clock))
        return DeskFacts(
            mode=desk.mode,
            ingestion=_gauge(last_ended(tx, COLLECTOR, desk.mode)),
            ingestion_failures=failures(tx, COLLECTOR, desk.mode),
            signal_pass=_gauge(last_ended(tx, SIGNAL_ROUND, desk.mode)),
            signal_failures=failures(tx, SIGNAL_ROUND, desk.mode),
            last_ingestion_wall_s=ended_wall_s(good_ingestion),
            last_signal_wall_s=ended_wall_s(good_pass),
            jobs=tuple(
                gauge
                for s in (() if desk.settings.metrics.textfile else states)
                if (gauge := _gauge(last_ended(tx, s.job.recorded_as, desk.mode), s.job.name))
            ),
            ended=_ended(tx, desk.mode),
            daemons=tuple((s.job.name, bool(s.alive)) for s in states if s.job.is_daemon),
            equity_quote=float(point.equity_quote) if point else None,
            open_positions=len(positions.open(tx, desk.mode, desk.account)),
            entries=(entries.account, entries.refused is None) if entries.is_opened else None,
        )


def _ended(tx: Connection, mode: Mode) -> tuple[tuple[str, str, int], ...]:
    counted = [one for one in counters.all(tx, runs.ENDED) if one.labels["mode"] == mode]
    return tuple((one.labels["job"], one.labels["status"], one.value) for one in counted)


def _gauge(run: JobRun | None, name: str = "") -> JobGauge | None:
    if run is None:
        return None
    well = run.status is RunStatus.SUCCESS
    return JobGauge(name or run.job, well, duration_s(run), ended_wall_s(run), run.rows)
