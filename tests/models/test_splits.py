"""Nothing that is trained on may know anything of the slice that follows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import I64
from sereno.models.splits import expanding, purged, tail_split, time_split
from tests.models.worlds import World, world

moments = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40)), min_size=20, max_size=200)
law = settings(derandomize=True, max_examples=60, deadline=None)


def _columns(rows: list[tuple[int, int]]) -> tuple[I64, I64]:
    ts = np.cumsum([step for step, _ in rows]).astype(np.int64)
    return ts, ts + np.array([span for _, span in rows], dtype=np.int64)


def _apart(early: I64, late: I64, ts: I64, end_ms: I64) -> None:
    if len(early) and len(late):
        assert early.max() < late.min()
        assert end_ms[early].max() <= ts[late].min()


@given(moments, st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.integers(0, 10))
@law
def test_r7_no_label_ends_after_the_next_slice_starts(
    rows: list[tuple[int, int]], calibration_frac: float, test_frac: float, embargo_bars: int
) -> None:
    ts, end_ms = _columns(rows)
    split = time_split(
        ts, end_ms, calibration_frac=calibration_frac, test_frac=test_frac, embargo_bars=embargo_bars
    )
    _apart(split.train, split.calibration, ts, end_ms)
    _apart(split.calibration, split.test, ts, end_ms)
    _apart(split.train, split.test, ts, end_ms)


@given(moments, st.integers(1, 5), st.integers(0, 10))
@law
def test_folds_never_overlap_their_past(rows: list[tuple[int, int]], folds: int, embargo_bars: int) -> None:
    ts, end_ms = _columns(rows)
    steps = expanding(ts, end_ms, folds=folds, first_frac=0.4, embargo_bars=embargo_bars)
    assert len(steps) == folds
    for past, ahead in steps:
        _apart(past, ahead, ts, end_ms)
    covered = np.concatenate([ahead for _, ahead in steps])
    assert len(set(covered.tolist())) == len(covered)


@given(moments, st.integers(0, 5))
@law
def test_the_stopping_tail_is_purged_too(rows: list[tuple[int, int]], embargo_bars: int) -> None:
    ts, end_ms = _columns(rows)
    head, tail = tail_split(ts, end_ms, tail_frac=0.2, embargo_bars=embargo_bars)
    _apart(head, tail, ts, end_ms)


def test_embargo_leaves_out_exactly_its_rows_after_each_boundary() -> None:
    ts = np.arange(1000, dtype=np.int64)
    plain = time_split(ts, ts, calibration_frac=0.2, test_frac=0.2, embargo_bars=0)
    kept = time_split(ts, ts, calibration_frac=0.2, test_frac=0.2, embargo_bars=7)
    assert (plain.calibration[0], plain.test[0]) == (600, 800)
    assert (kept.calibration[0], kept.test[0]) == (607, 807)
    assert len(plain.train) == len(kept.train) == 600


def test_purge_removes_long_labels_wherever_they_stand() -> None:
    ts = np.arange(10, dtype=np.int64)
    end_ms = ts.copy()
    end_ms[2] = 99
    assert purged(ts, end_ms, 0, 8, before_ms=8).tolist() == [0, 1, 3, 4, 5, 6, 7]


def _learnable() -> World:
    return world(rows=400, edge=0.3, seed=2)


def test_trap_a30_25_the_label_overlap_is_purged_and_trap_e4_9_slices_are_in_time_order() -> None:
    """Labels span several bars: the last rows before a boundary must go, whatever the split."""
    made = _learnable()
    ts, end_ms = made.labels.ts, made.labels.end_ms
    split = time_split(ts, end_ms, calibration_frac=0.15, test_frac=0.2, embargo_bars=0)
    boundary = split.calibration[0]
    assert split.train[-1] == boundary - 5, "rows whose five bars reach into calibration are purged"
    assert (np.diff(np.concatenate([split.train, split.calibration, split.test])) > 0).all()


def test_trap_a12_7_purge_uses_label_ends_not_row_order() -> None:
    made = _learnable()
    late_end = made.labels.end_ms.copy()
    late_end[10] = made.labels.ts[-1]
    split = time_split(made.labels.ts, late_end, calibration_frac=0.15, test_frac=0.2, embargo_bars=0)
    assert 10 not in split.train
