"""Generated candles, signals and accounts for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from sereno.core.candle import Candles
from sereno.core.forecast import Forecast
from sereno.core.instrument import Instrument, InstrumentRules, Market, Series
from sereno.core.mode import Mode
from sereno.core.money import money, round_money
from sereno.core.order import ExitReason, Position, Side, Terms
from sereno.core.position_rules import distance
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.signal import Decision, Regime, Signal
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.models.contract import Forecasts
from sereno.signals.make import signal_id_of
from sereno.store.ledger import Ledger, instruments, open_ledger
from sereno.store.ledger import signals as kept_signals
from sereno.trading.account import open_account

BTC = Instrument("binance", Market.LINEAR, "BTC", "USDT")
ETH = Instrument("binance", Market.LINEAR, "ETH", "USDT")
HOURLY = Series(BTC, Timeframe.H1)
GRID = InstrumentRules(Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal(5))
START = 1_700_006_400_000 // HOUR_MS * HOUR_MS


@dataclass(frozen=True, slots=True)
class Slices:
    """The settings that bind an account."""

    barriers: BarrierSettings = field(default_factory=BarrierSettings)
    costs: CostSettings = field(default_factory=CostSettings)
    risk: RiskSettings = field(default_factory=RiskSettings)
    signals: SignalSettings = field(default_factory=lambda: SignalSettings(cooldown_bars=0))

    def words(self) -> dict[str, Any]:
        return {
            "barriers": self.barriers,
            "costs": self.costs,
            "risk": self.risk,
            "signals": self.signals,
        }


def walk(seed: int, bars: int, *, gaps: bool = True, price: float = 30_000.0, step: float = 0.006) -> Candles:
    """A random walk of hourly candles with opening gaps and, if wanted, missing candles."""
    chance = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(chance.normal(0.0, step, bars)))
    open_ = np.concatenate([[price], close[:-1]]) * (1.0 + chance.normal(0.0, step / 4, bars))
    spread = np.abs(chance.normal(0.0, step / 2, (2, bars)))
    high = np.maximum(open_, close) * (1.0 + spread[0])
    low = np.minimum(open_, close) * (1.0 - spread[1])
    stamps = START + HOUR_MS * np.arange(bars, dtype=np.int64)
    whole = Candles(Timeframe.H1, stamps, open_, high, low, close, np.ones(bars))
    if not gaps:
        return whole
    kept = chance.random(bars) > 0.01
    columns = (getattr(whole, name)[kept] for name in ("open_ms", "open", "high", "low", "close", "volume"))
    return Candles(Timeframe.H1, *columns)


def coin_flips(seed: int, candles: Candles, *, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """(side, atr): a decision on `share` of the bars, both sides."""
    chance = np.random.default_rng(seed + 1000)
    n = len(candles)
    side = np.where(chance.random(n) < share, np.where(chance.random(n) < 0.5, 1, -1), 0).astype(np.int8)
    return side, candles.close * chance.uniform(0.004, 0.02, n)


@dataclass(frozen=True, slots=True, eq=False)
class PlainFrame:
    """What the decision reads of a feature frame."""

    timeframe: Timeframe
    names: tuple[str, ...]
    ts: np.ndarray
    values: np.ndarray
    atr: np.ndarray
    close: np.ndarray


def outlook(seed: int, candles: Candles) -> tuple[PlainFrame, Forecasts]:
    """A frame in regime TREND and forecasts that sometimes clear the floors on either side."""
    chance = np.random.default_rng(seed + 2000)
    n = len(candles)
    values = np.column_stack([np.full(n, 30.0), np.ones(n)])
    atr = candles.close * chance.uniform(0.008, 0.02, n)
    frame = PlainFrame(
        candles.timeframe, ("adx_14", "atr_ratio_200"), candles.close_ms, values, atr, candles.close
    )
    up = chance.uniform(0.1, 0.7, n)
    zero = np.zeros(n)
    down = np.maximum(0.0, 0.8 - up)
    forecasts = Forecasts(
        candles.close_ms,
        up,
        down,
        0.02 * (up - down),
        zero - 0.01,
        zero,
        zero + 0.01,
        zero + 0.3,
        20,
        "trend=t,return=r,risk=k",
    )
    return frame, forecasts


def forecast(ts: int, **other: object) -> Forecast:
    words: dict[str, object] = {
        "ts": ts,
        "horizon_bars": 20,
        "prob_up": 0.6,
        "prob_down": 0.3,
        "expected_return": 0.004,
        "p10": -0.01,
        "p50": 0.003,
        "p90": 0.02,
        "risk_score": 0.3,
        "model_version": "trend=t,return=r,risk=k",
    }
    words |= other
    if "expected_return" not in other and words["prob_down"] > words["prob_up"]:  # type: ignore[operator]
        words["expected_return"] = -0.004
    return Forecast(**words)  # type: ignore[arg-type]


def signal(
    ts: int,
    sign: int,
    close: float,
    atr: float,
    *,
    series: Series = HOURLY,
    barriers: BarrierSettings | None = None,
    mode: Mode = Mode.SIM,
) -> Signal:
    """A taken signal, as `decide` and `make_signal` would make it."""
    barriers = barriers or BarrierSettings()
    entry = round_money(close)
    decision = Decision.LONG if sign > 0 else Decision.SHORT
    return Signal(
        signal_id=signal_id_of(mode, series, ts),
        mode=mode,
        series=series,
        ts=ts,
        forecast=forecast(ts),
        decision=decision,
        side=decision,
        confidence=0.6,
        reason="taken",
        reason_detail="taken: expected utility 0.00100 of the entry after costs",
        regime=Regime.TREND,
        regime_reason="ADX 30.0 is at or above 25",
        entry=money(entry),
        stop=money(round_money(entry - sign * distance(atr, barriers.stop_atr))),
        target=money(round_money(entry + sign * distance(atr, barriers.target_atr))),
        atr=atr,
        position_size=Decimal("0.01"),
        risk_allowed=True,
        git_commit="0" * 40,
        data_digest="d" * 64,
        settings_digest="s" * 64,
        feature_first_ms=START,
        feature_primed_ms=START,
        features=(("adx_14", 30.0),),
    )


def refused(taken: Signal, reason: str = "prob_below_min") -> Signal:
    """The same signal, refused."""
    return replace(
        taken,
        decision=Decision.NO_TRADE,
        reason=reason,
        reason_detail=f"{reason}: probability 0.3000 is below 0.4200",
        stop=None,
        target=None,
        position_size=Decimal(0),
    )


def new_ledger(folder: Path, *, instruments_known: tuple[Instrument, ...] = (BTC, ETH)) -> Ledger:
    """A SQLite ledger that knows the instruments' rules."""
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite3'}")
    furnish(ledger, instruments_known)
    return ledger


def furnish(ledger: Ledger, known: tuple[Instrument, ...] = (BTC, ETH)) -> None:
    """Tell a ledger the instruments' rules."""
    with ledger.begin() as tx:
        for instrument in known:
            instruments.save(tx, instrument, GRID, START)


def opened(ledger: Ledger, *, equity: Decimal = Decimal(10_000), now: int = START) -> None:
    assert open_account(ledger, mode=Mode.SIM, initial_equity_quote=equity, now=now)


def keep_signals(
    ledger: Ledger, candles: Candles, side: np.ndarray, atr: np.ndarray, **words: object
) -> None:
    """One taken signal per decision."""
    with ledger.begin() as tx:
        for i in np.flatnonzero(side).tolist():
            made = signal(
                int(candles.close_ms[i]), int(side[i]), float(candles.close[i]), float(atr[i]), **words
            )  # type: ignore[arg-type]
            kept_signals.save(tx, made)


def position(**other: Any) -> Position:
    """A long that is open since START."""
    fresh = Position(
        position_id="pos_1",
        mode=Mode.SIM,
        account="paper",
        series=HOURLY,
        side=Side.LONG,
        quantity_base=Decimal(1),
        entry_ms=START,
        entry_price=Decimal(100),
        initial_stop=Decimal(99),
        stop=Decimal(99),
        target=Decimal(102),
        bars_held=1,
        best_price=Decimal(100),
        checked_ms=START + HOUR_MS,
        signal_id="sig_1",
        fees_quote=Decimal("0.1"),
        terms=Terms(horizon_bars=20, trail_quote=Decimal(0)),
    )
    return replace(fresh, **other)


def closed(pnl: str, *, hours: int = 1, series: Series = HOURLY, number: int = 1) -> Position:
    """A round trip that ended `hours` after START."""
    return position(
        position_id=f"pos_{number}",
        series=series,
        exit_ms=START + hours * HOUR_MS,
        exit_price=Decimal(101),
        exit_reason=ExitReason.TIME,
        pnl_quote=Decimal(pnl),
    )
