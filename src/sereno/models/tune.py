"""A small search for tree parameters, inside the train slice only: purged folds, every k-th row.

Deterministic: a seeded TPE sampler, one worker, a number of trials. `SAFETY_S` ends it on a machine that
is hopelessly slow; only then can two runs differ, and the model's manifest says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from sereno.core.settings import ModelSettings
from sereno.models.boost import OBJECTIVES, TreeParams, answer, grow, matrix
from sereno.models.contract import Progress, Role
from sereno.models.dataset import Dataset
from sereno.models.splits import expanding

SAFETY_S = 1800.0
MOST_ROWS = 5000
FOLDS = 2
MOST_ROUNDS = 150


class StoppedBy(StrEnum):
    """What ended a search: its number of trials, or the clock."""

    TRIALS = "trials"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Search:
    """What a search came to. `pruned` of its `trials` were given up after the first fold."""

    params: TreeParams
    trials: int = 0
    pruned: int = 0
    stopped_by: StoppedBy = StoppedBy.TRIALS

    def as_json(self) -> Mapping[str, object]:
        """For the manifest: how, not what was found."""
        return {"trials": self.trials, "pruned": self.pruned, "stopped_by": self.stopped_by.value}


def tune(role: Role, train: Dataset, *, settings: ModelSettings, stage: str, progress: Progress) -> Search:
    """The parameters with the least mean loss over the folds; the defaults are always among those tried."""
    if settings.trials == 0:
        return Search(TreeParams())
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folds = _folds(role, train, settings)
    objective, rounds = OBJECTIVES[role], min(MOST_ROUNDS, settings.rounds)

    def loss(trial: optuna.Trial) -> float:
        found = []
        for step, (head, tail) in enumerate(folds):
            _, _, score = grow(objective, _suggest(trial), head, rounds=rounds, settings=settings, tail=tail)
            found.append(score)
            trial.report(float(np.mean(found)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(found))

    study = optuna.create_study(
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=settings.seed, n_startup_trials=max(3, settings.trials // 2)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
    )
    study.enqueue_trial(dict(TreeParams().as_json()))
    study.optimize(
        loss,
        n_trials=settings.trials,
        timeout=SAFETY_S,
        callbacks=[lambda _, trial: progress(stage, trial.number + 1, settings.trials)],
    )
    done = study.get_trials(deepcopy=False)
    whole = any(trial.state is optuna.trial.TrialState.COMPLETE for trial in done)
    return Search(
        params=TreeParams(**study.best_params) if whole else TreeParams(),
        trials=len(done),
        pruned=sum(trial.state is optuna.trial.TrialState.PRUNED for trial in done),
        stopped_by=StoppedBy.TRIALS if len(done) == settings.trials else StoppedBy.TIME,
    )


def _suggest(trial: object) -> TreeParams:
    import optuna

    assert isinstance(trial, optuna.Trial)
    return TreeParams(
        depth=trial.suggest_int("depth", 2, 4),
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        leaf_rows=trial.suggest_float("leaf_rows", 40.0, 400.0, log=True),
        row_frac=trial.suggest_float("row_frac", 0.5, 0.9),
        column_frac=trial.suggest_float("column_frac", 0.3, 0.8),
        ridge=trial.suggest_float("ridge", 1.0, 60.0, log=True),
    )


def _folds(role: Role, train: Dataset, settings: ModelSettings) -> list[tuple[Any, Any]]:
    """Matrices of each fold, made once. Neighbouring labels overlap, so skipping rows loses little."""
    stride = max(1, len(train) // MOST_ROWS)
    thin = train.rows(np.arange(0, len(train), stride, dtype=np.int64))
    y = answer(role, thin)
    embargo_bars = -(-min(settings.embargo_bars, train.horizon_bars) // stride)
    steps = expanding(thin.ts, thin.end_ms, folds=FOLDS, first_frac=0.5, embargo_bars=embargo_bars)
    folds = []
    for head_rows, tail_rows in steps:
        head = matrix(thin.rows(head_rows), y[head_rows], threads=settings.threads)
        tail = matrix(thin.rows(tail_rows), y[tail_rows], threads=settings.threads, like=head)
        folds.append((head, tail))
    return folds
