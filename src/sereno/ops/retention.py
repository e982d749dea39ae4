"""The one table of what the ledger keeps, and for how long; the job `anomaly` applies it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table

from sereno.core.mode import Mode
from sereno.core.settings.sections import RetentionSettings
from sereno.core.timeframe import DAY_MS, UtcMs
from sereno.store.ledger import (
    alerts,
    audit,
    counters,
    equity,
    fills,
    findings,
    forecasts,
    instruments,
    leases,
    model_versions,
    orders,
    positions,
    risk_state,
    runs,
    signals,
)
from sereno.store.ledger.pruning import drop, overwrite

if TYPE_CHECKING:
    from sereno.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a table's old rows.

    days     the setting in `[retention]` that says when they are old
    old      names them, given the moment before which they are
    leaves   what their columns are given instead; None: the rows go
    """

    what: str
    table: Table[Any]
    days: str
    old: Callable[[UtcMs], ColumnElement[bool]]
    leaves: Mapping[str, object] | None = None


RULES: tuple[Rule, ...] = (
    Rule("runs", runs.table, "runs_days", runs.old),
    Rule("findings", findings.table, "findings_days", findings.old),
    Rule("alerts", alerts.table, "alerts_days", alerts.old),
    Rule("forecasts", forecasts.table, "forecasts_days", forecasts.old),
    Rule("refused signals", signals.table, "refused_signals_days", signals.refused),
    Rule(
        "features of refused signals",
        signals.table,
        "refused_features_days",
        signals.refused_with_features,
        signals.WITHOUT_FEATURES,
    ),
    Rule("equity within a day", equity.table, "equity_points_days", equity.old),
    Rule("model versions", model_versions.table, "model_versions_days", model_versions.old),
)

FOR_EVER: Mapping[str, str] = {
    orders.table.name: "the record of money",
    fills.table.name: "the record of money",
    positions.table.name: "the record of money",
    audit.table.name: "the record of changes",
}
"""Sealed: the database itself refuses to delete them."""

SMALL: Mapping[str, str] = {
    counters.table.name: "one row a job and way of ending",
    instruments.table.name: "one row an instrument",
    leases.table.name: "one row a job",
    risk_state.table.name: "one row an account",
}
"""As many rows as there are things that they name, however long the desk runs."""


def apply(ledger: Ledger, settings: RetentionSettings, mode: Mode, now: UtcMs) -> dict[str, int]:
    """Let go what is old; how many rows by what they are.

    Rows of other modes are left to their own desk, whose clock may be another; findings and model
    versions bear no mode.
    """
    return {rule.what: _apply(ledger, rule, settings, mode, now) for rule in RULES}


def signals_whole_since(settings: RetentionSettings, now: UtcMs) -> UtcMs:
    """From which moment on the ledger still has every signal."""
    return now - settings.refused_signals_days * DAY_MS


def _apply(ledger: Ledger, rule: Rule, settings: RetentionSettings, mode: Mode, now: UtcMs) -> int:
    old = rule.old(now - getattr(settings, rule.days) * DAY_MS)
    if "mode" in rule.table.c:
        old &= rule.table.c.mode == mode
    if rule.leaves is None:
        return drop(ledger, rule.table, old)
    return overwrite(ledger, rule.table, old, rule.leaves)
