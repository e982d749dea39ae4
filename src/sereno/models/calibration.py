"""Turning scores into frequencies, learned on a slice later than training; kept as plain numbers.

Two forms. *platt*: a logistic line on the score's log-odds. *isotonic*: a rising step curve, kept as
knots between which serving interpolates. Neighbouring labels overlap over the horizon, so n rows hold
the information of about n / horizon: the logistic fit weighs them so, and leans on "leave it as it is"
(slope 1, shift 0) as a prior, or a hundred days of one market mood would shift every probability.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from sereno.core.candle import F64, I64
from sereno.models.metrics import row_binary_log_loss

ISOTONIC_MIN_ROWS = 1000
CHOICE_FRAC = 0.6
SHIFT_PRIOR_SD = 0.25
SLOPE_PRIOR_SD = 0.5
FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Platt:
    """expit(slope * logit(score) + shift); the slope is never negative."""

    slope: float
    shift: float
    kind: Literal["platt"] = "platt"

    def apply(self, score: F64) -> F64:
        """(n,) probabilities. Row by row, so that one row alone gets the same bits as in a block."""
        return np.array(
            [_expit(self.slope * _logit(s) + self.shift) for s in score.tolist()], dtype=np.float64
        )


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising curve through (scores, probs), flat beyond its ends."""

    scores: tuple[float, ...]
    probs: tuple[float, ...]
    kind: Literal["isotonic"] = "isotonic"

    def apply(self, score: F64) -> F64:
        """(n,) probabilities."""
        return np.asarray(np.interp(score, self.scores, self.probs), dtype=np.float64)


Calibrator = Platt | Isotonic


def to_json(calibrator: Calibrator) -> Mapping[str, object]:
    """Plain numbers for the artefact."""
    return asdict(calibrator)


def from_json(raw: Mapping[str, object]) -> Calibrator:
    """The reverse of `to_json`. Raises ValueError on an unknown kind, KeyError or TypeError on a bad shape."""
    match raw["kind"]:
        case "platt":
            return Platt(slope=_number(raw["slope"]), shift=_number(raw["shift"]))
        case "isotonic":
            return Isotonic(scores=_numbers(raw["scores"]), probs=_numbers(raw["probs"]))
        case other:
            raise ValueError(f"unknown calibration {other!r}")


def fit_platt(score: F64, happened: I64, *, overlap_bars: int) -> Platt:
    """Most probable logistic line under the prior. The slope turns about the mean score, so that
    distrusting the score leaves the base rate alone; a slope below 0 becomes 0.
    """
    logit = np.array([_logit(s) for s in score.tolist()])
    centre = float(logit.mean())
    weight = 1.0 / max(1, overlap_bars)
    slope, shift = _most_probable(logit - centre, centre, happened, weight, slope=None)
    if slope < 0:
        slope, shift = _most_probable(logit - centre, centre, happened, weight, slope=0.0)
    return Platt(slope=slope, shift=shift + centre * (1.0 - slope))


def _most_probable(
    away: F64, centre: float, happened: I64, weight: float, *, slope: float | None
) -> tuple[float, float]:
    """(slope, shift) of expit(centre + slope * away + shift) by Newton's method; a given slope stays."""
    theta = np.array([1.0 if slope is None else slope, 0.0])
    free = np.array([slope is None, True])
    design = np.column_stack([away, np.ones_like(away)])
    prior = np.diag([SLOPE_PRIOR_SD**-2, SHIFT_PRIOR_SD**-2])
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(centre + design @ theta, -35.0, 35.0)))
        gradient = weight * design.T @ (p - happened) + prior @ (theta - [1.0, 0.0])
        hessian = weight * (design * (p * (1.0 - p))[:, None]).T @ design + prior
        step = np.zeros(2)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        theta = theta - np.clip(step, -1.0, 1.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    return float(theta[0]), float(theta[1])


def fit_isotonic(score: F64, happened: I64, *, overlap_bars: int) -> Isotonic:
    """Pool adjacent violators; a pool that is worth less than two independent rows leans on the base rate."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(score, kind="stable")
    unique, start, count = np.unique(score[order], return_index=True, return_counts=True)
    rate = np.add.reduceat(happened[order].astype(np.float64), start) / count
    level = isotonic_regression(rate, weights=count, increasing=True).x
    pool_from = np.flatnonzero(np.r_[True, np.diff(level) > 0])
    pool_rows = np.add.reduceat(count, pool_from) / max(1, overlap_bars)
    base = float(happened.mean())
    shrunk = (level[pool_from] * pool_rows + 2.0 * base) / (pool_rows + 2.0)
    shrunk = np.clip(np.maximum.accumulate(shrunk), FLOOR, 1.0 - FLOOR)
    pool_to = np.r_[pool_from[1:], len(unique)] - 1
    knots = [
        (float(unique[i]), float(p))
        for first, last, p in zip(pool_from, pool_to, shrunk, strict=True)
        for i in dict.fromkeys((first, last))
    ]
    return Isotonic(tuple(s for s, _ in knots), tuple(p for _, p in knots))


def fit_calibrator(score: F64, happened: I64, *, overlap_bars: int) -> Calibrator:
    """Platt, or isotonic where there are rows enough and it forecasts the later part of the slice better.

    Both are fitted on the first 60 % and compared on the rest, a horizon later; the winner is
    fitted again on all. Rows are in time order.
    """
    if len(score) < ISOTONIC_MIN_ROWS:
        return fit_platt(score, happened, overlap_bars=overlap_bars)
    cut = int(len(score) * CHOICE_FRAC)
    early, late = slice(0, cut), slice(cut + overlap_bars, None)
    losses = {
        fit: float(
            row_binary_log_loss(
                fit(score[early], happened[early], overlap_bars=overlap_bars).apply(score[late]),
                happened[late],
            ).mean()
        )
        for fit in (fit_platt, fit_isotonic)
    }
    best = min(losses, key=losses.__getitem__)
    return best(score, happened, overlap_bars=overlap_bars)


def renormalised(prob: F64) -> F64:
    """(n, c) rows scaled to sum to one."""
    total = prob[:, 0].copy()
    for c in range(1, prob.shape[1]):
        total += prob[:, c]
    return np.asarray(prob / total[:, None], dtype=np.float64)


def _logit(p: float) -> float:
    p = min(max(p, 1e-7), 1.0 - 1e-7)
    return math.log(p / (1.0 - p))


def _expit(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(z, -35.0), 35.0)))


def _number(raw: object) -> float:
    if not isinstance(raw, int | float):
        raise TypeError(f"not a number: {raw!r}")
    return float(raw)


def _numbers(raw: object) -> tuple[float, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        raise TypeError(f"not a list of numbers: {raw!r}")
    return tuple(_number(value) for value in raw)
