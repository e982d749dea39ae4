"""Joining features with labels: what becomes a row, and what does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sereno.core.errors import SkipThis
from sereno.core.timeframe import Timeframe
from sereno.models.dataset import DOWN, NEITHER, UP, Dataset, join
from tests.models.worlds import BARRIERS, NAMES, FakeFrame, FakeLabels, world

MADE = world(rows=300, edge=0.3, seed=3)
HORIZON = BARRIERS.horizon_bars


def _joined(frame: FakeFrame = MADE.frame, labels: FakeLabels = MADE.labels) -> Dataset:
    return join(frame, labels, timeframe=Timeframe.H1, horizon_bars=HORIZON)


def test_warm_up_and_unlabelled_tail_are_left_out() -> None:
    data = _joined()
    assert data.ts[0] == MADE.frame.ts[40], "the feature `late` has its first value on row 40"
    assert data.ts[-1] == MADE.frame.ts[-1 - HORIZON]


@pytest.mark.parametrize("side", ["long", "short"])
def test_a_row_with_one_side_unlabelled_is_dropped(side: str) -> None:
    broken = getattr(MADE.labels, side).copy()
    broken[100] = -1
    data = _joined(labels=replace(MADE.labels, **{side: broken}))
    assert MADE.frame.ts[100] not in data.ts
    assert len(data) == len(_joined()) - 1


def test_classes_follow_the_side_that_reached_its_target() -> None:
    data = _joined()
    at = np.searchsorted(MADE.frame.ts, data.ts)
    assert ((data.trend == UP) == (MADE.labels.long[at] == 1)).all()
    assert ((data.trend == DOWN) == (MADE.labels.short[at] == 1)).all()
    assert (data.stops[:, 0] == (MADE.labels.long[at] == 0)).all()
    assert {UP, DOWN, NEITHER} == set(data.trend.tolist())


def test_both_targets_first_is_neither() -> None:
    """Possible only with a target nearer than the stop; the probabilities then are lower bounds."""
    long, short = MADE.labels.long.copy(), MADE.labels.short.copy()
    long[100] = short[100] = 1
    data = _joined(labels=replace(MADE.labels, long=long, short=short))
    assert data.trend[np.searchsorted(data.ts, MADE.frame.ts[100])] == NEITHER


def test_returns_are_in_units_of_atr() -> None:
    data = _joined()
    at = np.searchsorted(MADE.frame.ts, data.ts)
    back = data.return_atr * MADE.frame.atr[at] / MADE.frame.close[at]
    assert back == pytest.approx(MADE.labels.forward_return[at])


def test_a_row_ends_when_its_return_does_even_if_a_barrier_came_earlier() -> None:
    early = replace(MADE.labels, end_ms=MADE.labels.ts + 1)
    data = _joined(labels=early)
    assert (data.end_ms - data.ts == HORIZON * Timeframe.H1.ms).all()


def test_a_gap_moves_the_end_of_the_rows_before_it() -> None:
    jump = np.where(np.arange(300) >= 150, 7 * Timeframe.H1.ms, 0)
    frame = replace(MADE.frame, ts=MADE.frame.ts + jump)
    data = _joined(frame, replace(MADE.labels, ts=MADE.labels.ts + jump, end_ms=MADE.labels.ts))
    at = int(np.searchsorted(data.ts, frame.ts[148]))
    assert data.end_ms[at] - data.ts[at] == (HORIZON + 7) * Timeframe.H1.ms


def test_trap_c12_4_labels_are_no_features() -> None:
    data = _joined()
    assert data.names == NAMES
    assert data.x.shape[1] == len(NAMES)
    outcomes = {name for name in FakeLabels.__annotations__ if name != "ts"}
    assert not outcomes & set(data.names)
    answers = [data.trend, data.return_atr, *data.stops.T]
    for column in data.x.T:
        assert all(abs(np.corrcoef(column, a)[0, 1]) < 0.9 for a in answers)


def test_trap_a12_7_rows_are_never_filled_in() -> None:
    """A feature that lacks a value stays NaN: no median of the whole history takes its place."""
    values = MADE.frame.values.copy()
    values[200, 4] = np.nan
    data = _joined(replace(MADE.frame, values=values))
    at = int(np.searchsorted(data.ts, MADE.frame.ts[200]))
    assert np.isnan(data.x[at, 4])
    assert "noise_a" not in data.always_present()
    assert "signal" in data.always_present()


def test_less_history_than_the_longest_look_back() -> None:
    short = MADE.frame.head(30)
    labels = MADE.labels
    cut = FakeLabels(*(getattr(labels, name)[:30] for name in FakeLabels.__annotations__))
    with pytest.raises(SkipThis, match="late") as caught:
        _joined(short, cut)
    assert caught.value.event == "models.short_history"


def test_empty_history() -> None:
    cut = FakeLabels(*(getattr(MADE.labels, name)[:0] for name in FakeLabels.__annotations__))
    with pytest.raises(SkipThis) as caught:
        _joined(MADE.frame.head(0), cut)
    assert caught.value.event == "models.empty_history"


def test_features_and_labels_of_different_candles_are_a_defect() -> None:
    with pytest.raises(ValueError, match="same candles"):
        _joined(labels=replace(MADE.labels, ts=MADE.labels.ts + 1))
