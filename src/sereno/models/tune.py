"""A small search for tree parameters, inside the train slice only: purged folds, every k-th row.

Deterministic: one worker, a number of trials, and a TPE sampler that is seeded anew for each of them, so that
a trial follows from those before it alone and an interrupted search ends as an undisturbed one does.
`SAFETY_S` ends it on a machine that is hopelessly slow; only then can two runs differ, and the model's
manifest says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sereno.core.settings import ModelSettings
from sereno.models.boost import OBJECTIVES, TreeParams, answer, grow, matrix
from sereno.models.contract import Progress, Role
from sereno.models.dataset import Dataset
from sereno.models.search_journal import opened
from sereno.models.splits import expanding

if TYPE_CHECKING:
    import optuna

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


def tune(
    role: Role,
    train: Dataset,
    *,
    settings: ModelSettings,
    stage: str,
    progress: Progress,
    journal: Path | None = None,
) -> Search:
    """The parameters with the least mean loss over the folds; the defaults are always among those tried.

    journal   where trials are kept until somebody removes the file; a search found there goes on
    """
    if settings.trials == 0:
        return Search(TreeParams())
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, loss = opened(journal), _loss(role, train, settings)
    since_s = time.monotonic()
    while (done := len(_ended(study))) < settings.trials and time.monotonic() - since_s < SAFETY_S:
        if not done and not _waits(study):
            study.enqueue_trial(dict(TreeParams().as_json()))
        study.sampler = _sampler(settings, done)
        study.optimize(loss, n_trials=1)
        progress(stage, done + 1, settings.trials)
    return _found(study, settings)


def _loss(role: Role, train: Dataset, settings: ModelSettings) -> Callable[[optuna.Trial], float]:
    """What a trial is judged by; one that looks hopeless after the first fold is given up."""
    import optuna

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

    return loss


def _sampler(settings: ModelSettings, done: int) -> optuna.samplers.BaseSampler:
    import optuna

    seed = int(np.random.SeedSequence((settings.seed, done)).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(3, settings.trials // 2))


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials with a result; one during which its process died has none."""
    from optuna.trial import TrialState

    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return list(study.get_trials(deepcopy=False, states=ended))


def _waits(study: optuna.Study) -> bool:
    from optuna.trial import TrialState

    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _found(study: optuna.Study, settings: ModelSettings) -> Search:
    from optuna.trial import TrialState

    done = _ended(study)
    pruned = sum(trial.state is TrialState.PRUNED for trial in done)
    return Search(
        params=TreeParams(**study.best_params) if len(done) > pruned else TreeParams(),
        trials=len(done),
        pruned=pruned,
        stopped_by=StoppedBy.TRIALS if len(done) == settings.trials else StoppedBy.TIME,
    )


def _suggest(trial: optuna.Trial) -> TreeParams:
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
