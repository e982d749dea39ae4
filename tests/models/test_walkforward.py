"""Walk-forward: each fold knows only its past, and each candle is forecast by the newest fold that may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sereno.core.errors import SkipThis
from sereno.models.contract import Role
from sereno.models.walkforward import WalkForward, walk_rows
from tests.models.worlds import BARRIERS, MODELS, SERIES, World, world

FOLDS = 3


def _walk(made: World, **changed: object) -> WalkForward:
    return walk_rows(
        SERIES,
        made.frame,
        made.labels,
        folds=FOLDS,
        models=MODELS.model_copy(update=changed),
        horizon_bars=BARRIERS.horizon_bars,
    )


@pytest.fixture(scope="module")
def made() -> World:
    return world(rows=2500, edge=0.5, seed=11)


@pytest.fixture(scope="module")
def walked(made: World) -> WalkForward:
    return _walk(made)


def test_folds_expand_and_never_overlap(walked: WalkForward) -> None:
    assert [fold.number for fold in walked.folds] == [1, 2, 3]
    for earlier, later in zip(walked.folds[:-1], walked.folds[1:], strict=True):
        assert earlier.train_rows < later.train_rows
        assert earlier.test_to_ms < later.test_from_ms
    for fold in walked.folds:
        embargo_ms = (MODELS.embargo_bars + BARRIERS.horizon_bars) * SERIES.timeframe.ms
        assert fold.test_from_ms - fold.train_to_ms >= embargo_ms


def test_forecasts_are_joined_in_order_once_each(walked: WalkForward) -> None:
    assert (np.diff(walked.forecasts.ts) > 0).all()
    assert len(walked.forecasts) == sum(len(fold.forecasts) for fold in walked.folds)
    assert walked.forecasts.present.all()
    assert walked.folds[0].forecasts.model_version == "walk-forward:1"


def test_embargoed_rows_are_forecast_by_the_fold_before_and_scored_by_none(made: World) -> None:
    walked = _walk(made, embargo_bars=40)
    assert set(np.diff(walked.forecasts.ts).tolist()) == {SERIES.timeframe.ms}
    for fold in walked.folds[:-1]:
        assert len(fold.forecasts) >= fold.test_rows + 40


def test_every_fold_is_scored_against_its_baseline(walked: WalkForward) -> None:
    for fold in walked.folds:
        assert set(fold.metrics) == set(Role)
        for found in fold.metrics.values():
            assert set(found.trees) == set(found.baseline)
        trend = fold.metrics[Role.TREND]
        assert trend.served == "boosted"
        assert trend.trees["log_loss"] < trend.baseline["log_loss"]  # type: ignore[operator]


def test_trap_b12_15_each_fold_is_trained_again(walked: WalkForward) -> None:
    """Trap B12.15: a walk-forward that re-fits nothing."""
    at = [fold.forecasts.prob_up[:5].tolist() for fold in walked.folds]
    assert len({tuple(values) for values in at}) == FOLDS


def test_trap_e4_9_the_future_changes_no_forecast_of_an_earlier_fold(
    made: World, walked: WalkForward
) -> None:
    chance = np.random.default_rng(3)
    from_ms = walked.folds[1].test_from_ms
    later = made.frame.ts >= from_ms
    values = np.where(later[:, None], chance.standard_normal(made.frame.values.shape), made.frame.values)
    labels = replace(
        made.labels,
        long=np.where(later & (made.labels.long >= 0), 0, made.labels.long).astype(np.int8),
        forward_return=np.where(later, 3 * made.labels.forward_return, made.labels.forward_return),
    )
    other = _walk(replace(made, frame=replace(made.frame, values=values), labels=labels))
    assert other.folds[0].forecasts.prob_up.tolist() == walked.folds[0].forecasts.prob_up.tolist()
    assert other.folds[2].forecasts.prob_up.tolist() != walked.folds[2].forecasts.prob_up.tolist()


def test_without_an_edge_the_folds_serve_the_baseline() -> None:
    walked = _walk(world(rows=2500, edge=0.0, seed=12))
    served = [fold.metrics[Role.TREND].served for fold in walked.folds]
    assert served.count("baseline") >= FOLDS - 1


def test_too_little_history_for_the_first_fold() -> None:
    with pytest.raises(SkipThis) as caught:
        _walk(world(rows=400, edge=0.3, seed=13))
    assert caught.value.event == "models.too_few_rows"


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    made = world(rows=1200, edge=0.5, seed=14)
    walk_rows(
        SERIES,
        made.frame,
        made.labels,
        folds=2,
        models=MODELS,
        horizon_bars=BARRIERS.horizon_bars,
        progress=lambda *step: told.append(step),
    )
    assert [(done, total) for _, done, total in told] == [(0, 2), (1, 2), (2, 2)]
