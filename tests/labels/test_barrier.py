"""The triple barrier: against the oracle, case by case, and the traps of the source systems."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core import position_rules
from sereno.core.candle import Candle, Candles
from sereno.core.settings import BarrierSettings, CostSettings
from sereno.core.timeframe import Timeframe
from sereno.features.frame import compute
from sereno.features.registry import FEATURES
from sereno.labels.barrier import Labels, triple_barrier
from sereno.labels.kernel import walk
from tests.features import markets
from tests.labels.oracle import bar, judged

FREE = CostSettings(fee_bps=0.0, slippage_bps=0.0)
COSTS = CostSettings()
START_MS = 1_700_006_400_000
QUIET = bar(100, 100.5, 99.5, 100)


def dated(*bars: Candle) -> Candles:
    """Hourly candles."""
    hours = (replace(b, open_ms=START_MS + i * Timeframe.H1.ms) for i, b in enumerate(bars))
    return Candles.of(Timeframe.H1, hours)


def labelled(*bars: Candle, costs: CostSettings = FREE, **barriers: float) -> Labels:
    """Labels with an average true range of 1 everywhere: target 2, stop 1, horizon 3 unless told."""
    chosen = BarrierSettings(**{"horizon_bars": 3, **barriers})
    return triple_barrier(dated(*bars), np.ones(len(bars)), barriers=chosen, costs=costs)


@pytest.mark.parametrize("trailing", [0.0, 1.5])
@pytest.mark.parametrize("costs", [FREE, COSTS], ids=["free", "costs"])
def test_the_kernel_says_what_the_oracle_says(trailing: float, costs: CostSettings) -> None:
    candles = markets.with_flat_stretch(markets.lively(220), 80, 110)
    atr = compute(candles, names=("rsi_14",)).atr
    barriers = BarrierSettings(trailing_atr=trailing)
    agree(candles, atr, barriers, costs)


prices = st.integers(90, 110).map(float)
candles_of = st.lists(st.tuples(prices, prices, prices, prices), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=candles_of,
    target=st.sampled_from([0.5, 1.0, 2.0, 6.0]),
    stop=st.sampled_from([0.5, 1.0, 3.0]),
    trailing=st.sampled_from([0.0, 0.0, 2.0]),
    horizon=st.integers(1, 6),
)
def test_law_any_candles_are_judged_as_by_the_oracle(
    rows: list[tuple[float, ...]], target: float, stop: float, trailing: float, horizon: int
) -> None:
    """Whole prices make touches and ties to the tick frequent."""
    candles = dated(*(bar(o, max(o, h, w, c), min(o, h, w, c), c) for o, h, w, c in rows))
    atr = np.where(np.arange(len(rows)) % 5 == 3, np.nan, 2.0)
    barriers = BarrierSettings(target_atr=target, stop_atr=stop, trailing_atr=trailing, horizon_bars=horizon)
    agree(candles, atr, barriers, COSTS)


def agree(candles: Candles, atr: np.ndarray, barriers: BarrierSettings, costs: CostSettings) -> None:
    labels = triple_barrier(candles, atr, barriers=barriers, costs=costs)
    for row in range(len(candles)):
        long = judged(candles, atr, row, is_long=True, barriers=barriers, costs=costs)
        short = judged(candles, atr, row, is_long=False, barriers=barriers, costs=costs)
        assert (labels.long[row], labels.short[row]) == (long.label, short.label)
        np.testing.assert_array_equal(labels.long_return[row], long.net)
        np.testing.assert_array_equal(labels.short_return[row], short.net)
        assert labels.stop_first_long[row] == (long.label == 0)
        assert labels.stop_first_short[row] == (short.label == 0)
        assert labels.end_ms[row] > labels.ts[row]


def test_a_long_reaches_its_target() -> None:
    labels = labelled(QUIET, bar(100, 101, 99.5, 101), bar(101, 102, 100.5, 101), QUIET, QUIET)
    assert labels.long[0] == 1
    assert labels.long_return[0] == pytest.approx(0.02)
    assert labels.short[0] == 0
    assert labels.short_return[0] == pytest.approx(-0.01)


def test_the_entry_is_the_next_open_and_its_bar_counts() -> None:
    labels = labelled(QUIET, bar(105, 107, 104.5, 106), QUIET, QUIET, QUIET)
    assert labels.long[0] == 1
    assert labels.long_return[0] == pytest.approx(2 / 105)


def test_a_gap_through_the_stop_fills_at_the_open() -> None:
    labels = labelled(QUIET, QUIET, bar(90, 91, 89, 90), QUIET, QUIET)
    assert labels.long[0] == 0
    assert labels.long_return[0] == pytest.approx(-0.10)


def test_a_gap_through_the_target_fills_no_better_than_the_target() -> None:
    labels = labelled(QUIET, QUIET, bar(110, 111, 109, 110), QUIET, QUIET)
    assert labels.long[0] == 1
    assert labels.long_return[0] == pytest.approx(0.02)


def test_the_horizon_ends_a_position_at_the_close_of_its_last_bar() -> None:
    labels = labelled(QUIET, QUIET, QUIET, bar(100, 100.5, 99.5, 100.3), QUIET)
    assert (labels.long[0], labels.short[0]) == (2, 2)
    assert labels.long_return[0] == pytest.approx(0.003)
    assert labels.short_return[0] == pytest.approx(-0.003)


@pytest.mark.parametrize("side", ["long", "short"])
def test_trap_a12_6_a_tie_is_a_stop(side: str) -> None:
    """The backtest took the target first, the labeller called it neutral."""
    labels = labelled(QUIET, bar(100, 103, 97, 100), QUIET, QUIET, QUIET)
    assert getattr(labels, side)[0] == 0
    assert getattr(labels, f"{side}_return")[0] == pytest.approx(-0.01)
    assert getattr(labels, f"stop_first_{side}")[0]


def test_trap_a12_4_the_tail_stays_unlabelled() -> None:
    """The last rows were labelled 0 with a truncated window, and never revised."""
    labels = labelled(*[QUIET] * 6)
    assert labels.long.tolist() == [2, 2, 2, -1, -1, -1]
    assert labels.short.tolist() == [2, 2, 2, -1, -1, -1]
    assert np.isnan(labels.long_return[3:]).all()
    assert np.isnan(labels.forward_return[3:]).all()
    assert not labels.stop_first_long[3:].any()


def test_the_tail_is_labelled_as_soon_as_a_barrier_is_touched() -> None:
    labels = labelled(QUIET, QUIET, bar(100, 102.5, 99.8, 102))
    assert labels.long.tolist() == [1, 1, -1]


def test_trap_a12_5_a_short_is_judged_as_a_short() -> None:
    """-1 meant "a long would lose 1 ATR", yet was traded as a short aiming for 2."""
    labels = labelled(QUIET, bar(100, 100.2, 98.9, 100), QUIET, QUIET, QUIET)
    assert labels.long[0] == 0
    assert labels.short[0] == 2


def test_trap_c12_8_slippage_hurts_both_sides() -> None:
    rise = [QUIET, bar(100, 100.4, 99.6, 100), QUIET, QUIET, QUIET]
    free, dear = labelled(*rise), labelled(*rise, costs=CostSettings(fee_bps=0, slippage_bps=5))
    assert dear.long_return[0] < free.long_return[0]
    assert dear.short_return[0] < free.short_return[0]


def test_returns_are_net_of_the_round_trip() -> None:
    costs = CostSettings(fee_bps=10, slippage_bps=2)
    flat = labelled(*[QUIET] * 5, costs=costs)
    assert flat.long_return[0] == pytest.approx(-costs.round_trip_frac, rel=1e-3)
    assert flat.short_return[0] == pytest.approx(-costs.round_trip_frac, rel=1e-3)


def test_trap_c12_7_e4_8_label_and_evaluation_share_one_horizon() -> None:
    bars = [bar(100 + i / 10, 100.3 + i / 10, 99.8 + i / 10, 100 + i / 10) for i in range(12)]
    for horizon in (1, 4):
        labels = labelled(*bars, horizon_bars=horizon, target_atr=50, stop_atr=50)
        known = 12 - horizon
        assert labels.long[:known].tolist() == [2] * known
        np.testing.assert_allclose(
            labels.forward_return[:known], [horizon / 10 / (100 + i / 10) for i in range(known)]
        )


def test_trap_c12_4_no_label_is_a_feature() -> None:
    assert {field.name for field in fields(Labels)}.isdisjoint(FEATURES)


def test_trap_a12_7_end_times_say_when_a_label_is_known() -> None:
    """No purge: labels span 20 bars, and training did not know."""
    labels = labelled(QUIET, bar(100, 103, 97, 100), QUIET, QUIET, QUIET, QUIET)
    assert labels.end_ms[0] == labels.ts[3]  # the forward return is known last
    assert (labels.end_ms - labels.ts == 3 * Timeframe.H1.ms).all()


def test_end_times_span_holes_in_time() -> None:
    candles = markets.with_holes(markets.lively(500))
    labels = triple_barrier(candles, np.full(len(candles), 100.0), barriers=BarrierSettings(), costs=COSTS)
    np.testing.assert_array_equal(labels.end_ms[:-20], candles.close_ms[20:])


def test_law_later_candles_never_change_what_was_known() -> None:
    candles = markets.lively(400)
    atr = compute(candles, names=("rsi_14",)).atr
    whole = triple_barrier(candles, atr, barriers=BarrierSettings(), costs=COSTS)
    for cut in (30, 200, 333):
        part = triple_barrier(candles.slice(0, cut), atr[:cut], barriers=BarrierSettings(), costs=COSTS)
        for side in ("long", "short"):
            known = getattr(part, side) != -1
            np.testing.assert_array_equal(getattr(part, side)[known], getattr(whole, side)[:cut][known])
            settled = whole.end_ms[:cut] <= candles.close_ms[cut - 1]
            assert known[settled & np.isfinite(atr[:cut])].all()


@pytest.mark.parametrize(("missing", "label"), [(0, 1), (1, 1), (2, -1), (9, -1)])
def test_no_position_is_entered_after_a_gap_that_paper_does_not_wait_for(missing: int, label: int) -> None:
    candles = dated(QUIET, bar(100, 103, 99.5, 102), *[QUIET] * 6)
    stamps = candles.open_ms + Timeframe.H1.ms * missing * (np.arange(len(candles)) > 0)
    labels = triple_barrier(
        replace(candles, open_ms=stamps), np.ones(8), barriers=BarrierSettings(horizon_bars=3), costs=FREE
    )
    assert labels.long[0] == label
    assert np.isnan(labels.long_return[0]) == (label == -1)
    assert labels.long[1] != -1, "a gap behind a decision hinders nothing"


def test_labels_across_holes_are_the_oracles() -> None:
    candles = markets.with_holes(markets.lively(420))
    waits = np.diff(candles.open_ms) // Timeframe.H1.ms
    assert {1, 2, 3} <= set(waits.tolist())
    agree(candles, np.full(len(candles), 100.0), BarrierSettings(horizon_bars=5), COSTS)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_little_history_is_unlabelled(rows: int) -> None:
    labels = labelled(*[QUIET] * rows)
    assert labels.long.tolist() == [-1] * rows
    assert len(labels.end_ms) == rows


@pytest.mark.parametrize("atr", [math.nan, 0.0, -1.0])
def test_without_an_average_true_range_there_is_no_label(atr: float) -> None:
    candles = dated(*[QUIET] * 8)
    labels = triple_barrier(candles, np.full(8, atr), barriers=BarrierSettings(horizon_bars=3), costs=FREE)
    assert (labels.long == -1).all()


def test_the_average_true_range_must_fit_the_candles() -> None:
    with pytest.raises(ValueError, match="one average true range"):
        triple_barrier(dated(QUIET), np.ones(2), barriers=BarrierSettings(), costs=FREE)


@pytest.mark.parametrize("trailing", [0.0, 1.5])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_compiled_rules_are_the_plain_rules(sign: int, trailing: float) -> None:
    """The loop run by the interpreter calls the functions that the engine calls: no bit may differ."""
    candles = markets.lively(260)
    atr = compute(candles, names=("rsi_14",)).atr
    prices = (candles.open, candles.high, candles.low, candles.close, atr)
    words = (candles.timeframe.ms, candles.open_ms, *prices, 9, 2.0, 1.0, trailing, 1e-3, 2e-4)
    for compiled, plain in zip(walk(sign, *words), walk.py_func(sign, *words), strict=True):
        np.testing.assert_array_equal(compiled, plain)


def test_the_cache_knows_the_rules_it_was_compiled_from() -> None:
    cells = [cell.cell_contents for cell in walk.py_func.__closure__]
    assert position_rules.in_loops() in cells


def test_compiled_code_survives_between_runs(tmp_path: Path) -> None:
    story = (
        "import numpy as np; from sereno.labels.kernel import walk; x = np.ones(3);"
        "walk(1, 1, np.arange(3), x, x, x, x, x, 1, 2.0, 1.0, 0.0, 0.0, 0.0); print(sum(walk.stats.cache_hits.values()))"
    )
    hits = [
        subprocess.run(
            [sys.executable, "-c", story],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout.strip()
        for _ in range(2)
    ]
    assert hits == ["0", "1"]
