"""The rules of a position, one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core import position_rules
from sereno.core.candle import Candle, Candles
from sereno.core.money import money, round_money
from sereno.core.order import ExitReason
from sereno.core.settings.sections import BarrierSettings, CostSettings, RiskSettings, SignalSettings
from sereno.core.timeframe import HOUR_MS, Timeframe, from_iso
from sereno.labels.kernel import walk as label_walk
from sereno.trading import kernel, rules
from sereno.trading.backtest import Trades, run
from sereno.trading.rules import EXIT_REASONS, rulebook
from tests.trading.worlds import GRID, HOURLY, START, Slices, coin_flips, walk

FREE = CostSettings(fee_bps=0.0, slippage_bps=0.0)
LOOSE = RiskSettings(max_daily_loss_frac=1.0, max_weekly_loss_frac=1.0, losing_streak=1000)


def trade(
    bars: list[tuple[float, float, float, float]],
    *,
    sign: int = 1,
    barriers: BarrierSettings | None = None,
    costs: CostSettings = FREE,
) -> Trades:
    """A decision on a first quiet candle at 100 with an average true range of 1, then `bars`."""
    rows = np.array([(100.0, 100.0, 100.0, 100.0), *bars])
    stamps = START + HOUR_MS * np.arange(len(rows), dtype=np.int64)
    candles = Candles(Timeframe.H1, stamps, *(np.ascontiguousarray(c) for c in rows.T), np.ones(len(rows)))
    side = np.zeros(len(rows), dtype=np.int8)
    side[0] = sign
    slices = Slices(barriers=barriers or BarrierSettings(horizon_bars=3), costs=costs, risk=LOOSE)
    book = rulebook(HOURLY.timeframe, GRID, **slices.words())
    trades, _ = run(candles, side, np.ones(len(rows)), book, initial_equity=10_000.0)
    assert len(trades) == 1
    return trades


def outcome(trades: Trades) -> tuple[ExitReason, float, int]:
    return EXIT_REASONS[int(trades.reason[0])], float(trades.exit_price[0]), int(trades.bars_held[0])


def test_entry_is_at_the_next_open_with_slippage_against_us() -> None:
    costs = CostSettings(fee_bps=10.0, slippage_bps=5.0)
    long = trade([(101.0, 104.0, 100.5, 103.0)], costs=costs)
    short = trade([(101.0, 101.5, 97.0, 99.0)], sign=-1, costs=costs)
    assert float(long.entry_price[0]) == round_money(101.0 * 1.0005)
    assert float(short.entry_price[0]) == round_money(101.0 * 0.9995)
    assert long.entry_ms[0] == START + HOUR_MS


def test_levels_hang_from_the_entry_open_so_reward_to_risk_is_kept() -> None:
    trades = trade([(103.0, 105.0, 102.5, 104.0)], costs=CostSettings(slippage_bps=7.0))
    assert (trades.initial_stop[0], trades.target[0]) == (102.0, 105.0)


def test_the_entry_bar_counts() -> None:
    assert outcome(trade([(100.0, 102.0, 99.5, 101.0)])) == (ExitReason.TARGET, 102.0, 1)


@pytest.mark.parametrize("sign", [1, -1])
def test_trap_a12_6_e4_13_both_levels_in_one_bar_is_the_stop(sign: int) -> None:
    reason, price, _ = outcome(trade([(100.0, 103.0, 97.0, 100.0)], sign=sign))
    assert (reason, price) == (ExitReason.STOP, 100.0 - sign)


def test_a_gap_through_the_stop_fills_at_the_open_which_is_worse() -> None:
    assert outcome(trade([(100.0, 100.5, 99.5, 100.0), (97.0, 98.0, 96.0, 97.5)])) == (
        ExitReason.STOP,
        97.0,
        2,
    )
    short = trade([(100.0, 100.5, 99.5, 100.0), (103.0, 104.0, 102.0, 103.0)], sign=-1)
    assert outcome(short) == (ExitReason.STOP, 103.0, 2)


def test_a_gap_beyond_the_target_fills_at_the_target_not_better() -> None:
    assert outcome(trade([(100.0, 100.5, 99.5, 100.0), (105.0, 106.0, 104.0, 105.0)])) == (
        ExitReason.TARGET,
        102.0,
        2,
    )


def test_the_time_stop_is_the_close_of_the_horizons_last_bar() -> None:
    quiet = (100.0, 100.5, 99.5, 100.2)
    assert outcome(trade([quiet] * 5)) == (ExitReason.TIME, 100.2, 3)


def test_stop_and_time_exits_slip_and_targets_do_not() -> None:
    costs = CostSettings(fee_bps=0.0, slippage_bps=10.0)
    assert outcome(trade([(100.0, 100.5, 98.0, 99.0)], costs=costs))[1] == round_money(99.0 * 0.999)
    assert outcome(trade([(100.0, 102.5, 99.5, 102.0)], costs=costs))[1] == 102.0
    assert outcome(trade([(100.0, 100.5, 99.5, 100.2)] * 3, costs=costs))[1] == round_money(100.2 * 0.999)


@pytest.mark.parametrize("sign", [1, -1])
def test_trap_c12_8_slippage_never_helps_either_side(sign: int) -> None:
    assert sign * (position_rules.entry_fill(sign, 100.0, 0.001) - 100.0) > 0
    assert sign * (position_rules.exit_fill(sign, 100.0, 0.001) - 100.0) < 0


def test_the_trail_uses_completed_bars_only() -> None:
    barriers = BarrierSettings(target_atr=10.0, stop_atr=1.0, trailing_atr=1.0, horizon_bars=5)
    # the first bar makes 103 and falls back to 99.5: with a look into the bar the trail at 102 would be hit in it
    trades = trade([(100.0, 103.0, 99.5, 102.8), (102.8, 103.0, 101.0, 101.5)], barriers=barriers)
    assert outcome(trades) == (ExitReason.TRAILING, 102.0, 2)


def test_fees_are_paid_on_both_sides() -> None:
    trades = trade([(100.0, 102.0, 99.5, 101.0)], costs=CostSettings(fee_bps=10.0, slippage_bps=0.0))
    quantity = float(trades.quantity[0])
    assert float(trades.entry_fee[0]) == round_money(100.0 * quantity * 0.001)
    assert float(trades.exit_fee[0]) == round_money(102.0 * quantity * 0.001)
    assert float(trades.pnl[0]) == pytest.approx(2.0 * quantity - 202.0 * quantity * 0.001, abs=2e-8)


def test_trap_a12_14_a_position_always_ends_by_the_horizon() -> None:
    barriers = BarrierSettings(target_atr=50.0, stop_atr=30.0, horizon_bars=4)
    assert outcome(trade([(100.0, 101.0, 99.0, 100.0)] * 60, barriers=barriers))[2] == 4


def test_trap_a30_4_b12_9_r4_size_is_the_loss_at_the_stop() -> None:
    book = rulebook(HOURLY.timeframe, GRID, **Slices(risk=RiskSettings(max_position_frac=1.0)).words())
    lots = rules.lots_of(10_000.0, 100.0, 2.0, 0.0, book)
    loss = 2.0 + 0.0002 * (100.0 + 102.0) + 0.001 * (99.98 + 102.0204)  # slippage and fee of both fills
    assert rules.loss_at_stop(100.0, 2.0, book) == pytest.approx(loss)
    assert rules.quantity_of(lots, book) * loss == pytest.approx(100.0, abs=2e-5)  # one per cent of 10,000
    free = rulebook(
        HOURLY.timeframe, GRID, **Slices(costs=CostSettings(fee_bps=0.0, slippage_bps=0.0)).words()
    )
    assert rules.loss_at_stop(100.0, 2.0, free) == pytest.approx(2.0)
    capped = rules.lots_of(10_000.0, 100.0, 0.01, 0.0, book)
    assert rules.quantity_of(capped, book) * 100.0 == pytest.approx(10_000.0)
    shared = rules.lots_of(10_000.0, 100.0, 0.01, 9_000.0, book)
    assert rules.quantity_of(shared, book) * 100.0 == pytest.approx(1_000.0)
    assert rules.lots_of(10_000.0, 100.0, 0.01, 10_500.0, book) == 0
    assert rules.lots_of(-5.0, 100.0, 1.0, 0.0, book) == 0


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    price=st.floats(0.01, 90_000.0),
    stop_frac=st.floats(0.001, 0.2),
    equity=st.floats(100.0, 1e7),
    fee_bps=st.floats(0.0, 60.0),
    slippage_bps=st.floats(0.0, 30.0),
    risk_frac=st.floats(0.001, 0.02),
    sign=st.sampled_from([1, -1]),
)
def test_a_stop_without_a_gap_never_costs_more_than_was_risked(
    price: float,
    stop_frac: float,
    equity: float,
    fee_bps: float,
    slippage_bps: float,
    risk_frac: float,
    sign: int,
) -> None:
    """With 24 bps a round trip and a stop 2 % away it cost 1.12 % where 1 % was set."""
    price, equity = round_money(price), round_money(equity)
    slices = Slices(
        barriers=BarrierSettings(stop_atr=1.0, target_atr=3.0),
        costs=CostSettings(fee_bps=fee_bps, slippage_bps=slippage_bps),
        risk=RiskSettings(risk_per_trade_frac=risk_frac, max_position_frac=1.0, max_exposure_frac=3.0),
    )
    through = price * (1.0 - sign * 1.5 * stop_frac)
    reach = (max(price, through), min(price, through))
    rows = [(price, price, price, price), (price, *reach, through), (through,) * 4]
    candles = Candles.of(
        HOURLY.timeframe, (Candle(START + k * HOUR_MS, *row, 1.0) for k, row in enumerate(rows))
    )
    side, atr = np.array([sign, 0, 0], dtype=np.int8), np.full(3, price * stop_frac)
    book = rulebook(HOURLY.timeframe, GRID, **slices.words())
    trades, _ = run(candles, side, atr, book, initial_equity=equity)
    for pnl, quantity in zip(trades.pnl, trades.quantity, strict=True):
        grid = 1e-8 * (4.0 + 4.0 * quantity)  # prices, fees and result lie on the money grid
        assert -pnl <= risk_frac * equity + grid
        lot_and_side = 2.0 * price * (stop_frac + 0.02) * float(GRID.quantity_step)
        if quantity * price < 0.99 * equity:
            assert -pnl >= 0.98 * risk_frac * equity - grid - lot_and_side, "and hardly less"


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    lots=st.integers(1, 10**9),
    step=st.sampled_from(["0.00001", "0.003", "0.25", "1", "10"]),
)
def test_quantity_in_float_is_the_float_of_the_exact_quantity(lots: int, step: str) -> None:
    from dataclasses import replace
    from decimal import Decimal

    grid = replace(GRID, quantity_step=Decimal(step))
    book = rulebook(HOURLY.timeframe, grid, **Slices().words())
    assert rules.quantity_of(lots, book) == float(rules.exact_quantity(lots, grid))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    start=st.integers(0, 5_000_000_00000000),
    steps=st.lists(st.integers(-1_000_00000000, 1_000_00000000), max_size=30),
)
def test_equity_in_float_is_the_float_of_the_sum_of_decimals(start: int, steps: list[int]) -> None:
    in_float, exact = start / 1e8, money(start / 1e8)
    for step in steps:
        in_float = round_money(in_float + step / 1e8)
        exact += money(step / 1e8)
        assert in_float == float(exact)


def test_days_and_weeks_are_utc_and_weeks_begin_on_monday() -> None:
    at = from_iso("2024-05-05T23:59:59Z")  # a Sunday
    assert rules.day_of(at) == from_iso("2024-05-05")
    assert rules.week_of(at) == from_iso("2024-04-29")
    assert rules.week_of(at + 1000) == from_iso("2024-05-06")


@pytest.mark.parametrize("trailing", [0.0, 1.3])
@pytest.mark.parametrize("sign", [1, -1])
def test_trap_e4_8_labels_are_a_backtests_outcome_to_the_last_digit(sign: int, trailing: float) -> None:
    """Prices off the money grid and missing candles included; entry, exit and the bar between them."""
    candles = walk(5, 220, gaps=False)
    gone = np.isin(np.arange(220), [40, 90, 91, 150, 151, 152])
    candles = Candles.of(Timeframe.H1, [c for c, lost in zip(candles, gone, strict=True) if not lost])
    atr = candles.close * 0.008
    barriers = BarrierSettings(horizon_bars=9, trailing_atr=trailing)
    slices = Slices(barriers=barriers, risk=LOOSE, signals=SignalSettings(cooldown_bars=0))
    book = rulebook(HOURLY.timeframe, GRID, **slices.words())
    rows = (candles.open, candles.high, candles.low, candles.close, atr)
    words = (9, barriers.target_atr, barriers.stop_atr, trailing, book.fee_frac, book.slippage_frac)
    codes, net, last = label_walk(sign, HOUR_MS, candles.open_ms, *rows, *words)
    seen = set()
    for i in range(len(candles)):
        side = np.zeros(len(candles), dtype=np.int8)
        side[i] = sign
        trades, _ = run(candles, side, atr, book, initial_equity=1_000_000.0)
        if not len(trades):
            assert codes[i] == position_rules.HOLD
            continue
        entry, price = float(trades.entry_price[0]), float(trades.exit_price[0])
        assert trades.reason[0] == codes[i]
        assert position_rules.net_frac(sign, entry, price, book.fee_frac) == net[i]
        assert trades.bars_held[0] == last[i] - i
        assert trades.exit_ms[0] == candles.close_ms[last[i]]
        seen.add(int(codes[i]))
    ends = {position_rules.STOP, position_rules.TARGET, position_rules.TIME}
    assert codes[39] != position_rules.HOLD, "one missing candle is waited for"
    before_gaps = np.flatnonzero(np.diff(candles.open_ms) > 2 * HOUR_MS)
    assert len(before_gaps) == 2
    assert (codes[before_gaps] == position_rules.HOLD).all(), "more of them are not"
    assert seen >= (ends if trailing == 0.0 else {position_rules.STOP, position_rules.TRAILING})


@pytest.mark.parametrize("trailing", [0.0, 1.3])
def test_the_compiled_backtest_is_the_plain_rules(trailing: float) -> None:
    """The loop run by the interpreter calls the functions that the engine calls: no bit may differ."""
    candles = walk(8, 400)
    side, atr = coin_flips(8, candles)
    slices = Slices(barriers=BarrierSettings(trailing_atr=trailing), signals=SignalSettings(cooldown_bars=2))
    book = rulebook(HOURLY.timeframe, GRID, **slices.words())
    bars = kernel.Bars(candles.open_ms, candles.open, candles.high, candles.low, candles.close, side, atr)
    written = []
    for loop in (kernel.walk, kernel.walk.py_func):
        rows, counts = kernel.empty_rows(400), np.zeros(len(kernel.COUNTS), np.int64)
        n = loop(bars, book, 10_000.0, rows, counts)
        assert n > 20
        written.append((*(column[:n] for column in rows), counts))
    for compiled, plain in zip(*written, strict=True):
        np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize(
    ("results", "streak"), [((-1, -1), 2), ((-1, 0, -1), 2), ((-1, 1, -1), 1), ((0,), 0)]
)
def test_a_break_even_neither_adds_to_a_losing_streak_nor_ends_it(
    results: tuple[float, ...], streak: int
) -> None:
    count = 0
    for pnl in results:
        count = rules.streak_after(count, pnl)
    assert count == streak


def test_trap_b12_6_a_short_is_not_a_long_read_backwards() -> None:
    assert outcome(trade([(100.0, 100.5, 97.9, 98.0)], sign=-1)) == (ExitReason.TARGET, 98.0, 1)
    assert float(trade([(100.0, 100.5, 97.9, 98.0)], sign=-1).pnl[0]) > 0


def test_a_price_that_the_money_grid_cannot_carry_is_not_traded() -> None:
    """At 1e-5 a step of 1e-8 is ten basis points: slippage and fees would be rounded away."""
    assert rules.is_fine_enough(1e-4)
    assert not rules.is_fine_enough(9.9e-5)
