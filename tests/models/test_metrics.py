"""The scores against an independent implementation, and their edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.models import metrics
from sereno.models.contract import QUANTILES

NOTHING = np.array([], dtype=np.float64)
NO_CLASS = np.array([], dtype=np.int64)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=2, max_size=60))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_auc_counts_ties_as_half(rows: list[tuple[int, int]]) -> None:
    score = np.array([s / 5 for s, _ in rows])
    happened = np.array([h for _, h in rows], dtype=np.int64)
    found = metrics.auc(score, happened)
    yes, no = score[happened == 1], score[happened == 0]
    if not len(yes) or not len(no):
        assert found is None
        return
    pairs = [(1.0 if a > b else 0.5 if a == b else 0.0) for a in yes for b in no]
    assert found == pytest.approx(np.mean(pairs), abs=1e-12)


def test_trap_a30_19_auc_with_ties_equals_the_oracle() -> None:
    from sklearn.metrics import roc_auc_score

    chance = np.random.default_rng(4)
    score, happened = np.round(chance.random(500), 1), chance.integers(0, 2, 500)
    assert metrics.auc(score, happened) == pytest.approx(roc_auc_score(happened, score), abs=1e-12)


def test_log_loss_brier_and_pinball_equal_the_oracles() -> None:
    from sklearn.metrics import brier_score_loss, log_loss, mean_pinball_loss

    chance = np.random.default_rng(5)
    prob = chance.dirichlet([2, 2, 2], 400)
    outcome = chance.integers(0, 3, 400)
    assert metrics.log_loss(prob, outcome) == pytest.approx(log_loss(outcome, prob, labels=[0, 1, 2]))
    happened = (outcome == 0).astype(np.int64)
    assert metrics.brier(prob[:, 0], happened) == pytest.approx(brier_score_loss(happened, prob[:, 0]))
    target, quantile = chance.standard_normal(400), np.sort(chance.standard_normal((400, 3)), axis=1)
    oracle = np.mean([mean_pinball_loss(target, quantile[:, i], alpha=a) for i, a in enumerate(QUANTILES)])
    assert metrics.pinball(quantile, target, QUANTILES) == pytest.approx(oracle)


def test_undefined_scores_are_none() -> None:
    one_class = np.ones(5, dtype=np.int64)
    assert metrics.auc(np.linspace(0, 1, 5), one_class) is None
    assert metrics.auc(np.linspace(0, 1, 5), 1 - one_class) is None
    assert metrics.log_loss(np.empty((0, 3)), NO_CLASS) is None
    assert metrics.brier(NOTHING, NO_CLASS) is None
    assert metrics.ece(NOTHING, NO_CLASS) is None
    assert metrics.pinball(np.empty((0, 3)), NOTHING, QUANTILES) is None
    assert metrics.coverage(NOTHING, NOTHING, NOTHING) is None
    assert metrics.rmse(NOTHING, NOTHING) is None
    assert metrics.calibration_curve(NOTHING, NO_CLASS) == ()


def test_certain_and_wrong_is_finite() -> None:
    assert np.isfinite(metrics.row_binary_log_loss(np.array([0.0, 1.0]), np.array([1, 0]))).all()
    assert np.isfinite(metrics.row_log_loss(np.array([[0.0, 0.0, 1.0]]), np.array([0]))).all()


def test_ece_is_zero_for_true_frequencies_and_grows_with_the_error() -> None:
    happened = np.array([0, 0, 0, 1] * 100, dtype=np.int64)
    assert metrics.ece(np.full(400, 0.25), happened) == pytest.approx(0.0, abs=1e-12)
    assert metrics.ece(np.full(400, 0.45), happened) == pytest.approx(0.2, abs=1e-12)


def test_bins_hold_every_row_once_and_keep_equal_forecasts_together() -> None:
    chance = np.random.default_rng(6)
    prob, happened = np.round(chance.random(333), 2), chance.integers(0, 2, 333)
    curve = metrics.calibration_curve(prob, happened)
    assert sum(rows for _, _, rows in curve) == 333
    assert [p for p, _, _ in curve] == sorted(p for p, _, _ in curve)
    assert len(metrics.calibration_curve(np.full(50, 0.3), happened[:50])) == 1


def test_coverage_counts_the_ends() -> None:
    low, high = np.zeros(4), np.ones(4)
    assert metrics.coverage(low, high, np.array([0.0, 1.0, 0.5, 1.1])) == 0.75
