"""What the API answers with. Moments are ISO 8601 with Z; money is text, to the last digit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict

from sereno.core.order import EquityPoint, Position
from sereno.core.timeframe import UtcMs, iso
from sereno.ops.facts import JobState
from sereno.ops.jobs import Daemon
from sereno.store.ledger.model_versions import ModelVersion
from sereno.store.ledger.runs import JobRun
from sereno.store.pointer import Pointer


class Shape(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True)


def moment(at: UtcMs | None) -> str | None:
    """ISO text of a moment that may be missing."""
    return None if at is None else iso(at)


def amount(value: Decimal | None) -> str | None:
    """Text of an amount that may be missing."""
    return None if value is None else format(value, "f")


class ErrorShape(Shape):
    """What went wrong and what to do."""

    error: str
    remedy: str = ""


class HealthShape(Shape):
    """`status` is ok or failing; `reasons` tells what fails, `notes` what is no failure but good to know.

    `world_ended` is the moment at which a simulated world's candles ended, null while it goes on.
    """

    status: str
    mode: str
    desk_time: str | None
    reasons: list[str]
    checks: dict[str, bool]
    world_ended: str | None
    notes: list[str]


class RunShape(Shape):
    """One run of a job."""

    run_id: str
    job: str
    mode: str
    status: str
    started: str
    ended: str | None
    rows: int | None
    error: str | None
    details: dict[str, object]

    @classmethod
    def of(cls, run: JobRun) -> Self:
        """From the record."""
        return cls(
            run_id=run.run_id,
            job=run.job,
            mode=run.mode,
            status=run.status,
            started=iso(run.started_ms),
            ended=moment(run.ended_ms),
            rows=run.rows,
            error=run.error,
            details=plain(run.details),
        )


class LastRunShape(Shape):
    """The newest runs along the path of the data; nothing runs on after `world_ended`."""

    world_ended: str | None
    ingestion: RunShape | None
    features: RunShape | None
    training: RunShape | None
    signals: RunShape | None
    positions: RunShape | None
    failed: list[RunShape]


class JobShape(Shape):
    """A row of the table of jobs."""

    name: str
    summary: str
    when: str
    daemon: bool
    timeout_s: int
    alive: bool | None
    next_firing: str | None
    last: RunShape | None

    @classmethod
    def of(cls, state: JobState, now: UtcMs | None, zone: str) -> Self:
        """From the row and its newest run; `now` None when the desk's clock is not to be had."""
        job = state.job
        daemon = isinstance(job.when, Daemon)
        due = None if daemon or now is None else job.schedule.next_after(now, zone)
        return cls(
            name=job.name,
            summary=job.summary,
            when=job.when.words,
            daemon=daemon,
            timeout_s=job.timeout_s,
            alive=state.alive,
            next_firing=moment(due),
            last=RunShape.of(state.last) if state.last else None,
        )


class CandleShape(Shape):
    """One closed candle."""

    open_time: str
    open: float
    high: float
    low: float
    close: float
    volume: float


class CandlesShape(Shape):
    """Closed candles of a series, oldest first."""

    symbol: str
    timeframe: str
    candles: list[CandleShape]


class SignalsShape(Shape):
    """Signals, newest first, with the fields of signal.json."""

    signals: list[dict[str, object]]


class PositionShape(Shape):
    """One round trip; the `exit_*` fields are null while it is open."""

    position_id: str
    mode: str
    account: str
    symbol: str
    timeframe: str
    side: str
    quantity_base: str
    entry_time: str
    entry_price: str
    stop: str
    target: str
    bars_held: int
    signal_id: str
    fees_quote: str
    exit_time: str | None
    exit_price: str | None
    exit_reason: str | None
    pnl_quote: str | None

    @classmethod
    def of(cls, position: Position) -> Self:
        """From the ledger's value."""
        return cls(
            position_id=position.position_id,
            mode=position.mode,
            account=position.account,
            symbol=position.series.instrument.symbol,
            timeframe=position.series.timeframe,
            side=position.side,
            quantity_base=format(position.quantity_base, "f"),
            entry_time=iso(position.entry_ms),
            entry_price=format(position.entry_price, "f"),
            stop=format(position.stop, "f"),
            target=format(position.target, "f"),
            bars_held=position.bars_held,
            signal_id=position.signal_id,
            fees_quote=format(position.fees_quote, "f"),
            exit_time=moment(position.exit_ms),
            exit_price=amount(position.exit_price),
            exit_reason=position.exit_reason,
            pnl_quote=amount(position.pnl_quote),
        )


class PositionsShape(Shape):
    """Positions, newest first."""

    positions: list[PositionShape]


class EquityPointShape(Shape):
    """Account value at a moment."""

    time: str
    balance_quote: str
    unrealised_quote: str
    equity_quote: str

    @classmethod
    def of(cls, point: EquityPoint) -> Self:
        """From the ledger's value."""
        return cls(
            time=iso(point.ts),
            balance_quote=format(point.balance_quote, "f"),
            unrealised_quote=format(point.unrealised_quote, "f"),
            equity_quote=format(point.equity_quote, "f"),
        )


class EquityShape(Shape):
    """The curve, oldest first."""

    account: str
    points: list[EquityPointShape]


class PinShape(Shape):
    """A person's choice that later trainings leave alone; `why` may be empty."""

    by: str
    since: str
    why: str


class ModelShape(Shape):
    """One model version; `refused_reason` tells why it may not be served, `pinned` who holds it."""

    version: str
    role: str
    series: str
    created: str
    serving: bool
    pinned: PinShape | None
    refused_reason: str | None
    metrics: dict[str, object]

    @classmethod
    def of(cls, model: ModelVersion, pointer: Pointer | None) -> Self:
        """From the ledger's line, and the registry's word about what serves where it has one."""
        served = None if pointer is None else pointer.versions.get(model.role)
        serving = model.serving if served is None else served == model.version
        pin = pointer.pins.get(model.role) if pointer is not None and serving else None
        return cls(
            version=model.version,
            role=model.role,
            series=model.series_key,
            created=iso(model.created_ms),
            serving=serving,
            pinned=None if pin is None else PinShape(by=pin.by, since=iso(pin.at_ms), why=pin.why),
            refused_reason=model.refused_reason,
            metrics=plain(model.metrics),
        )


class ModelsShape(Shape):
    """Versions, newest first."""

    models: list[ModelShape]


def plain(values: Mapping[str, object]) -> dict[str, object]:
    """JSON-able copy; numbers that are not finite become null."""
    return {str(key): _plain(value) for key, value in values.items()}


def _plain(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return plain(value)
        case list() | tuple():
            return [_plain(item) for item in value]
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
