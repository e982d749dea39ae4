"""How good a forecast was: one definition of each score. Undefined scores are None, never a number."""

from __future__ import annotations

import numpy as np

from sereno.core.candle import F64, I64

TINY = 1e-12


def row_log_loss(prob: F64, outcome: I64) -> F64:
    """(n,) minus log of the probability given to what happened, natural units.

    prob     (n, c) rows that sum to one
    outcome  (n,) class indices
    """
    chosen = np.take_along_axis(prob, outcome[:, None].astype(np.int64), axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(chosen, TINY, 1.0)), dtype=np.float64)


def row_binary_log_loss(prob: F64, outcome: I64) -> F64:
    """The same shape as `prob`: log loss of each yes/no forecast."""
    p = np.clip(prob, TINY, 1.0 - TINY)
    return np.asarray(-np.where(outcome == 1, np.log(p), np.log1p(-p)), dtype=np.float64)


def row_pinball(quantile: F64, target: F64, levels: tuple[float, ...]) -> F64:
    """(n, q) pinball loss: `level` times the shortfall above, 1 - `level` times the excess below.

    Source: Koenker & Bassett (1978).
    """
    miss = target[:, None] - quantile
    level = np.asarray(levels)
    return np.asarray(np.maximum(level * miss, (level - 1.0) * miss), dtype=np.float64)


def log_loss(prob: F64, outcome: I64) -> float | None:
    """Mean of `row_log_loss`; None without rows."""
    return _mean(row_log_loss(prob, outcome)) if len(outcome) else None


def brier(prob: F64, happened: I64) -> float | None:
    """Mean squared distance of a yes/no probability from 0 or 1; None without rows."""
    return _mean((prob - happened) ** 2) if len(happened) else None


def ece(prob: F64, happened: I64, *, bins: int = 10) -> float | None:
    """Expected calibration error: mean |frequency - mean forecast| over bins of equally many rows.

    Bins hold equally many rows, because forecasts of rare events crowd in a corner of [0, 1];
    rows with equal forecasts stay together. None without rows.
    """
    if not len(happened):
        return None
    total = sum(len(h) * abs(float(h.mean()) - float(p.mean())) for p, h in _binned(prob, happened, bins))
    return float(total / len(happened))


def calibration_curve(prob: F64, happened: I64, *, bins: int = 10) -> tuple[tuple[float, float, int], ...]:
    """(mean forecast, frequency, rows) of each bin of `ece`."""
    return tuple((float(p.mean()), float(h.mean()), len(h)) for p, h in _binned(prob, happened, bins))


def _binned(prob: F64, happened: I64, bins: int) -> list[tuple[F64, I64]]:
    if not len(prob):
        return []
    order = np.argsort(prob, kind="stable")
    p, h = prob[order], happened[order]
    marks = np.unique(np.searchsorted(p, p[np.arange(1, bins) * len(p) // bins]))
    return [(a, b) for a, b in zip(np.split(p, marks), np.split(h, marks), strict=True) if len(b)]


def auc(score: F64, happened: I64) -> float | None:
    """Probability that a row that happened scores above one that did not, ties counting half.

    None when only one of the two occurred. Source: Mann & Whitney (1947), mid-ranks.
    """
    yes = int((happened == 1).sum())
    no = len(happened) - yes
    if not yes or not no:
        return None
    _, inverse, count = np.unique(score, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(count) - (count - 1) / 2
    rank_sum = float(mid_rank[inverse][happened == 1].sum())
    return (rank_sum - yes * (yes + 1) / 2) / (yes * no)


def pinball(quantile: F64, target: F64, levels: tuple[float, ...]) -> float | None:
    """Mean of `row_pinball` over rows and levels; None without rows."""
    return _mean(row_pinball(quantile, target, levels)) if len(target) else None


def coverage(low: F64, high: F64, target: F64) -> float | None:
    """Share of outcomes within [low, high]; None without rows."""
    return _mean(((low <= target) & (target <= high)).astype(np.float64)) if len(target) else None


def rmse(forecast: F64, target: F64) -> float | None:
    """Root of the mean squared error; None without rows."""
    return float(np.sqrt(np.mean((forecast - target) ** 2))) if len(target) else None


def _mean(values: F64) -> float:
    return float(np.mean(values))
