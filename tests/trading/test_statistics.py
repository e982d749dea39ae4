"""One definition of each figure, at its edges (R16)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.settings import RiskSettings, WatchSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.trading.risk_limits import after_exit, opened_state
from sereno.trading.rules import rulebook
from sereno.trading.statistics import by_quote, drawdowns_frac, max_drawdown_frac, sharpe, statistics
from sereno.watch.checks import drawdown, losing_streak
from tests.trading.worlds import BTC, ETH, GRID, HOURLY, START, Slices, closed, position


def test_an_ordinary_account() -> None:
    s = statistics([100.0, -50.0, 0.0, 30.0, -20.0, -10.0], initial_equity_quote=1000.0)
    assert (s.trades, s.wins, s.losses, s.break_even) == (6, 2, 3, 1)
    assert s.win_rate == pytest.approx(2 / 6)
    assert s.profit_factor == pytest.approx(130 / 80)
    assert s.expectancy_quote == pytest.approx(50 / 6)
    assert s.average_win_quote == pytest.approx(65.0)
    assert s.average_loss_quote == pytest.approx(-80 / 3)
    assert (s.best_quote, s.worst_quote, s.longest_losing_streak) == (100.0, -50.0, 2)
    assert s.max_drawdown_quote == pytest.approx(50.0)
    assert s.max_drawdown_frac == pytest.approx(50 / 1100)
    assert s.return_frac == pytest.approx(0.05)


def test_no_trades_define_nothing() -> None:
    s = statistics([], initial_equity_quote=1000.0)
    assert (s.trades, s.net_quote, s.max_drawdown_frac) == (0, 0.0, 0.0)
    undefined = (s.win_rate, s.profit_factor, s.expectancy_quote, s.average_win_quote, s.best_quote)
    assert undefined == (None,) * 5


def test_trap_b12_16_ami_b12_14_without_a_loss_the_profit_factor_is_undefined_not_99() -> None:
    assert statistics([1.0, 2.0], initial_equity_quote=10.0).profit_factor is None
    assert statistics([-1.0, -2.0], initial_equity_quote=10.0).profit_factor == 0.0


def test_trap_ami_b12_14_r16_an_account_that_only_loses_has_a_drawdown() -> None:
    s = statistics([-100.0, -100.0], initial_equity_quote=1000.0)
    assert s.max_drawdown_frac == pytest.approx(0.2)
    assert s.max_drawdown_quote == pytest.approx(200.0)


def test_trap_ami_b12_14_r16_break_even_is_no_loss() -> None:
    s = statistics([0.0, 0.0], initial_equity_quote=1000.0)
    assert (s.losses, s.break_even, s.expectancy_quote, s.average_loss_quote) == (0, 2, 0.0, None)


def test_trap_ami_b12_14_r16_currencies_are_not_summed() -> None:
    euros = Series(replace(BTC, quote="EUR"), Timeframe.H1)
    trips = [closed("5", number=1), closed("-7", series=euros, number=2), position()]
    found = by_quote(trips, initial_equity_quote=Decimal(100))
    assert {quote: s.net_quote for quote, s in found.items()} == {"USDT": 5.0, "EUR": -7.0}


def test_results_count_in_the_order_of_their_exits() -> None:
    trips = [closed("-10", hours=5, number=1), closed("20", hours=1, number=2)]
    found = by_quote(trips, initial_equity_quote=Decimal(100))["USDT"]
    assert found.max_drawdown_frac == pytest.approx(10 / 120)
    assert HOURLY.instrument.quote == "USDT"


def test_exits_of_one_moment_count_in_the_order_of_the_engine() -> None:
    """By series, as the gate counts them: losses do not come first."""
    ether = Series(ETH, Timeframe.H1)
    trips = [
        closed("-1", hours=1, series=ether, number=1),
        closed("5", hours=1, number=2),
        closed("-1", hours=2, number=3),
    ]
    assert by_quote(trips, initial_equity_quote=Decimal(100))["USDT"].longest_losing_streak == 2


def test_drawdown_is_undefined_on_an_account_without_money() -> None:
    assert max_drawdown_frac([]) is None
    assert max_drawdown_frac([0.0, -1.0]) is None


results = st.lists(st.sampled_from([-3.0, -1.0, 0.0, 2.0]), max_size=30)


@given(results)
def test_law_gate_figures_and_watch_count_a_losing_streak_alike(pnls: list[float]) -> None:
    book = rulebook(HOURLY.timeframe, GRID, **Slices(risk=RiskSettings(losing_streak=100)).words())
    state = opened_state(Mode.SIM, "paper", Decimal(100), START)
    longest = 0
    for pnl in pnls:
        state = after_exit(state, START, Decimal(pnl), book)
        longest = max(longest, state.losing_streak)
    told = losing_streak([*reversed(pnls)], account="paper", limit=1)
    assert state.losing_streak == (told[0].detail["losses"] if told else 0)
    assert longest == statistics(pnls, initial_equity_quote=100.0).longest_losing_streak


@given(st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=30))
def test_law_the_watch_measures_the_drawdown_of_the_figures(equity: list[float]) -> None:
    falls = drawdowns_frac(equity)
    assert falls is not None
    assert max(falls) == max_drawdown_frac(equity)
    told = drawdown(list(enumerate(equity)), account="paper", limits=WatchSettings())
    assert bool(told) == (falls[-1] > WatchSettings().drawdown_high_frac)
    assert not told or told[0].detail["drawdown_frac"] == round(falls[-1], 4)


def test_trap_b12_5_e4_9_sharpe_knows_its_interval() -> None:
    returns = [0.01, -0.005, 0.007, 0.002]
    daily, hourly = sharpe(returns, bar_ms=DAY_MS), sharpe(returns, bar_ms=HOUR_MS)
    assert daily is not None
    assert hourly == pytest.approx(daily * 24**0.5)
    assert sharpe([0.01], bar_ms=DAY_MS) is None
    assert sharpe([0.01, 0.01], bar_ms=DAY_MS) is None
