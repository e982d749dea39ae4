"""The backtest around the kernel, and its report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sereno.core.candle import Candles
from sereno.core.settings.sections import CostSettings, RiskSettings, SignalSettings
from sereno.core.timeframe import HOUR_MS
from sereno.trading.backtest import BacktestResult, backtest, run
from sereno.trading.backtest_report import summary_rows, write_backtest_report
from sereno.trading.rules import rulebook
from tests.trading.worlds import GRID, HOURLY, Slices, coin_flips, outlook, walk


def result(seed: int = 3, bars: int = 400, **other: object) -> BacktestResult:
    candles = walk(seed, bars)
    frame, forecasts = outlook(seed, candles)
    words = Slices().words() | other
    return backtest(candles, frame, forecasts, series=HOURLY, rules=GRID, **words)


def test_equity_ends_where_the_trades_do() -> None:
    done = result()
    assert len(done.trades) > 10
    assert done.equity[-1] == done.trades.balance[-1]
    assert done.figures.net_quote == pytest.approx(done.trades.balance[-1] - 10_000.0)


def test_only_bars_with_a_forecast_are_traded() -> None:
    candles = walk(3, 400)
    frame, forecasts = outlook(3, candles)
    since = int(candles.close_ms[300])
    done = backtest(candles, frame, forecasts.between(since), series=HOURLY, rules=GRID, **Slices().words())
    assert done.first_ms == since - HOUR_MS
    assert (done.trades.entry_ms >= since).all()


def test_no_forecast_no_trade() -> None:
    candles = walk(3, 50)
    frame, forecasts = outlook(3, candles)
    done = backtest(candles, frame, forecasts.between(0, 1), series=HOURLY, rules=GRID, **Slices().words())
    assert len(done.trades) == 0
    assert done.figures.win_rate is None


def test_trap_e4_3_costs_and_cooldown_have_an_effect() -> None:
    usual = result()
    assert (
        result(costs=CostSettings(fee_bps=0.0, slippage_bps=0.0)).figures.net_quote != usual.figures.net_quote
    )
    assert len(result(signals=SignalSettings(cooldown_bars=30)).trades) < len(usual.trades)


def test_the_future_of_the_last_bar_changes_no_trade() -> None:
    """Cutting the candles anywhere leaves every trade that was closed by then."""
    candles = walk(8, 200)
    side, atr = coin_flips(8, candles)
    book = rulebook(HOURLY.timeframe, GRID, **Slices().words())
    whole, _ = run(candles, side, atr, book, initial_equity=10_000.0)
    for cut in (1, 2, 77, 150):
        part, _ = run(candles.slice(0, cut), side[:cut], atr[:cut], book, initial_equity=10_000.0)
        n = len(part)
        assert np.array_equal(part.pnl, whole.pnl[:n])
        assert (whole.exit_ms[n:] > int(candles.close_ms[cut - 1])).all()


def test_no_candles_and_columns_that_do_not_match() -> None:
    book = rulebook(HOURLY.timeframe, GRID, **Slices().words())
    nothing = Candles.empty(HOURLY.timeframe)
    trades, _ = run(nothing, np.zeros(0, dtype=np.int8), np.zeros(0), book, initial_equity=1.0)
    assert len(trades) == 0
    with pytest.raises(ValueError, match="do not match"):
        run(walk(1, 5), np.zeros(4, dtype=np.int8), np.zeros(5), book, initial_equity=1.0)


def test_the_report_is_one_page_with_its_json_beside_it(tmp_path: Path) -> None:
    page, data = write_backtest_report(
        tmp_path / "b.html",
        [result(), result(seed=4)],
        title="Walk & forward",
        notes=["a <note>"],
        folds=[{"what": "fold <1>"}],
    )
    text = page.read_text()
    assert "not the path of the desk" in text
    assert "<h1>Walk &amp; forward</h1>" in text
    assert "<h2>Folds</h2>" in text
    assert "fold &lt;1&gt;" in text
    assert text.count("data:image/png;base64,") == 2
    assert "fold 2" in text
    assert "a &lt;note&gt;" in text
    assert "http" not in text, "the page needs nothing from outside"
    facts = json.loads(data.read_text())
    assert [len(r["trades"]) for r in facts["results"]] == [r["figures"]["trades"] for r in facts["results"]]
    assert not list(tmp_path.glob(".*"))


def test_an_empty_result_makes_a_report_too(tmp_path: Path) -> None:
    nothing = result(bars=30, signals=SignalSettings(prob_min=1.0))
    write_backtest_report(tmp_path / "b.html", [nothing])
    assert summary_rows([nothing])[0]["win rate"] == "-"


def test_without_a_trade_the_report_says_why_instead_of_drawing_nothing(tmp_path: Path) -> None:
    nothing = result(bars=200, signals=SignalSettings(prob_min=1.0))
    assert len(nothing.trades) == 0
    page, data = write_backtest_report(tmp_path / "b.html", [nothing])
    text = page.read_text()
    assert "<img" not in text
    assert "Equity and drawdown" not in text
    assert f"prob_below_min {nothing.refused['prob_below_min']}" in text
    assert nothing.nearest is not None
    assert "is below" in nothing.nearest.detail
    assert nothing.nearest.detail in text
    (told,) = json.loads(data.read_text())["results"]
    assert told["nearest_miss"]["detail"] == nothing.nearest.detail


def test_only_what_was_traded_is_drawn_and_the_rest_is_told(tmp_path: Path) -> None:
    page, _ = write_backtest_report(
        tmp_path / "b.html", [result(), result(seed=4, signals=SignalSettings(prob_min=1.0))]
    )
    text = page.read_text()
    assert text.count("<img") == 2
    assert "fold 2: no trade." in text
    assert "fold 1: no trade." not in text


def test_in_the_kernel_too_a_streak_never_shortens_a_longer_pause() -> None:
    """The weekly limit falls while the position is open; the stop that fills the streak comes later."""
    rows = np.array(
        [(100.0, 100.0, 100.0, 100.0), (100.0, 100.1, 95.2, 95.3), (95.3, 95.4, 94.0, 94.5)]
        + [(94.5, 94.6, 94.4, 94.5)] * 30
    )
    monday = 1_709_510_400_000
    stamps = monday + HOUR_MS * np.arange(len(rows), dtype=np.int64)
    candles = Candles(
        HOURLY.timeframe, stamps, *(np.ascontiguousarray(c) for c in rows.T), np.ones(len(rows))
    )
    side = np.ones(len(rows), dtype=np.int8)
    limits = RiskSettings(
        max_daily_loss_frac=0.015, max_weekly_loss_frac=0.015, losing_streak=1, losing_streak_pause_h=2
    )
    book = rulebook(
        HOURLY.timeframe, GRID, **Slices(risk=limits.model_copy(update={"risk_per_trade_frac": 0.02})).words()
    )
    trades, counts = run(candles, side, np.full(len(rows), 5.0), book, initial_equity=10_000.0)
    assert len(trades) == 1
    assert counts["paused"] == len(rows) - 3
