"""Calibrated scores are frequencies, rise with the score, and survive the trip through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.candle import F64, I64
from sereno.models.calibration import (
    ISOTONIC_MIN_ROWS,
    Isotonic,
    Platt,
    fit_calibrator,
    fit_isotonic,
    fit_platt,
    from_json,
    renormalised,
    to_json,
)

law = settings(derandomize=True, max_examples=30, deadline=None)


def _overconfident(rows: int, seed: int) -> tuple[F64, I64]:
    """Scores whose log-odds are twice what the truth allows."""
    chance = np.random.default_rng(seed)
    logit = chance.standard_normal(rows)
    happened = (chance.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    return 1 / (1 + np.exp(-2 * logit)), happened


def test_platt_finds_the_overconfidence() -> None:
    score, happened = _overconfident(20_000, 1)
    line = fit_platt(score, happened, overlap_bars=1)
    assert line.slope == pytest.approx(0.5, abs=0.03)
    assert line.shift == pytest.approx(0.0, abs=0.05)


def test_platt_equals_the_oracle_when_the_prior_is_drowned() -> None:
    from sklearn.linear_model import LogisticRegression

    score, happened = _overconfident(20_000, 2)
    line = fit_platt(score, happened, overlap_bars=1)
    logit = np.log(score / (1 - score))[:, None]
    oracle = LogisticRegression(C=1e6).fit(logit, happened)
    assert line.slope == pytest.approx(float(oracle.coef_[0, 0]), abs=2e-3)


def test_trap_c12_9_few_independent_rows_leave_the_score_nearly_alone() -> None:
    score, happened = np.full(100, 0.3), np.ones(100, dtype=np.int64)
    timid, bold = (float(fit_platt(score, happened, overlap_bars=o).apply(score)[0]) for o in (100, 1))
    assert 0.3 < timid < 0.4 < bold


def test_distrusting_the_score_leaves_the_base_rate_alone() -> None:
    chance = np.random.default_rng(9)
    score, happened = chance.uniform(0.1, 0.3, 4000), (chance.random(4000) < 0.2).astype(np.int64)
    assert fit_platt(score, happened, overlap_bars=20).apply(score).mean() == pytest.approx(0.2, abs=0.01)


def test_a_score_that_points_the_wrong_way_is_flattened_not_turned_round() -> None:
    score, happened = _overconfident(5000, 3)
    rare = ((happened == 0) & (np.arange(5000) % 4 == 0)).astype(np.int64)
    line = fit_platt(score, rare, overlap_bars=1)
    assert line.slope == 0.0
    assert line.apply(score)[0] == pytest.approx(rare.mean(), abs=0.02)
    assert np.ptp(fit_isotonic(score, rare, overlap_bars=1).apply(score)[np.argsort(score)][50:-50]) < 0.05


def test_isotonic_equals_the_oracle_without_overlap() -> None:
    from sklearn.isotonic import IsotonicRegression

    score, happened = _overconfident(4000, 4)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(score, happened)
    found = fit_isotonic(score, happened, overlap_bars=1).apply(score)
    assert float(np.abs(found - oracle.predict(score)).mean()) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_trap_b12_15_isotonic_needs_rows(seed: int) -> None:
    score, happened = _overconfident(ISOTONIC_MIN_ROWS - 1, seed)
    assert isinstance(fit_calibrator(score, happened, overlap_bars=1), Platt)


def test_isotonic_is_taken_where_the_truth_is_a_step() -> None:
    chance = np.random.default_rng(7)
    score = chance.random(6000)
    happened = (chance.random(6000) < np.where(score > 0.9, 0.9, 0.1)).astype(np.int64)
    assert isinstance(fit_calibrator(score, happened, overlap_bars=1), Isotonic)


def test_trap_b12_15_the_choice_looks_at_the_later_part_only() -> None:
    """What happens in the later 40 % decides between the forms; shuffling it there changes the choice."""
    chance = np.random.default_rng(7)
    score = chance.random(6000)
    step = (chance.random(6000) < np.where(score > 0.9, 0.9, 0.1)).astype(np.int64)
    logistic = (chance.random(6000) < score).astype(np.int64)
    later = np.arange(6000) >= 3600
    kinds = {
        fit_calibrator(score, np.where(later, late, step), overlap_bars=1).kind for late in (step, logistic)
    }
    assert kinds == {"platt", "isotonic"}


@given(st.integers(0, 10_000), st.sampled_from([fit_platt, fit_isotonic]), st.integers(1, 20))
@law
def test_every_calibration_rises_stays_within_bounds_and_survives_json(
    seed: int, fit: object, overlap_bars: int
) -> None:
    score, happened = _overconfident(300, seed)
    calibrator = fit(score, happened, overlap_bars=overlap_bars)  # type: ignore[operator]
    again = from_json(json.loads(json.dumps(to_json(calibrator))))
    grid = np.linspace(0, 1, 101)
    out = calibrator.apply(grid)
    assert again == calibrator
    assert (again.apply(grid) == out).all()
    assert (np.diff(out) >= 0).all()
    assert ((out > 0) & (out < 1)).all()
    assert [float(calibrator.apply(grid[i : i + 1])[0]) for i in range(101)] == out.tolist()


@pytest.mark.parametrize(
    "raw",
    [
        {"kind": "pickle"},
        {"kind": "platt", "slope": "1", "shift": 0},
        {"kind": "isotonic", "scores": 3, "probs": []},
    ],
)
def test_foreign_shapes_are_refused(raw: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_json(raw)


def test_renormalised_rows_sum_to_one() -> None:
    prob = np.random.default_rng(8).random((50, 3)) + 1e-3
    assert renormalised(prob).sum(axis=1) == pytest.approx(np.ones(50))
