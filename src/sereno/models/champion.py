"""The trees that serve now, made to forecast the rows on which a new model is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sereno.core.candle import F64
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.timeframe import UtcMs
from sereno.models.compose import picked
from sereno.models.contract import Role
from sereno.models.dataset import Dataset
from sereno.models.evaluate import briers, row_losses, row_mean_losses
from sereno.models.gate import (
    BLOCK_HORIZONS,
    Duel,
    NoDuel,
    Verdict,
    block_p_value,
    blunted,
    compare,
    least_rows,
)
from sereno.models.outlook import Outlook, Return, read_outlook
from sereno.store.canonical import json_text
from sereno.store.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class Champion:
    """The served trees of a role; `unseen_from_ms` is the first row that they were not fitted on."""

    version: str
    outlook: Outlook
    features: tuple[str, ...]
    unseen_from_ms: UtcMs


def champion_of(
    registry: Registry,
    role: Role,
    series: Series,
    *,
    names: tuple[str, ...],
    label_params: Mapping[str, Any],
) -> Champion | NoDuel:
    """What serves a role, if it answers the same question from the same features; otherwise why it cannot duel."""
    if registry.current(role, series) is None:
        return NoDuel("nothing serves yet")
    try:
        artefact = registry.load(role, series)
        features = tuple(artefact.manifest.features)
        picked(names, wanted=features)
        outlook = read_outlook(role, artefact.files, features=features)
    except SkipThis as cause:
        return NoDuel(f"what serves cannot be compared: {cause}")
    if outlook.kind == "baseline":
        return NoDuel("a baseline serves")
    if json_text(artefact.manifest.label_params) != json_text(label_params):
        return NoDuel("what serves was learned with other barriers or costs")
    return Champion(
        artefact.manifest.version, outlook, features, int(artefact.manifest.extra["test_from_ms"])
    )


def judged(
    verdict_losses: F64,
    outputs_of_baseline: F64,
    champion: Champion | NoDuel,
    role: Role,
    test: Dataset,
) -> Duel | NoDuel:
    """The champion against the challenger and against today's baseline, on the rows that neither was fitted on.

    verdict_losses        (n,) the challenger's loss on the test rows
    outputs_of_baseline   (n, width) on the same rows
    """
    if isinstance(champion, NoDuel):
        return champion
    since = int(np.searchsorted(test.ts, champion.unseen_from_ms))
    rows, needed = len(test) - since, least_rows(test.horizon_bars)
    if rows < needed:
        return NoDuel(f"what serves was fitted on all but {rows} of the test rows, {needed} are needed")
    fair = test.rows(np.arange(since, len(test), dtype=np.int64))
    outputs = champion.outlook.outputs(
        np.ascontiguousarray(fair.x[:, picked(fair.names, wanted=champion.features)])
    )
    losses, plain = row_losses(role, outputs, fair), outputs_of_baseline[since:]
    lead = verdict_losses[since:] - losses
    constant = _constant_mean(champion.outlook)
    mean = mean_against_baseline(role, outputs, plain, fair) if constant is None else None
    whole = _whole(against_baseline(role, outputs, plain, fair), mean, constant, today=float(plain[0, 0]))
    return Duel(
        version=champion.version,
        rows=rows,
        since_ms=int(fair.ts[0]),
        until_ms=int(fair.ts[-1]),
        against_baseline=whole,
        lead=float(lead.mean()),
        p_value=block_p_value(lead, block_rows=BLOCK_HORIZONS * fair.horizon_bars),
        mean=mean,
    )


def _constant_mean(outlook: Outlook) -> float | None:
    """The mean return that trees took over from the baseline of their training; None where it is their own."""
    if isinstance(outlook, Return) and outlook.shrink.weight == 0:
        return outlook.shrink.centre
    return None


def _whole(verdict: Verdict, mean: Verdict | None, constant: float | None, *, today: float) -> Verdict:
    """The verdict, turned to a refusal by a mean return that may not serve on.

    mean       on their own mean return; None where it is a constant, or the role has none
    constant   an older estimate of what `today` estimates, so their distance proves nothing, and only the
               side that it favours, if any, is held against it
    """
    if constant is not None and np.sign(constant) != np.sign(today):
        reason = "its constant mean return has not the side of today's baseline"
    elif mean is not None and not mean.passed:
        reason = f"the mean return is {mean.reason}"
    else:
        return verdict
    return replace(verdict, passed=False, reason=reason) if verdict.passed else verdict


def mean_against_baseline(role: Role, outputs: F64, plain: F64, test: Dataset) -> Verdict | None:
    """The verdict on the mean return alone, which is what a decision reads; None for the other roles."""
    if role is not Role.RETURN:
        return None
    return compare(
        row_mean_losses(outputs, test), row_mean_losses(plain, test), horizon_bars=test.horizon_bars
    )


def against_baseline(role: Role, outputs: F64, plain: F64, test: Dataset) -> Verdict:
    """The verdict on a role's outputs beside those of its baseline."""
    verdict = compare(
        row_losses(role, outputs, test),
        row_losses(role, plain, test),
        horizon_bars=test.horizon_bars,
    )
    return blunted(verdict, briers(role, outputs, test), briers(role, plain, test))
