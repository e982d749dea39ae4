"""Learning one role from labelled rows: baseline, trees, calibration, judgement. No input or output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sereno.core.candle import I64
from sereno.core.errors import SkipThis
from sereno.core.settings import ModelSettings
from sereno.core.timeframe import UtcMs
from sereno.models.baseline import fit_baseline
from sereno.models.boost import TreeParams, fit_boosted
from sereno.models.champion import Champion, against_baseline, judged, mean_against_baseline
from sereno.models.contract import Progress, Role, silent
from sereno.models.dataset import Dataset
from sereno.models.evaluate import Scores, curves, importance, row_losses, scores
from sereno.models.gate import Choice, Duel, NoDuel, Verdict, chosen
from sereno.models.outlook import Baseline, Outlook, Return, Shrink
from sereno.models.splits import Split, time_split
from sereno.models.tune import Search, tune

LEAST_SLICE_ROWS = 30
NO_CHAMPION = NoDuel("none was given")


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What came out for one role; `choice` is what the gate lets serve.

    trees          as they were learned and calibrated
    challenger     what is kept of them: with the baseline's mean return where their own was refused
    mean_verdict   on their mean return, which a decision reads; None for roles without one
    """

    role: Role
    baseline: Baseline
    trees: Outlook
    challenger: Outlook
    verdict: Verdict
    mean_verdict: Verdict | None
    duel: Duel | NoDuel
    choice: Choice
    search: Search
    metrics: Scores
    baseline_metrics: Scores
    required: tuple[str, ...]
    test_from_ms: UtcMs
    evaluation: Mapping[str, Any]

    @property
    def served(self) -> Outlook:
        """The better one of the two, by the gate's judgement."""
        return self.challenger if self.verdict.passed else self.baseline

    @property
    def refused_reason(self) -> str | None:
        """Why the trees do not serve; None when they do."""
        if self.choice is Choice.CHALLENGER or not isinstance(self.duel, Duel):
            return self.verdict.reason
        if self.duel.is_clearly_won:
            worse = f"clearly worse than {self.duel.version}, which serves"
        else:
            worse = f"the mean return did not pass, and that of {self.duel.version}, which serves, did"
        return self.verdict.reason or worse


def split_rows(data: Dataset, settings: ModelSettings) -> Split:
    """Train, calibration and test rows. Raises SkipThis when there are too few to learn and to judge."""
    if len(data) < settings.min_rows:
        raise SkipThis(
            "models.too_few_rows",
            remedy="collect more history, or lower models.min_rows",
            rows=len(data),
            needed=settings.min_rows,
        )
    split = time_split(
        data.ts,
        data.end_ms,
        calibration_frac=settings.calibration_frac,
        test_frac=settings.test_frac,
        embargo_bars=settings.embargo_bars,
    )
    smallest = min(len(split.train), len(split.calibration), len(split.test))
    if smallest < LEAST_SLICE_ROWS:
        raise SkipThis(
            "models.too_few_rows",
            remedy="collect more history, or lower models.embargo_bars",
            smallest_slice_rows=smallest,
            needed=LEAST_SLICE_ROWS,
        )
    return split


def learn(
    role: Role,
    data: Dataset,
    settings: ModelSettings,
    *,
    params: TreeParams | None = None,
    champion: Champion | NoDuel = NO_CHAMPION,
    peers: Sequence[Dataset] = (),
    journal: Path | None = None,
    stage: str = "",
    progress: Progress = silent,
) -> Learned:
    """Fit a role on the older rows and judge it on the newest.

    params     skips the search for tree parameters
    journal    keeps the trials of the search; see `tune`
    champion   what serves now, to be kept up with
    peers      rows of other series, which the trees learn from as well
    Raises SkipThis `models.too_few_rows`.
    """
    split = split_rows(data, settings)
    train, calibration, test = (data.rows(rows) for rows in (split.train, split.calibration, split.test))
    steps = settings.trials + 2
    search = (
        Search(params)
        if params
        else tune(
            role,
            train,
            settings=settings,
            stage=stage or role,
            progress=lambda name, done, _: progress(name, done, steps),
            journal=journal,
        )
    )
    baseline = fit_baseline(role, data.rows(np.concatenate([split.train, split.calibration])))
    trees, rounds = fit_boosted(
        role,
        train,
        calibration,
        params=search.params,
        settings=settings,
        baseline=baseline,
        peers=peers,
    )
    progress(stage or role, steps - 1, steps)
    outputs, plain = trees.outputs(test.x), baseline.outputs(test.x)
    verdict = against_baseline(role, outputs, plain, test)
    mean_verdict = mean_against_baseline(role, outputs, plain, test)
    challenger = _challenger(trees, baseline, mean_verdict)
    duel = judged(row_losses(role, outputs, test), plain, champion, role, test)
    choice = chosen(verdict, duel, mean_verdict)
    found, found_plain = scores(role, challenger.outputs(test.x), test), scores(role, plain, test)
    progress(stage or role, steps, steps)
    return Learned(
        role=role,
        baseline=baseline,
        trees=trees,
        challenger=challenger,
        verdict=verdict,
        mean_verdict=mean_verdict,
        duel=duel,
        choice=choice,
        search=search,
        metrics=found,
        baseline_metrics=found_plain,
        required=train.always_present(),
        test_from_ms=int(test.ts[0]),
        evaluation={
            "metrics": found,
            "baseline_metrics": found_plain,
            "verdict": asdict(verdict),
            "mean_verdict": asdict(mean_verdict) if mean_verdict else None,
            "mean": _mean(challenger, mean_verdict),
            "choice": choice.value,
            "champion": asdict(duel) if isinstance(duel, Duel) else None,
            "tuning": search.as_json(),
            "curves": curves(role, outputs, test),
            "importance": importance(trees, data.names),
            "slices": {
                name: _extent(data.ts[rows])
                for name, rows in (
                    ("train", split.train),
                    ("calibration", split.calibration),
                    ("test", split.test),
                )
            },
            "params": search.params.as_json(),
            "rounds": rounds,
        },
    )


def _challenger(trees: Outlook, baseline: Baseline, mean_verdict: Verdict | None) -> Outlook:
    if mean_verdict is None or mean_verdict.passed or not isinstance(trees, Return):
        return trees
    return replace(trees, shrink=Shrink(centre=baseline.values[0], weight=0.0))


def _mean(challenger: Outlook, mean_verdict: Verdict | None) -> Mapping[str, Any] | None:
    """Whose mean return the trees would serve, and what of the learned one: centre and weight."""
    if mean_verdict is None or not isinstance(challenger, Return):
        return None
    return {"kind": "learned" if mean_verdict.passed else "baseline", **asdict(challenger.shrink)}


def _extent(ts: I64) -> Mapping[str, int]:
    return {"rows": len(ts), "first_ms": int(ts[0]), "last_ms": int(ts[-1])}
