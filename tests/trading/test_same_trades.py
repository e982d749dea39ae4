"""Backtest and paper engine make the same trades to the last digit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from sereno.core.candle import Candles
from sereno.core.mode import Mode
from sereno.core.money import money
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.signal import Decision, Regime
from sereno.signals.decide import decide
from sereno.signals.gates import data_gap, gaps_behind
from sereno.signals.words import Situation
from sereno.store.ledger import Ledger, equity, fills, positions
from sereno.store.ledger import signals as kept_signals
from sereno.trading.account import account_view
from sereno.trading.backtest import Trades, backtest, run
from sereno.trading.positions_job import Advanced, advance_account
from sereno.trading.risk import propose
from sereno.trading.rules import EXIT_REASONS, rulebook
from tests.trading.worlds import (
    BTC,
    GRID,
    HOURLY,
    Slices,
    coin_flips,
    furnish,
    keep_signals,
    new_ledger,
    opened,
    outlook,
    signal,
    walk,
)

TIGHT = RiskSettings(
    max_daily_loss_frac=0.011, max_weekly_loss_frac=0.02, losing_streak=2, losing_streak_pause_h=5
)
MILD = RiskSettings(
    max_daily_loss_frac=0.02, max_weekly_loss_frac=0.2, losing_streak=2, losing_streak_pause_h=8
)
WORLDS = {
    "plain": Slices(),
    "trailing": Slices(barriers=BarrierSettings(trailing_atr=1.2)),
    "limits": Slices(risk=TIGHT, barriers=BarrierSettings(trailing_atr=0.7, horizon_bars=7)),
    "far": Slices(
        barriers=BarrierSettings(target_atr=6.0, stop_atr=4.0, horizon_bars=40),
        costs=CostSettings(fee_bps=0.0, slippage_bps=0.0),
        risk=RiskSettings(max_daily_loss_frac=0.01, max_weekly_loss_frac=0.03, losing_streak=100),
        signals=SignalSettings(cooldown_bars=0),
    ),
}


def replayed(ledger: Ledger, candles: Candles, slices: Slices, *, runs: int = 3) -> list[Advanced]:
    """The paper engine over the candles, in several runs as the job would make."""
    stops = np.linspace(0, len(candles), runs + 1).astype(int)[1:]
    return [
        advance_account(
            ledger,
            lambda series, since, until: candles.between(since, until),
            int(candles.close_ms[stop - 1]),
            mode=Mode.SIM,
            series=(HOURLY,),
            **slices.words(),
        )
        for stop in stops
    ]


def assert_same(ledger: Ledger, trades: Trades, initial: Decimal) -> None:
    with ledger.read() as tx:
        trips = positions.recent(tx, Mode.SIM, "paper", 100_000, closed_only=True)
        executions = {f.order_id: f for f in fills.recent(tx, Mode.SIM, "paper", 100_000)}
        newest = equity.latest(tx, Mode.SIM, "paper")
        still_open = positions.open(tx, Mode.SIM, "paper")
    trips.sort(key=lambda p: p.entry_ms)
    balance = initial
    assert len(trips) == len(trades)
    for k, trip in enumerate(trips):
        balance += trip.pnl_quote
        assert (trip.entry_ms, trip.exit_ms, trip.bars_held, trip.side.sign) == (
            trades.entry_ms[k],
            trades.exit_ms[k],
            trades.bars_held[k],
            trades.sign[k],
        )
        assert trip.exit_reason is EXIT_REASONS[int(trades.reason[k])]
        assert trip.entry_price == money(float(trades.entry_price[k]))
        assert trip.exit_price == money(float(trades.exit_price[k]))
        assert trip.quantity_base == int(trades.lots[k]) * GRID.quantity_step
        assert trip.initial_stop == money(float(trades.initial_stop[k]))
        assert trip.target == money(float(trades.target[k]))
        assert trip.fees_quote == money(float(trades.entry_fee[k])) + money(float(trades.exit_fee[k]))
        assert trip.pnl_quote == money(float(trades.pnl[k]))
        assert float(balance) == trades.balance[k]
    assert newest is not None
    assert newest.balance_quote == balance - sum(p.fees_quote for p in still_open)
    assert len(executions) == 2 * len(trips) + len(still_open)


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("seed", range(3))
def test_r11_paper_repeats_the_backtest_to_the_last_digit(tmp_path: Path, name: str, seed: int) -> None:
    slices = WORLDS[name]
    candles = walk(seed, 150)
    side, atr = coin_flips(seed, candles)
    book = rulebook(HOURLY.timeframe, GRID, **slices.words())
    trades, counts = run(candles, side, atr, book, initial_equity=10_000.0)
    ledger = new_ledger(tmp_path)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr, barriers=slices.barriers)
    replayed(ledger, candles, slices)
    assert len(trades) >= 3
    if name == "limits":
        assert counts["paused"] > 0
    assert_same(ledger, trades, Decimal(10_000))
    ledger.close()


def test_the_same_on_real_candles(tmp_path: Path, shared_data: Path) -> None:
    import polars as pl

    file = shared_data / "ohlcv" / "BINANCE_PERP_BTCUSDT_1h.parquet"
    if not file.exists():
        pytest.skip("no hourly BTC perpetual candles")
    columns = pl.read_parquet(file).tail(150)
    stamps, prices = columns["timestamp"].to_numpy(), columns["open", "high", "low", "close", "volume"]
    candles = Candles(
        HOURLY.timeframe, stamps.astype(np.int64), *(np.ascontiguousarray(c.to_numpy()) for c in prices)
    )
    slices = Slices(barriers=BarrierSettings(trailing_atr=2.0))
    side, _ = coin_flips(3, candles)
    reach = candles.high - candles.low
    atr = np.convolve(reach, np.full(14, 1 / 14))[: len(reach)]
    trades, _ = run(
        candles, side, atr, rulebook(HOURLY.timeframe, GRID, **slices.words()), initial_equity=10_000.0
    )
    ledger = new_ledger(tmp_path)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr, barriers=slices.barriers)
    replayed(ledger, candles, slices)
    assert len(trades) > 5
    assert_same(ledger, trades, Decimal(10_000))
    ledger.close()


def test_trap_a12_15_the_whole_chain_decides_and_trades_like_the_backtest(tmp_path: Path) -> None:
    """Candle by candle as live: advance, ask the gate, decide with cool-down, keep; against `backtest`."""
    slices = Slices(signals=SignalSettings(cooldown_bars=3, gap_rest_bars=5), risk=MILD)
    candles = walk(11, 130)
    frame, forecasts = outlook(11, candles)
    result = backtest(candles, frame, forecasts, series=HOURLY, rules=GRID, **slices.words())
    ledger = new_ledger(tmp_path)
    opened(ledger, now=int(candles.open_ms[0]))
    book = rulebook(HOURLY.timeframe, GRID, **slices.words())
    last_taken = None
    for i in range(len(candles)):
        ts, atr, close = int(candles.close_ms[i]), float(frame.atr[i]), float(candles.close[i])
        advance_account(
            ledger,
            lambda series, since, until: candles.between(since, until),
            ts,
            mode=Mode.SIM,
            series=(HOURLY,),
            **slices.words(),
        )
        view = account_view(ledger, mode=Mode.SIM)
        gate = propose(view, BTC, close=close, atr=atr, at=ts, grid=GRID, book=book, max_open_positions=3)
        seen = candles.open_ms[: i + 1]
        found = gaps_behind(seen, HOURLY.timeframe, lookback_bars=200)
        gap = data_gap(seen, found, found, HOURLY.timeframe, rest_bars=slices.signals.gap_rest_bars)
        gate = gap or gate
        verdict = decide(
            forecasts.row(i),
            Regime.TREND,
            atr,
            close,
            signals=slices.signals,
            barriers=slices.barriers,
            costs=slices.costs,
            situation=Situation(BTC.market, HOURLY.timeframe, ts, ts, last_taken, gate),
        )
        if verdict.decision is not Decision.NO_TRADE:
            last_taken = ts
            with ledger.begin() as tx:
                kept_signals.save(tx, signal(ts, verdict.decision.sign, close, atr))
    assert len(result.trades) > 5
    assert result.refused["cooldown"] > 0
    assert result.refused["paused"] > 0
    assert result.refused["data_gap"] > 0
    assert_same(ledger, result.trades, Decimal(10_000))
    with ledger.read() as tx:
        points = {p.ts: float(p.equity_quote) for p in equity.series(tx, Mode.SIM, "paper")}
    until = int(result.trades.exit_ms[-1])
    marked = {int(ts): value for ts, value in zip(result.ts, result.equity, strict=True) if ts <= until}
    assert all(points[ts] == pytest.approx(value, abs=1e-6) for ts, value in marked.items())
    ledger.close()


def test_the_same_in_either_database(ledger: Ledger) -> None:
    slices = WORLDS["limits"]
    candles = walk(5, 90)
    side, atr = coin_flips(5, candles)
    book = rulebook(HOURLY.timeframe, GRID, **slices.words())
    trades, _ = run(candles, side, atr, book, initial_equity=10_000.0)
    furnish(ledger)
    opened(ledger, now=int(candles.open_ms[0]))
    keep_signals(ledger, candles, side, atr, barriers=slices.barriers)
    replayed(ledger, candles, slices)
    assert len(trades) >= 3
    assert_same(ledger, trades, Decimal(10_000))
