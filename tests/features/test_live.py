"""The live row, its equality to the bit, and the traps of the source systems."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sereno.features
from sereno.core.candle import Candle, Candles
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.growing import GrowingCandles
from sereno.core.timeframe import DAY_MS, Timeframe
from sereno.features.engine import FeatureEngine, LiveFeatures, LiveRow, live_row
from sereno.features.frame import compute
from sereno.features.registry import base_warm_up_bars, feature_names, warm_up_bars
from sereno.features.resample import resample
from tests.features import markets

ROWS = 900
MARKET = markets.lively(ROWS)


def bits(live: LiveRow) -> tuple[bytes, int, float, float]:
    return live.row.values.tobytes(), live.row.ts, live.row.atr, live.row.close


def test_a_warm_engine_gives_the_bits_of_a_cold_one() -> None:
    warm = LiveFeatures(Timeframe.H1)
    for rows in [*range(ROWS - 60, ROWS - 20), ROWS - 10, ROWS]:
        candles = MARKET.slice(0, rows)
        assert bits(warm.row(candles)) == bits(live_row(candles))


def test_a_warm_engine_gives_the_bits_of_a_cold_one_across_holes() -> None:
    candles = markets.with_holes(MARKET)
    warm = LiveFeatures(Timeframe.H1)
    for rows in range(len(candles) - 60, len(candles)):
        assert bits(warm.row(candles.slice(0, rows))) == bits(live_row(candles.slice(0, rows)))


def test_another_process_gives_the_same_bits() -> None:
    story = (
        "from sereno.features.engine import live_row; from tests.features import markets;"
        f"print(live_row(markets.lively({ROWS})).row.values.tobytes().hex())"
    )
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", story], capture_output=True, text=True, check=True, timeout=60, cwd=root
    )
    warm = LiveFeatures(Timeframe.H1)
    for rows in range(ROWS - 5, ROWS + 1):
        newest = warm.row(MARKET.slice(0, rows))
    assert newest.row.values.tobytes().hex() == told.stdout.strip()


def test_candles_that_grew_are_not_compared_and_give_the_same_bits() -> None:
    """And a new lineage is looked at with care, however alike."""
    warm, growing = LiveFeatures(Timeframe.H1), GrowingCandles(MARKET.slice(0, ROWS - 60))
    for rows in range(ROWS - 60, ROWS):
        growing.extend(MARKET.slice(rows, rows + 1))
        grown = growing.now()
        assert bits(warm.row(grown.candles, lineage=grown.lineage)) == bits(live_row(grown.candles))
    volume = MARKET.volume.copy()
    volume[ROWS - 5] *= 3
    corrected = GrowingCandles(replace(MARKET, volume=volume)).now()
    told = warm.row(corrected.candles, lineage=corrected.lineage)
    assert bits(told) == bits(live_row(corrected.candles)) != bits(live_row(MARKET))
    fewer = MARKET.slice(0, ROWS - 3)
    assert bits(warm.row(fewer, lineage=corrected.lineage)) == bits(live_row(fewer))


def test_a_corrected_candle_is_noticed() -> None:
    warm = LiveFeatures(Timeframe.H1)
    warm.row(MARKET.slice(0, ROWS - 1))
    volume = MARKET.volume.copy()
    volume[ROWS - 5] *= 3
    corrected = replace(MARKET, volume=volume)
    assert bits(warm.row(corrected)) == bits(live_row(corrected))
    assert bits(warm.row(corrected)) != bits(live_row(MARKET))


def test_history_that_begins_elsewhere_is_noticed() -> None:
    warm = LiveFeatures(Timeframe.H1)
    warm.row(MARKET)
    assert bits(warm.row(MARKET.slice(100))) == bits(live_row(MARKET.slice(100)))


def test_the_same_history_again_is_the_same_row() -> None:
    warm = LiveFeatures(Timeframe.H1)
    assert bits(warm.row(MARKET)) == bits(warm.row(MARKET))


def test_a_bad_candle_does_no_lasting_harm() -> None:
    warm = LiveFeatures(Timeframe.H1)
    warm.row(MARKET.slice(0, ROWS - 4))
    low = MARKET.low.copy()
    low[ROWS - 2] = np.nan
    with pytest.raises(SkipThis, match="bad_candles"):
        warm.row(replace(MARKET, low=low))
    assert bits(warm.row(MARKET)) == bits(live_row(MARKET))


def kept(engine: FeatureEngine) -> int:
    """Numbers that the engine's steps hold."""
    steppers = [engine._stepper, *(stepper for _, stepper, _ in engine._higher)]
    cells = [
        cell.cell_contents
        for s in steppers
        for _, step, _ in s._program
        for cell in getattr(step, "__closure__", None) or ()
    ]
    return sum(len(content) for content in cells if isinstance(content, deque))


def test_what_a_step_holds_does_not_grow_with_history() -> None:
    sizes = set()
    for rows in (700, ROWS):
        engine = FeatureEngine(Timeframe.H1)
        engine.prime(MARKET.slice(0, rows))
        for i, candle in enumerate(markets.lively(rows + 200).slice(rows)):
            engine.step(candle)
            if i in (0, 199):
                sizes.add(kept(engine))
    assert len(sizes) == 1
    assert sizes.pop() > 100


def test_trap_a30_22_two_series_do_not_mix() -> None:
    """Trap A30.22: one global state trained two symbols on each other's features."""
    other = markets.lively(ROWS, seed=8)
    first, second = LiveFeatures(Timeframe.H1), LiveFeatures(Timeframe.H1)
    for rows in range(ROWS - 5, ROWS + 1):
        one, two = first.row(MARKET.slice(0, rows)), second.row(other.slice(0, rows))
    assert bits(one) == bits(live_row(MARKET))
    assert bits(two) == bits(live_row(other))


def test_the_live_row_says_what_it_was_made_from() -> None:
    live = live_row(MARKET)
    assert live.first_ms == MARKET.open_ms[0]
    assert live.primed_ms == MARKET.open_ms[-1] // DAY_MS * DAY_MS
    assert live.row.ts == MARKET.close_ms[-1]
    assert live.row.names == feature_names(Timeframe.H1)


@pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.H12, Timeframe.D1, Timeframe.W1])
def test_trap_c12_6_r6_live_rows_agree_with_the_frame(timeframe: Timeframe) -> None:
    candles = markets.lively(700, timeframe=timeframe)
    frame = compute(candles)
    row = live_row(candles).row
    spread = np.nanstd(np.where(np.isfinite(frame.values), frame.values, 0), axis=0)
    np.testing.assert_array_equal(np.isnan(row.values), np.isnan(frame.values[-1]))
    close = np.abs(row.values - frame.values[-1]) <= 1e-9 * np.abs(row.values) + 1e-9 * spread
    assert (close | np.isnan(row.values)).all()
    assert row.atr == pytest.approx(frame.atr[-1], rel=1e-12)


def test_trap_a30_15_history_shorter_than_the_longest_look_back_says_so() -> None:
    """200 candles with EMA 200 left one usable row, in silence."""
    need = base_warm_up_bars(Timeframe.H1) + 1
    with pytest.raises(SkipThis) as caught:
        live_row(MARKET.slice(0, 200))
    assert caught.value.event == "features.too_short"
    assert caught.value.fields == {"have_bars": 200, "need_bars": need}
    assert f"collect {need - 200} more" in caught.value.remedy
    assert "candles.depth_days)" in caught.value.remedy
    row = live_row(MARKET.slice(0, need)).row
    base = [i for i, name in enumerate(row.names) if not name.startswith(("h1_", "h4_", "d1_"))]
    assert np.isfinite(row.values[base]).all()


def test_empty_history_says_so() -> None:
    with pytest.raises(SkipThis, match="too_short"):
        live_row(Candles.empty(Timeframe.H1))


def test_higher_timeframes_shorter_than_history_are_nan() -> None:
    row = live_row(MARKET.slice(0, 300)).row
    daily = [value for name, value in zip(row.names, row.values, strict=True) if name.startswith("d1_adx")]
    assert np.isnan(daily).all()
    assert len(MARKET) > warm_up_bars(Timeframe.H1)
    assert np.isfinite(live_row(MARKET).row.values).all()


def test_the_same_candle_twice_is_refused() -> None:
    """Trap A30.15: the store filled with the same candle, re-read each minute."""
    engine = FeatureEngine(Timeframe.H1)
    engine.prime(MARKET)
    with pytest.raises(SkipThis, match="out_of_order"):
        engine.step(next(iter(MARKET.slice(ROWS - 1))))


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0, np.inf])
def test_bad_prices_are_refused(column: str, value: float) -> None:
    prices = getattr(MARKET, column).copy()
    prices[500] = value
    with pytest.raises(SkipThis, match="bad_candles"):
        compute(replace(MARKET, **{column: prices}))


def test_bad_candles_are_refused_by_the_step_too() -> None:
    engine = FeatureEngine(Timeframe.H1)
    engine.prime(MARKET)
    good = compute(MARKET).values[-1]
    with pytest.raises(SkipThis, match="bad_candles"):
        engine.step(Candle(int(MARKET.open_ms[-1]) + 3_600_000, 1.0, 1.0, float("nan"), 1.0, 1.0))
    assert good.shape == (len(feature_names(Timeframe.H1)),)


def test_an_unknown_feature_is_named() -> None:
    with pytest.raises(FixConfig, match="rsi_15"):
        compute(MARKET, names=("rsi_14", "rsi_15"))


def test_trap_a12_9_chosen_features_stand_in_the_chosen_order() -> None:
    """Trap A12.9: a drifting list of columns silently reorders them."""
    frame, whole = compute(MARKET, names=("d1_rsi_14", "rsi_14")), compute(MARKET)
    assert frame.names == ("d1_rsi_14", "rsi_14")
    np.testing.assert_array_equal(frame.values[:, 1], whole.column("rsi_14"))
    np.testing.assert_array_equal(frame.values[:, 0], whole.column("d1_rsi_14"))
    assert frame.values.flags.c_contiguous


def test_trap_a30_17_b12_5_breakouts_can_happen() -> None:
    """The window held the current bar, so that nothing could ever break out."""
    frame = compute(MARKET)
    assert np.nanmax(frame.column("breakout_up_20")) > 0
    assert np.nanmax(frame.column("breakout_down_20")) > 0
    assert np.nanmax(frame.column("donchian_20")) > 1 > 0 > np.nanmin(frame.column("donchian_20"))


def test_trap_a12_7_no_raw_price_is_a_feature() -> None:
    frame = compute(MARKET)
    assert np.nanmax(np.abs(frame.values)) < MARKET.close.min() / 10


def test_trap_b12_4_a_crash_is_kept() -> None:
    """Winsorising erased real crashes."""
    columns = {name: getattr(MARKET, name).copy() for name in ("open", "high", "low", "close")}
    for column in columns.values():
        column[700:] *= 0.5
    fall = compute(replace(MARKET, **columns), names=("return_1",)).values[700, 0]
    assert fall == pytest.approx(np.log(0.5) + np.log(MARKET.close[700] / MARKET.close[699]))


def test_trap_c12_4_features_never_see_labels() -> None:
    """Style: the future is a room; features may not import it."""
    for file in Path(sereno.features.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith("sereno.labels") for name in names), file


def test_trap_a12_3_a_day_is_joined_when_it_is_over() -> None:
    made = resample(MARKET, Timeframe.D1)
    assert made.newest[22] == -1  # 22:00 to 23:00: the first day is not over
    assert made.newest[23] == 0  # known at 24:00
    assert made.newest[46] == 0
    assert made.newest[47] == 1
    assert made.candles.close[0] == MARKET.close[23]
    assert made.candles.volume[1] == pytest.approx(MARKET.volume[24:48].sum())


def test_half_a_day_is_no_day() -> None:
    ragged = resample(MARKET.slice(5), Timeframe.D1)
    assert ragged.candles.open_ms[0] == MARKET.open_ms[24]
    assert resample(MARKET.slice(5, 20), Timeframe.D1).candles.open_ms.size == 0


def test_calendar_speaks_of_the_decision() -> None:
    frame = compute(MARKET, names=("hour_cos", "weekday_cos", "session_tokyo", "session_london", "weekend"))
    noon = 11  # opens 11:00, is known at 12:00
    assert frame.values[noon, 0] == pytest.approx(-1.0)
    assert frame.values[noon].tolist()[2:] == [0.0, 1.0, 0.0]
    assert frame.values[23, 2] == 1.0  # 00:00
    saturday = 5 * 24 - 1
    assert (frame.values[saturday - 1, 4], frame.values[saturday, 4]) == (0.0, 1.0)
