"""A desk whose ledger and lake hold a little of everything; made of the real parts."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

from sereno.core.candle import Candle, Candles
from sereno.core.clock import FixedClock
from sereno.core.forecast import Forecast
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.order import EquityPoint, ExitReason, Position, Side
from sereno.core.settings import Settings
from sereno.core.signal import Decision, Regime, Signal
from sereno.core.timeframe import HOUR_MS, Timeframe, from_iso
from sereno.ops.app import Desk
from sereno.ops.jobs import SIGNAL_ROUND
from sereno.ops.lease import Lease, lease_name
from sereno.signals.make import signal_id_of
from sereno.store.ledger import equity, model_versions, positions, risk_state, runs, signals
from sereno.store.ledger.runs import JobRun, RunStatus
from sereno.trading.risk_limits import opened_state

NOW_MS = from_iso("2024-06-01T12:00:30Z")
HOURS = 60


def settings_for(folder: Path, **changes: object) -> Settings:
    """Mode paper in a folder of its own: no simulator is needed for a clock."""
    return Settings.model_validate({"state_dir": folder, "mode": "paper", **changes})


def candles(hours: int = HOURS) -> Candles:
    """Hourly candles that end before `NOW_MS`."""
    first = Timeframe.H1.floor(NOW_MS) - hours * HOUR_MS
    rows = []
    for i in range(hours):
        close = 100 + 3 * math.sin(i / 5)
        rows.append(Candle(first + i * HOUR_MS, close, close + 1, close - 1, close, 5.0))
    return Candles.of(Timeframe.H1, rows)


def signal_of(series: Series, ts: int, decision: Decision, *, mode: Mode = Mode.PAPER) -> Signal:
    """A signal with every field set."""
    taken = decision is not Decision.NO_TRADE
    forecast = Forecast(ts, 20, 0.5, 0.3, 0.001, -0.01, 0.001, 0.02, 0.4, "trend=a,return=b,risk=c")
    return Signal(
        signal_id=signal_id_of(mode, series, ts),
        mode=mode,
        series=series,
        ts=ts,
        forecast=forecast,
        decision=decision,
        side=decision if taken else None,
        confidence=0.5 if taken else None,
        reason="taken" if taken else "no_edge",
        reason_detail="taken: x" if taken else "no_edge: y",
        regime=Regime.RANGE,
        regime_reason="ADX is low",
        entry=Decimal("100.00000000"),
        stop=Decimal("99") if taken else None,
        target=Decimal("102") if taken else None,
        atr=1.0,
        position_size=Decimal("1.5") if taken else Decimal(0),
        risk_allowed=True,
        git_commit="abc",
        data_digest="d" * 64,
        settings_digest="s" * 64,
        feature_first_ms=ts - 100 * HOUR_MS,
        feature_primed_ms=ts - HOUR_MS,
        features=(("rsi_14", 55.0),),
    )


def seeded_desk(folder: Path, *, daemons: bool = True, **changes: object) -> Desk:
    """Candles, runs, signals, a closed and an open position, equity, a model; daemons that live here."""
    desk = Desk(settings_for(folder, **changes), clock=FixedClock(NOW_MS))
    for series in desk.series:
        desk.lake.append(series, candles(), source="test", mode=desk.mode, now=NOW_MS)
    series = desk.series[0]
    with desk.ledger.begin() as tx:
        for i, job in enumerate(("collector", "features", "train", SIGNAL_ROUND, "positions", "anomaly")):
            _run(tx, job, NOW_MS - 60_000 * (8 - i), RunStatus.SUCCESS)
        _run(tx, "walkforward", NOW_MS - 5 * HOUR_MS, RunStatus.ERROR)
        for hour in range(12):
            decision = (Decision.NO_TRADE, Decision.LONG, Decision.SHORT)[hour % 3]
            signals.save(tx, signal_of(series, Timeframe.H1.floor(NOW_MS) - hour * HOUR_MS, decision))
        newer, older = signals.recent(tx, series, 2, decisions=(Decision.LONG,))
        positions.save(tx, _position(series, older.signal_id, "p1", closed=True))
        positions.save(tx, _position(series, newer.signal_id, "p2", closed=False))
        for hour in range(24, -1, -1):
            value = Decimal(10_000) + hour
            equity.add(tx, EquityPoint(NOW_MS - hour * HOUR_MS, desk.mode, "paper", value, Decimal("-1.25")))
        risk_state.save(tx, opened_state(desk.mode, desk.account, Decimal(10_000), NOW_MS), 0)
        model_versions.save(
            tx,
            model_versions.ModelVersion(
                "20240601T000000Z-0123abcd", "trend", series.key, NOW_MS, True, None, {"auc": 0.5}, "f" * 64
            ),
        )
    if daemons:
        for name in ("signals", "dashboard"):
            assert Lease(desk.ledger, lease_name(desk.mode, name), ttl_s=3600).take()
    return desk


def _run(tx: object, job: str, started_ms: int, status: RunStatus) -> None:
    run_id = f"{job}-{started_ms}"
    runs.start(
        tx,  # type: ignore[arg-type]
        JobRun(run_id, job, Mode.PAPER, "h", 1, started_ms, None, RunStatus.RUNNING, None, None, {}),
    )
    details = {"duration_s": 1.5, "wall_ms": started_ms + 1500, "ok": 4, "failed": 0}
    error = None if status is RunStatus.SUCCESS else "it broke"
    runs.finish(tx, run_id, status, started_ms + 1500, rows=3, error=error, details=details)  # type: ignore[arg-type]


def _position(series: Series, signal_id: str, position_id: str, *, closed: bool) -> Position:
    entry_ms = NOW_MS - 8 * HOUR_MS
    return Position(
        position_id=position_id,
        mode=Mode.PAPER,
        account="paper",
        series=series,
        side=Side.LONG,
        quantity_base=Decimal("0.5"),
        entry_ms=entry_ms,
        entry_price=Decimal("100.1"),
        initial_stop=Decimal("99"),
        stop=Decimal("99"),
        target=Decimal("102"),
        bars_held=3,
        best_price=Decimal("101"),
        checked_ms=NOW_MS - HOUR_MS,
        signal_id=signal_id,
        fees_quote=Decimal("0.1"),
        exit_ms=NOW_MS - 2 * HOUR_MS if closed else None,
        exit_price=Decimal("99") if closed else None,
        exit_reason=ExitReason.STOP if closed else None,
        pnl_quote=Decimal("-0.65") if closed else None,
    )
