"""The quality checks, one law or one defect a test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import Candle, Candles
from sereno.core.settings.sections import CandleSettings
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.market.quality import Defect, merged, sift, staleness, suspicious
from tests.market.worlds import NOW, rows, same, walk

H1 = Timeframe.H1
FIRST = H1.floor(NOW) - 100 * HOUR_MS
GOOD = walk(H1, FIRST, 50)
LISTED = list(GOOD)


def without(index: int) -> Candles:
    return rows(GOOD, np.delete(np.arange(50), index))


def test_good_candles_pass_untouched() -> None:
    sifted = sift(LISTED, H1)
    assert same(sifted.candles, GOOD)
    assert sifted.findings == ()


def test_nothing_is_nothing() -> None:
    assert len(sift([], H1).candles) == 0
    assert suspicious(Candles.empty(H1), jump_frac=0.5, zero_volume_run_bars=2) == ()


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("change", "defect"),
    [
        ({"close": NAN}, Defect.NOT_A_NUMBER),
        ({"volume": NAN}, Defect.NOT_A_NUMBER),
        ({"high": INFINITE}, Defect.NOT_A_NUMBER),
        ({"low": 0.0}, Defect.NOT_POSITIVE),
        ({"open": -1.0}, Defect.NOT_POSITIVE),
        ({"volume": -0.1}, Defect.NOT_POSITIVE),
        ({"high": 1e13}, Defect.ABSURD_PRICE),
        ({"low": 1e-13}, Defect.ABSURD_PRICE),
        ({"high": 1.0}, Defect.OHLC_RELATION),
        ({"low": 1e5}, Defect.OHLC_RELATION),
        ({"close": 5e3, "high": 5e3}, Defect.ABSURD_PRICE),
        ({"open": 1.0, "low": 1.0}, Defect.ABSURD_PRICE),
        ({"open_ms": LISTED[25].open_ms + 1}, Defect.OFF_GRID),
        ({"open_ms": 0}, Defect.OFF_GRID),
    ],
)
def test_a_row_that_is_no_candle_is_dropped_and_named(change: dict[str, float], defect: Defect) -> None:
    bad = [*LISTED[:25], replace(LISTED[25], **change), *LISTED[26:]]  # type: ignore[arg-type]
    sifted = sift(bad, H1)
    assert same(sifted.candles, without(25))
    (found,) = sifted.findings
    assert (found.defect, found.rows, found.dropped) == (defect, 1, True)


def test_trap_b12_3_of_two_copies_the_finished_one_stays() -> None:
    partial = replace(LISTED[10], close=LISTED[10].open, volume=LISTED[10].volume / 3)
    for copies in ([partial, LISTED[10]], [LISTED[10], partial]):
        sifted = sift([*LISTED[:10], *copies, *LISTED[11:]], H1)
        assert same(sifted.candles, GOOD)
        assert [found.defect for found in sifted.findings] == [Defect.DUPLICATE]


def test_order_is_restored_and_told() -> None:
    sifted = sift(LISTED[::-1], H1)
    assert same(sifted.candles, GOOD)
    (found,) = sifted.findings
    assert (found.defect, found.dropped) == (Defect.OUT_OF_ORDER, False)


def test_weeks_have_their_own_grid() -> None:
    weeks = walk(Timeframe.W1, Timeframe.W1.floor(NOW), 3)
    assert sift(list(weeks), Timeframe.W1).findings == ()


def test_a_lone_wick_is_kept_as_served() -> None:
    wick = [*LISTED[:20], replace(LISTED[20], low=0.0001), *LISTED[21:]]
    assert sift(wick, H1).findings == ()


def test_a_new_level_that_stays_is_kept() -> None:
    level = [
        replace(c, open=c.open * 50, high=c.high * 50, low=c.low * 50, close=c.close * 50) for c in LISTED
    ]
    sifted = sift([*LISTED[:25], *level[25:]], H1)
    assert len(sifted.candles) == 50


def test_jumps_count_only_between_neighbours() -> None:
    jumped = rows(GOOD, np.arange(50))
    for name in ("open", "high", "low", "close"):
        getattr(jumped, name)[30:] *= 1.7
    (found,) = suspicious(jumped, jump_frac=0.5, zero_volume_run_bars=24)
    assert (found.defect, found.rows, found.first_ms) == (Defect.JUMP, 1, int(jumped.open_ms[30]))
    apart = rows(jumped, np.delete(np.arange(50), 29))
    assert suspicious(apart, jump_frac=0.5, zero_volume_run_bars=24) == ()
    assert suspicious(jumped, jump_frac=0.9, zero_volume_run_bars=24) == ()
    later = int(jumped.open_ms[31])
    assert suspicious(jumped, jump_frac=0.5, zero_volume_run_bars=24, since=later) == ()


@pytest.mark.parametrize(("quiet_bars", "told"), [(4, 0), (5, 5), (12, 12)])
def test_only_long_runs_without_volume_are_told(quiet_bars: int, told: int) -> None:
    quiet = rows(GOOD, np.arange(50))
    quiet.volume[7 : 7 + quiet_bars] = 0.0
    found = suspicious(quiet, jump_frac=0.5, zero_volume_run_bars=4)
    assert sum(one.rows for one in found if one.defect is Defect.ZERO_VOLUME_RUN) == told


@pytest.mark.parametrize("timeframe", [Timeframe.M15, Timeframe.H1, Timeframe.D1])
def test_staleness_is_relative_to_the_timeframe(timeframe: Timeframe) -> None:
    newest, knobs = timeframe.floor(NOW), CandleSettings(stale_after_bars=2.0)
    closed = newest + timeframe.ms
    assert staleness(newest, timeframe, now=closed + 2 * timeframe.ms, settings=knobs) == ()
    (found,) = staleness(newest, timeframe, now=closed + 2 * timeframe.ms + 1, settings=knobs)
    assert found.defect is Defect.STALE


def test_many_findings_become_one_a_kind() -> None:
    one = sift([replace(LISTED[0], close=NAN)], H1).findings
    two = sift([replace(LISTED[5], close=NAN), replace(LISTED[6], high=1.0)], H1).findings
    told = {found.defect: (found.rows, found.first_ms) for found in merged([*two, *one])}
    assert told == {
        Defect.NOT_A_NUMBER: (2, LISTED[0].open_ms),
        Defect.OHLC_RELATION: (1, LISTED[6].open_ms),
    }


anything = st.one_of(st.floats(), st.sampled_from([1.0, 2.0, 99.5, 100.0]))
candles = st.builds(
    Candle,
    st.integers(-3, 12).map(lambda n: FIRST + n * HOUR_MS // 2),
    anything,
    anything,
    anything,
    anything,
    anything,
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(candles, max_size=15))
def test_whatever_comes_what_is_left_can_be_stored(told: list[Candle]) -> None:
    """Order, grid, finite, positive, enclosed; each row is kept once or reported; sifting twice is idle."""
    with np.errstate(all="ignore"):
        sifted = sift(told, H1)
    kept = sifted.candles
    assert (np.diff(kept.open_ms) > 0).all()
    assert (kept.open_ms % HOUR_MS == 0).all()
    assert (kept.low > 0).all()
    assert (kept.volume >= 0).all()
    assert (kept.high >= np.maximum(kept.open, kept.close)).all()
    assert (kept.low <= np.minimum(kept.open, kept.close)).all()
    assert len(kept) + sum(found.rows for found in sifted.findings if found.dropped) == len(told)
    again = sift(list(kept), H1)
    assert {found.defect for found in again.findings} <= {Defect.ABSURD_PRICE}
