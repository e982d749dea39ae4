"""The job `train`: every role of every traded series; also behind `sereno train`.

Interrupted, it goes on: the next attempt learns from the same candles, and does not train again what is kept.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import iso
from sereno.ops.run import Outcome, Run

if TYPE_CHECKING:
    from sereno.models.contract import Role
    from sereno.models.train import RoleReport, TrainReport
    from sereno.ops.app import Desk
    from sereno.ops.steps.unfinished import Training

_log = structlog.get_logger("sereno.train")
KEEP_VERSIONS = 150


def train(desk: Desk, run: Run, role: str = "", *symbols: str) -> Outcome:
    """Train, keep the versions, write the report.

    role, symbols   only these; empty means all

    A series that cannot be trained does not stop the others. Failed when none could be.
    """
    from sereno.models.contract import Role
    from sereno.models.train import settings_digest
    from sereno.ops.steps.train_page import write_page
    from sereno.ops.steps.unfinished import begin
    from sereno.store.ledger.named_models import named_by_signals

    settings = desk.settings
    digest = settings_digest(settings.models, settings.barriers, settings.costs)
    training = begin(desk, digest, (role, *symbols))
    wanted_roles = (Role(role),) if role else tuple(Role)
    reports: list[TrainReport] = []
    skipped: dict[str, str] = {}
    for series in desk.series:
        if symbols and series.instrument.symbol not in symbols:
            continue
        try:
            report = _one(desk, run, series, wanted_roles, training)
        except SkipThis as cause:
            _log.warning("train.skipped", series=series.key, reason=str(cause))
            skipped[series.key] = str(cause)
            continue
        reports.append(report)
        _record(desk, report)
    if not reports:
        training.finish()
        return Outcome(0, {"skipped": skipped}, failed=f"nothing was trained: {_first(skipped)}")
    with desk.ledger.read() as tx:
        named = named_by_signals(tx)
    desk.registry.prune(KEEP_VERSIONS, named=named)
    path = write_page(desk, reports, partial(training.cutoff.candles, desk))
    training.finish()
    told = {report.series.key: {str(r.role): _told(r) for r in report.roles} for report in reports}
    return Outcome(
        sum(report.rows for report in reports),
        {"series": told, "skipped": skipped, "report": str(path), **_told_of(training)},
    )


def _told(role: RoleReport) -> dict[str, object]:
    """What the run record keeps of a role; `held` where a person's choice stands before the gate's."""
    told: dict[str, object] = {
        "served": str(role.served.extra.get("kind")),
        "refused": role.trees.refused_reason,
        "compared_with": role.trees.extra.get("champion") or role.no_duel,
    }
    if role.reused:
        told["reused"] = role.trees.version
    if role.held is not None:
        told["held"] = role.held
    return told


def _told_of(training: Training) -> dict[str, object]:
    """Since when the candles of a resumed training were cut off."""
    return {"resumed": iso(training.cutoff.started_ms)} if training.resumed else {}


def _first(skipped: dict[str, str]) -> str:
    return next(iter(skipped.values()), "no such instrument is configured")


def _one(desk: Desk, run: Run, series: Series, roles: tuple[Role, ...], training: Training) -> TrainReport:
    from sereno.models.train import train_series
    from sereno.ops.steps.peers import peers_of

    settings, cutoff = desk.settings, training.cutoff
    return train_series(
        series,
        cutoff.candles(desk, series),
        models=settings.models,
        barriers=settings.barriers,
        costs=settings.costs,
        registry=desk.registry,
        peers=peers_of(desk, series, partial(cutoff.candles, desk)),
        roles=roles,
        now=cutoff.started_ms,
        git_commit=desk.git_commit,
        searches=training.folder,
        progress=run.tell,
    )


def _record(desk: Desk, report: TrainReport) -> None:
    """Every version goes into the ledger, served or refused with its reason."""
    from sereno.ops.served import ledger_line
    from sereno.store.ledger import audit, model_versions

    with desk.ledger.begin() as tx:
        for role in report.roles:
            for manifest in (role.trees, role.baseline, role.served):
                model_versions.save(tx, ledger_line(manifest))
            model_versions.mark_serving(tx, role.served.role, report.series.key, role.served.version)
        audit.append(
            tx,
            desk.clock.now_ms(),
            "job:train",
            "models.trained",
            report.series.key,
            {str(r.role): r.served.version if r.held is None else r.held for r in report.roles},
        )
