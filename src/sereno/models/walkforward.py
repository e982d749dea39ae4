"""Walk-forward: the whole procedure of training, gate included, repeated as time goes on.

Each fold knows only what was known when it begins: it splits its past into train, calibration and test,
lets the gate choose between trees and baseline there, and then forecasts the next block. So the joined
forecasts know nothing of what they forecast. They are not word for word what the desk would have said: a
desk trains far more often than once a fold, with tuned parameters and more rounds. Parameters that are
served today would know too much, since they were chosen on candles that lie in the blocks ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sereno.core.candle import Candles
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.settings import BarrierSettings, CostSettings, ModelSettings, WalkForwardSettings
from sereno.core.timeframe import UtcMs
from sereno.models.boost import TreeParams
from sereno.models.compose import Inputs, compose
from sereno.models.contract import Forecasts, Frame, Progress, Role, silent
from sereno.models.dataset import Dataset, Outcomes, join
from sereno.models.evaluate import Scores, scores
from sereno.models.learn import Learned, learn
from sereno.models.splits import expanding
from sereno.models.taught import peer_rows, rows_of

PLAN = WalkForwardSettings()
"""What is done where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class FoldScores:
    """One role in one fold: what was served, and the scores of trees and baseline on the next block."""

    served: str
    trees: Scores
    baseline: Scores


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One step: trained on the rows before `test_from_ms`, forecasts until `test_to_ms` (close of the last).

    test_rows   labelled ones that it is scored on; those of the next fold's embargo are forecast, not scored
    """

    number: int
    train_rows: int
    test_rows: int
    train_to_ms: UtcMs
    test_from_ms: UtcMs
    test_to_ms: UtcMs
    metrics: Mapping[Role, FoldScores]
    forecasts: Forecasts


@dataclass(frozen=True, slots=True, eq=False)
class WalkForward:
    """All folds, and their forecasts joined, all out of sample; embargoed rows are the fold's before them."""

    series: Series
    folds: tuple[Fold, ...]
    forecasts: Forecasts


def walk_forward(
    candles: Candles,
    series: Series,
    *,
    plan: WalkForwardSettings = PLAN,
    models: ModelSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
    peers: Sequence[Candles] = (),
    progress: Progress = silent,
) -> WalkForward:
    """Retrain `plan.folds` times over an expanding past. Tree parameters are the defaults, not tuned.

    peers   candles of other series of the timeframe, from which the trees learn as well

    Raises SkipThis: `models.empty_history`, `models.short_history`, `models.too_few_rows`.
    """
    if not len(candles):
        raise SkipThis("models.empty_history", remedy="collect candles first", series=series.key)
    frame, labels = rows_of(candles, barriers=barriers, costs=costs)
    return walk_rows(
        series,
        frame,
        labels,
        folds=plan.folds,
        first_frac=plan.first_frac,
        rounds=plan.rounds,
        models=models,
        horizon_bars=barriers.horizon_bars,
        peers=peer_rows(peers, barriers=barriers, costs=costs),
        progress=progress,
    )


def walk_rows(
    series: Series,
    frame: Frame,
    labels: Outcomes,
    *,
    folds: int,
    models: ModelSettings,
    horizon_bars: int,
    first_frac: float = PLAN.first_frac,
    rounds: int = PLAN.rounds,
    peers: Sequence[Dataset] = (),
    progress: Progress = silent,
) -> WalkForward:
    """`walk_forward` from features and labels that are already there.

    first_frac   share of the rows that the first fold's past holds
    rounds       most boosting rounds of a fold, within those of `models`
    """
    data = join(frame, labels, timeframe=series.timeframe, horizon_bars=horizon_bars)
    if len(data) * first_frac < models.min_rows:
        raise SkipThis(
            "models.too_few_rows",
            remedy="collect more history, or lower models.min_rows",
            rows=len(data),
            needed=int(models.min_rows / first_frac),
        )
    thrifty = models.model_copy(update={"trials": 0, "rounds": min(models.rounds, rounds)})
    steps = expanding(
        data.ts, data.end_ms, folds=folds, first_frac=first_frac, embargo_bars=models.embargo_bars
    )
    done = []
    for number, (past, ahead) in enumerate(steps, start=1):
        progress(f"{series.instrument.slug} {series.timeframe} walk-forward", number - 1, folds)
        last = number == folds
        until = None if last else int(data.ts[steps[number][1][0]])
        done.append(_fold(number, data.rows(past), data.rows(ahead), frame, until, thrifty, peers))
    progress(f"{series.instrument.slug} {series.timeframe} walk-forward", folds, folds)
    joined = Forecasts.joined((fold.forecasts for fold in done), model_version="walk-forward")
    return WalkForward(series=series, folds=tuple(done), forecasts=joined)


def _fold(
    number: int,
    past: Dataset,
    ahead: Dataset,
    frame: Frame,
    until: UtcMs | None,
    models: ModelSettings,
    peers: Sequence[Dataset],
) -> Fold:
    learned = {role: learn(role, past, models, params=TreeParams(), peers=peers) for role in Role}
    first_ms = int(ahead.ts[0])
    start = int(np.searchsorted(frame.ts, first_ms))
    stop = len(frame.ts) if until is None else int(np.searchsorted(frame.ts, until))
    cut = slice(start, stop)
    forecasts = compose(
        {role: one.served for role, one in learned.items()},
        Inputs(frame.ts[cut], frame.values[cut], frame.atr[cut], frame.close[cut]),
        names=tuple(frame.names),
        required=frozenset().union(*(one.required for one in learned.values())),
        horizon_bars=past.horizon_bars,
        model_version=f"walk-forward:{number}",
    )
    return Fold(
        number=number,
        train_rows=len(past),
        test_rows=len(ahead),
        train_to_ms=int(past.ts[-1]),
        test_from_ms=first_ms,
        test_to_ms=int(frame.ts[stop - 1]),
        metrics={role: _scored(one, ahead) for role, one in learned.items()},
        forecasts=forecasts,
    )


def _scored(learned: Learned, ahead: Dataset) -> FoldScores:
    return FoldScores(
        served=learned.served.kind,
        trees=scores(learned.role, learned.challenger.outputs(ahead.x), ahead),
        baseline=scores(learned.role, learned.baseline.outputs(ahead.x), ahead),
    )
