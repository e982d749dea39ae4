"""What the models said, candle by candle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, Column, ColumnElement, Index, Row, Table, Text, TypedColumns, select

from sereno.core.errors import SkipThis
from sereno.core.forecast import Forecast
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store.ledger.columns import Thing, Tx, Word, metadata, one_of, real, unreadable, whole
from sereno.store.ledger.rows import add_once


@dataclass(frozen=True, slots=True)
class StoredForecast:
    """A forecast with its id, its series and its mode."""

    forecast_id: str
    series: Series
    mode: Mode
    forecast: Forecast


class OutlookColumns(TypedColumns):
    """The numbers of a forecast; `signals` keeps them too, so that one row tells its whole story."""

    ts = Column(whole, nullable=False)
    horizon_bars = Column(whole, nullable=False)
    prob_up = Column(real, nullable=False)
    prob_down = Column(real, nullable=False)
    expected_return = Column(real, nullable=False)
    p10 = Column(real, nullable=False)
    p50 = Column(real, nullable=False)
    p90 = Column(real, nullable=False)
    risk_score = Column(real, nullable=False)
    model_version = Column(Text, nullable=False)


class ForecastColumns(OutlookColumns):
    """One row a forecast."""

    forecast_id = Column(Text, primary_key=True)
    mode: Column[Mode] = Column(Word(Mode), nullable=False)
    instrument = Column(Thing, nullable=False)
    timeframe: Column[Timeframe] = Column(Word(Timeframe), nullable=False)


def outlook_rules() -> tuple[CheckConstraint, ...]:
    """What holds for the numbers of every forecast."""
    return (
        CheckConstraint("prob_up BETWEEN 0 AND 1", name="prob_up_range"),
        CheckConstraint("prob_down BETWEEN 0 AND 1", name="prob_down_range"),
        CheckConstraint("risk_score BETWEEN 0 AND 1", name="risk_score_range"),
        CheckConstraint("p10 <= p50 AND p50 <= p90", name="quantiles_ordered"),
    )


table = Table(
    "forecasts",
    metadata,
    ForecastColumns,
    one_of("mode", Mode),
    one_of("timeframe", Timeframe),
    *outlook_rules(),
    Index("forecasts_by_series", "mode", "instrument", "timeframe", "ts"),
    sqlite_strict=True,
)


def save(tx: Tx, forecast_id: str, series: Series, mode: Mode, forecast: Forecast) -> bool:
    """Keep a forecast; False when its id is there already."""
    values = {"forecast_id": forecast_id, "mode": mode, **series_values(series), **outlook_values(forecast)}
    return add_once(tx, table, values)


def get(tx: Tx, forecast_id: str) -> StoredForecast | None:
    """One forecast by id."""
    row = tx.execute(select(table).where(table.c.forecast_id == forecast_id)).one_or_none()
    return None if row is None else _stored(row)


def recent(
    tx: Tx, series: Series | None = None, limit: int = 50, *, mode: Mode | None = None
) -> list[StoredForecast]:
    """The newest first."""
    c = table.c
    wanted = select(table).order_by(c.ts.desc(), c.forecast_id.desc()).limit(limit)
    wanted = wanted if mode is None else wanted.where(c.mode == mode)
    if series is not None:
        wanted = wanted.where(c.instrument == series.instrument, c.timeframe == series.timeframe)
    return [_stored(row) for row in tx.execute(wanted).all()]


def old(before_ms: UtcMs) -> ColumnElement[bool]:
    """Forecasts older than a moment. Signals keep their own copy of the numbers."""
    return table.c.ts < before_ms


def series_values(series: Series) -> dict[str, Any]:
    """A series as its two columns."""
    return {"instrument": series.instrument, "timeframe": series.timeframe}


def outlook_values(forecast: Forecast) -> dict[str, Any]:
    """A forecast as its columns."""
    return {name: getattr(forecast, name) for name in Forecast.__slots__}


def outlook(row: Row[Any]) -> Forecast:
    """The forecast in a row that has its columns. Raises StopTrading when it is not a valid one."""
    try:
        return Forecast(**{name: getattr(row, name) for name in Forecast.__slots__})
    except SkipThis as cause:
        raise unreadable("forecast", cause) from cause


def _stored(row: Row[Any]) -> StoredForecast:
    return StoredForecast(row.forecast_id, Series(row.instrument, row.timeframe), row.mode, outlook(row))
