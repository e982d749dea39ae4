"""Whether every open position is looked after, and with which candles: a stop that none reaches protects nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sereno.core.clock import SimClock
from sereno.core.timeframe import UtcMs
from sereno.ops.facts import last_ended
from sereno.ops.jobs import COLLECTOR
from sereno.ops.scheduler import quantum_ms
from sereno.store.ledger import audit, positions
from sereno.trading.positions_job import CHANGED
from sereno.watch.checks import ChangeFacts, Noticed, PositionFacts, candles_changed, unwatched_positions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sereno.ops.app import Desk


CHANGES_SEEN = 200


def unwatched(desk: Desk, tx: Connection, now: UtcMs) -> tuple[Noticed, ...]:
    """Open positions that lag behind, with what the newest cycle of the collector says of their candles."""
    cycle = last_ended(tx, COLLECTOR, desk.mode)
    told = cycle.details.get("series") if cycle else None
    facts = [
        PositionFacts(one.series.key, one.series.timeframe, one.checked_ms, _error(told, one.series.key))
        for one in positions.open(tx, desk.mode, desk.account)
    ]
    candles = desk.settings.candles
    return unwatched_positions(
        facts,
        now=now - slack_ms(desk),
        stale_after_bars=candles.stale_after_bars,
        settle_ms=round(candles.settle_s * 1000),
    )


def changed_under(desk: Desk, tx: Connection, since: UtcMs) -> tuple[Noticed, ...]:
    """Positions of this account whose candles changed since a moment, as the audit has them."""
    found = audit.recent(tx, CHANGES_SEEN, action=CHANGED)
    return candles_changed(
        [_change(one.subject, one.detail) for one in found if one.ts >= since and _is_ours(desk, one.detail)]
    )


def slack_ms(desk: Desk) -> int:
    """What a hurried clock passes over: firings coalesce, and some desk time goes by while processes start."""
    if not isinstance(desk.clock, SimClock):
        return 0
    fastest = min(timeframe.ms for timeframe in desk.settings.candles.timeframes)
    return 3 * quantum_ms(fastest, desk.settings.sim.seconds_per_candle)


def _is_ours(desk: Desk, detail: Mapping[str, object]) -> bool:
    return (detail.get("mode"), detail.get("account")) == (desk.mode.value, desk.account)


def _change(position_id: str, detail: Mapping[str, object]) -> ChangeFacts:
    before, now, ended_at = detail.get("bars_held"), detail.get("bars_now"), detail.get("exit_price")
    late = now - before if isinstance(now, int) and isinstance(before, int) else 0
    return ChangeFacts(
        position_id,
        str(detail.get("series")),
        late,
        str(detail.get("outcome")),
        None if ended_at is None else str(ended_at),
    )


def _error(told: object, key: str) -> str:
    one = told.get(key) if isinstance(told, Mapping) else None
    return str(one.get("error", "")) if isinstance(one, Mapping) else ""
