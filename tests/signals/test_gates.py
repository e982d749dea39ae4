"""Gaps in the data and rests of an instrument refuse entries by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.candle import Candles
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.features.registry import warm_up_bars
from sereno.signals.gates import data_gap, gaps_behind, resting, rests_after_gap
from sereno.signals.replay import replay
from sereno.signals.words import Reason
from tests.signals.test_replay import SLICES, PlainForecaster, made
from tests.trading.worlds import START, walk

H1 = Timeframe.H1
stamps = st.lists(st.integers(0, 80), min_size=1, max_size=60, unique=True).map(
    lambda hours: START + HOUR_MS * np.array(sorted(hours), dtype=np.int64)
)


def opens(*hours: int) -> np.ndarray:
    return START + HOUR_MS * np.array(hours, dtype=np.int64)


def told(open_ms: np.ndarray, *, known: bool, rest: int = 3, lookback: int = 10) -> str | None:
    found = gaps_behind(open_ms, H1, lookback_bars=lookback)
    verdict = data_gap(open_ms, found, found if known else (), H1, rest_bars=rest)
    return None if verdict is None else f"{verdict.reason} {verdict.detail}"


def test_candles_without_a_hole_stand_in_no_ones_way() -> None:
    assert gaps_behind(opens(*range(20)), H1, lookback_bars=10) == ()
    assert told(opens(*range(20)), known=False) is None


def test_a_hole_that_may_be_filled_refuses_for_as_long_as_a_feature_sees_it() -> None:
    after = [0, 1, 2, 6]
    for newest in range(6, 15):
        open_ms = opens(*after, *range(7, newest + 1))
        assert "data_gap 3 candles are missing from" in (told(open_ms, known=False) or "")
    assert told(opens(*after, *range(7, 17)), known=False) is None


def test_a_hole_that_the_venue_cannot_fill_refuses_for_its_rest_only() -> None:
    assert told(opens(0, 1, 2, 6), known=True) is not None
    assert told(opens(0, 1, 2, 6, 7, 8), known=True) is not None
    assert told(opens(0, 1, 2, 6, 7, 8, 9), known=True) is None
    assert told(opens(0, 1, 2, 6), known=True, rest=0) is None


def test_a_hole_that_is_known_in_part_may_still_be_filled() -> None:
    open_ms = opens(0, 1, 5, 6, 7, 8, 9)
    ((first, last),) = found = gaps_behind(open_ms, H1, lookback_bars=10)
    for known, refuses in (
        ([(first, last)], False),
        ([(first, first), (first + HOUR_MS, last)], False),
        ([(first - HOUR_MS, last + HOUR_MS)], False),
        ([(first, last - HOUR_MS)], True),
    ):
        assert (data_gap(open_ms, found, known, H1, rest_bars=2) is not None) == refuses


@given(open_ms=stamps, rest=st.integers(0, 12))
def test_law_the_backtest_rests_where_the_desk_does(open_ms: np.ndarray, rest: int) -> None:
    """Over any history, with every gap known to be one."""
    batch = rests_after_gap(open_ms, H1, rest_bars=rest)
    for i in range(len(open_ms)):
        assert batch[i] == (told(open_ms[: i + 1], known=True, rest=rest, lookback=100) is not None)


@pytest.mark.parametrize(
    ("hours_later", "refuses"), [(0, True), (1, True), (12, True), (13, False), (-1, False)]
)
def test_a_rest_lasts_for_bars_of_the_signal_that_was_taken(hours_later: int, refuses: bool) -> None:
    taken = [(Timeframe.H4, START)]
    verdict = resting(START + hours_later * HOUR_MS, taken, cooldown_bars=3)
    assert (verdict is not None) == refuses
    if verdict is not None:
        assert (verdict.allowed, verdict.reason, verdict.quantity_base) == (
            False,
            Reason.COOLDOWN_ELSEWHERE,
            0,
        )
        assert "3 bars of 4h" in verdict.detail


def test_the_longest_rest_of_several_counts() -> None:
    short, long = (Timeframe.M5, START + 11 * HOUR_MS), (Timeframe.H4, START)
    assert resting(START + 12 * HOUR_MS, [short, long], cooldown_bars=3) is not None
    assert resting(START + 12 * HOUR_MS, [short], cooldown_bars=3) is None
    assert resting(START, [], cooldown_bars=3) is None


@pytest.mark.parametrize("missing", [1, 4])
def test_a_signal_that_a_gap_refused_replays_to_the_same_bits(missing: int) -> None:
    whole = walk(21, warm_up_bars(H1) + 40, gaps=False)
    rows = [i for i in range(len(whole)) if not 0 < len(whole) - 6 - i <= missing]
    candles = Candles.of(H1, [candle for i, candle in enumerate(whole) if i in set(rows)])
    found = gaps_behind(candles.open_ms, H1, lookback_bars=warm_up_bars(H1))
    gap = data_gap(candles.open_ms, found, (), H1, rest_bars=20)
    assert gap is not None
    stored = made(candles, risk=gap)
    assert stored.reason == Reason.DATA_GAP
    assert stored.refusals[0].detail.startswith(f"{missing} candles are missing")
    assert replay(stored, candles, PlainForecaster(), **SLICES).differences == ()
