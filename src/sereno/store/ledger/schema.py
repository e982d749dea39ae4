"""The whole schema: every aggregate's table in one metadata, and the revisions that lead to it."""

from __future__ import annotations

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
from sereno.store.ledger.columns import metadata

AGGREGATES = (
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

__all__ = ["AGGREGATES", "metadata"]
