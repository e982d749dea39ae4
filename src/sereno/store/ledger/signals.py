"""What the desk decided, taken and refused alike, with all that is needed to explain it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    Row,
    Select,
    Table,
    Text,
    and_,
    exists,
    func,
    select,
)

from sereno.core.instrument import Instrument, Series
from sereno.core.mode import Mode
from sereno.core.order import OrderPurpose
from sereno.core.signal import Decision, Refusal, Regime, Signal
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store.ledger import orders, positions
from sereno.store.ledger.columns import (
    Exact,
    Flag,
    Json,
    Thing,
    Tx,
    Word,
    above_zero,
    metadata,
    one_of,
    real,
    unreadable,
    whole,
)
from sereno.store.ledger.forecasts import (
    OutlookColumns,
    outlook,
    outlook_rules,
    outlook_values,
    series_values,
)
from sereno.store.ledger.rows import add_once


class SignalColumns(OutlookColumns):
    """One row a signal; `ts` is both the signal's and its forecast's."""

    signal_id = Column(Text, primary_key=True)
    mode: Column[Mode] = Column(Word(Mode), nullable=False)
    instrument = Column(Thing, nullable=False)
    timeframe: Column[Timeframe] = Column(Word(Timeframe), nullable=False)
    decision: Column[Decision] = Column(Word(Decision), nullable=False)
    side: Column[Decision | None] = Column(Word(Decision))
    confidence = Column(real)
    reason = Column(Text, nullable=False)
    reason_detail = Column(Text, nullable=False)
    regime: Column[Regime] = Column(Word(Regime), nullable=False)
    regime_reason = Column(Text, nullable=False)
    entry = Column(Exact, nullable=False)
    stop = Column(Exact)
    target = Column(Exact)
    atr = Column(real, nullable=False)
    position_size = Column(Exact, nullable=False)
    risk_allowed = Column(Flag, nullable=False)
    git_commit = Column(Text, nullable=False)
    data_digest = Column(Text, nullable=False)
    settings_digest = Column(Text, nullable=False)
    feature_first_ms = Column(whole, nullable=False)
    feature_primed_ms = Column(whole, nullable=False)
    features = Column(Json, nullable=False)
    refusals = Column(Json, nullable=False, server_default="[]")


table = Table(
    "signals",
    metadata,
    SignalColumns,
    one_of("mode", Mode),
    one_of("timeframe", Timeframe),
    one_of("decision", Decision),
    one_of("side", Decision),
    one_of("regime", Regime),
    above_zero("entry"),
    CheckConstraint("decision = 'NO_TRADE' OR decision = side", name="decision_follows_side"),
    CheckConstraint(
        "decision = 'NO_TRADE' OR (stop IS NOT NULL AND target IS NOT NULL)", name="taken_has_levels"
    ),
    *outlook_rules(),
    Index("signals_by_series", "mode", "instrument", "timeframe", "ts"),
    Index("signals_by_ts", "ts"),
    sqlite_strict=True,
)

WITHOUT_FEATURES: Mapping[str, object] = {"features": []}
"""What letting the features of a signal go leaves of them. No signal is made without any."""

_OWN = [
    "signal_id",
    "mode",
    "ts",
    "decision",
    "side",
    "confidence",
    "reason",
    "reason_detail",
    "regime",
    "regime_reason",
    "entry",
    "stop",
    "target",
    "atr",
    "position_size",
    "risk_allowed",
    "git_commit",
    "data_digest",
    "settings_digest",
    "feature_first_ms",
    "feature_primed_ms",
]


def save(tx: Tx, signal: Signal) -> bool:
    """Keep a signal; False when its id is there already: the first one stays."""
    if signal.forecast.ts != signal.ts:
        raise ValueError(f"a signal of {signal.ts} rests on a forecast of {signal.forecast.ts}")
    values = {name: getattr(signal, name) for name in _OWN}
    values |= outlook_values(signal.forecast) | series_values(signal.series)
    values |= {"features": [list(pair) for pair in signal.features]}
    return add_once(tx, table, values | {"refusals": [asdict(refusal) for refusal in signal.refusals]})


def get(tx: Tx, signal_id: str) -> Signal | None:
    """One signal by id."""
    found = _signals(tx, select(table).where(table.c.signal_id == signal_id))
    return found[0] if found else None


def recent(
    tx: Tx,
    series: Series | None = None,
    limit: int = 50,
    since: UtcMs | None = None,
    decisions: Iterable[Decision] | None = None,
    *,
    until: UtcMs | None = None,
    offset: int = 0,
    mode: Mode | None = None,
    instrument: Instrument | None = None,
    timeframe: Timeframe | None = None,
) -> list[Signal]:
    """The newest first with since <= ts < until, the first `offset` of them left out."""
    c = table.c
    wanted = _newest(series).limit(limit).offset(offset)
    wanted = wanted if since is None else wanted.where(c.ts >= since)
    wanted = wanted if until is None else wanted.where(c.ts < until)
    wanted = wanted if decisions is None else wanted.where(c.decision.in_(list(decisions)))
    wanted = wanted if mode is None else wanted.where(c.mode == mode)
    wanted = wanted if instrument is None else wanted.where(c.instrument == instrument)
    wanted = wanted if timeframe is None else wanted.where(c.timeframe == timeframe)
    return _signals(tx, wanted)


def latest(tx: Tx, series: Series, mode: Mode | None = None) -> Signal | None:
    """The newest signal of a series."""
    wanted = _newest(series).limit(1)
    found = _signals(tx, wanted if mode is None else wanted.where(table.c.mode == mode))
    return found[0] if found else None


def moments(tx: Tx, series: Series, mode: Mode, since: UtcMs) -> frozenset[UtcMs]:
    """Closes of the candles that have a signal, from `since` on."""
    c = table.c
    wanted = _newest(series).with_only_columns(c.ts).where(c.mode == mode, c.ts >= since)
    return frozenset(tx.scalars(wanted))


def first_moment(tx: Tx, series: Series, mode: Mode) -> UtcMs | None:
    """Close of the oldest candle that has a signal."""
    c = table.c
    wanted = _newest(series).with_only_columns(c.ts).where(c.mode == mode).order_by(None).order_by(c.ts)
    found: UtcMs | None = tx.scalars(wanted.limit(1)).first()
    return found


def last_taken(tx: Tx, series: Series, mode: Mode, *, before: UtcMs | None = None) -> Signal | None:
    """The newest signal of a series that was LONG or SHORT, `before` a moment: cool-downs count from it."""
    c = table.c
    wanted = _newest(series).where(c.mode == mode, c.decision != Decision.NO_TRADE).limit(1)
    wanted = wanted if before is None else wanted.where(c.ts < before)
    found = _signals(tx, wanted)
    return found[0] if found else None


def unanswered(
    tx: Tx, mode: Mode, account: str, limit: int = 10_000, since: UtcMs | None = None
) -> list[Signal]:
    """LONG and SHORT signals that an account has no entry order for, not even a refused one; newest first.

    Without `since` (inclusive) it looks through every signal of the mode.
    """
    c, o = table.c, orders.table.c
    entry = (o.signal_id == c.signal_id) & (o.account == account) & (o.purpose == OrderPurpose.ENTRY)
    open_ones = (c.mode == mode) & (c.decision != Decision.NO_TRADE) & ~exists().where(entry)
    wanted = _newest(None).where(open_ones).limit(limit)
    return _signals(tx, wanted if since is None else wanted.where(c.ts >= since))


def count(
    tx: Tx,
    since: UtcMs,
    *,
    until: UtcMs | None = None,
    mode: Mode | None = None,
    series: Series | None = None,
) -> dict[Decision, int]:
    """How many of each decision with since <= ts < until; every decision has its number."""
    c = table.c
    wanted = select(c.decision, func.count()).where(c.ts >= since).group_by(c.decision)
    wanted = wanted if until is None else wanted.where(c.ts < until)
    wanted = wanted if mode is None else wanted.where(c.mode == mode)
    if series is not None:
        wanted = wanted.where(c.instrument == series.instrument, c.timeframe == series.timeframe)
    found = {row[0]: int(row[1]) for row in tx.execute(wanted).all()}
    return {decision: found.get(decision, 0) for decision in Decision}


def refused(before_ms: UtcMs) -> ColumnElement[bool]:
    """Signals before a moment that said no and that no order or position rests on."""
    c = table.c
    used = [exists().where(other.c.signal_id == c.signal_id) for other in (orders.table, positions.table)]
    return and_(c.ts < before_ms, c.decision == Decision.NO_TRADE, *(~one for one in used))


def refused_with_features(before_ms: UtcMs) -> ColumnElement[bool]:
    """Those of them that still have their features, which are most of a signal's size."""
    return refused(before_ms) & (table.c.features != WITHOUT_FEATURES["features"])


def _newest(series: Series | None) -> Select[Any]:
    c = table.c
    wanted: Select[Any] = select(table).order_by(c.ts.desc(), c.signal_id.desc())
    if series is None:
        return wanted
    return wanted.where(c.instrument == series.instrument, c.timeframe == series.timeframe)


def _signals(tx: Tx, wanted: Select[Any]) -> list[Signal]:
    return [_signal(row) for row in tx.execute(wanted).all()]


def _signal(row: Row[Any]) -> Signal:
    return Signal(
        **{name: getattr(row, name) for name in _OWN},
        series=Series(row.instrument, row.timeframe),
        forecast=outlook(row),
        features=_features(row.features),
        refusals=_refusals(row.refusals),
    )


def _features(stored: object) -> tuple[tuple[str, float], ...]:
    """Feature values to the bit; one that was missing is NaN again."""
    try:
        pairs = [(str(name), math.nan if value is None else float(value)) for name, value in stored]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as cause:
        raise unreadable("features", stored) from cause
    return tuple(pairs)


def _refusals(stored: object) -> tuple[Refusal, ...]:
    try:
        return tuple(Refusal(str(one["reason"]), str(one["detail"])) for one in stored)  # type: ignore[attr-defined]
    except (TypeError, KeyError) as cause:
        raise unreadable("refusals", stored) from cause
