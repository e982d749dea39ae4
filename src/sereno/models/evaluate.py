"""Scores of one role on rows that nothing was learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sereno.core.candle import F64, I64
from sereno.models import metrics
from sereno.models.contract import QUANTILES, Role
from sereno.models.dataset import DOWN, UP, Dataset
from sereno.models.outlook import Outlook

Scores = Mapping[str, float | None]


def row_losses(role: Role, outputs: F64, data: Dataset) -> F64:
    """(n,) the loss that the gate compares: log loss for trend and risk, mean pinball for return."""
    match role:
        case Role.TREND:
            return metrics.row_log_loss(_classes(outputs), data.trend)
        case Role.RETURN:
            return np.asarray(
                metrics.row_pinball(outputs[:, 1:], data.return_atr, QUANTILES).mean(axis=1), dtype=np.float64
            )
        case Role.RISK:
            losses = metrics.row_binary_log_loss(outputs, data.stops)
            return np.asarray(losses.mean(axis=1), dtype=np.float64)


def row_mean_losses(outputs: F64, data: Dataset) -> F64:
    """(n,) squared error of the mean return, by which the gate judges it apart from the quantiles."""
    return np.asarray((outputs[:, 0] - data.return_atr) ** 2, dtype=np.float64)


def scores(role: Role, outputs: F64, data: Dataset) -> Scores:
    """Every score of a role by name; returns are in units of ATR."""
    if role is Role.RETURN:
        return {
            "pinball": metrics.pinball(outputs[:, 1:], data.return_atr, QUANTILES),
            "coverage_p10_p90": metrics.coverage(outputs[:, 1], outputs[:, 3], data.return_atr),
            "rmse_mean": metrics.rmse(outputs[:, 0], data.return_atr),
        }
    found: dict[str, float | None] = {}
    for name, prob, happened in yes_no(role, outputs, data):
        found[f"brier_{name}"] = metrics.brier(prob, happened)
        found[f"ece_{name}"] = metrics.ece(prob, happened)
        found[f"auc_{name}"] = metrics.auc(prob, happened)
    losses = row_losses(role, outputs, data)
    return {"log_loss": float(losses.mean()) if len(losses) else None, **found}


def yes_no(role: Role, outputs: F64, data: Dataset) -> list[tuple[str, F64, I64]]:
    """(name, probability, whether it happened) of each yes/no question that a role answers."""
    match role:
        case Role.TREND:
            return [
                ("up", outputs[:, 0], (data.trend == UP).astype(np.int64)),
                ("down", outputs[:, 1], (data.trend == DOWN).astype(np.int64)),
            ]
        case Role.RISK:
            return [
                ("stop_long", outputs[:, 0], data.stops[:, 0]),
                ("stop_short", outputs[:, 1], data.stops[:, 1]),
            ]
        case Role.RETURN:
            return []


def briers(role: Role, outputs: F64, data: Dataset) -> Mapping[str, float]:
    """Brier score of each yes/no question of a role that could be scored."""
    found = {name: metrics.brier(prob, happened) for name, prob, happened in yes_no(role, outputs, data)}
    return {name: score for name, score in found.items() if score is not None}


def curves(role: Role, outputs: F64, data: Dataset) -> Mapping[str, Any]:
    """Calibration curve of each yes/no question: (mean forecast, frequency, rows) a bin."""
    return {name: metrics.calibration_curve(p, h) for name, p, h in yes_no(role, outputs, data)}


def importance(outlook: Outlook, names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """(feature, share of the total gain) of the trees that saw any, largest first."""
    trees = getattr(outlook, "trees", None)
    if trees is None:
        return ()
    gains = {name: float(gain) for name, gain in trees.get_score(importance_type="total_gain").items()}
    total = sum(gains.values()) or 1.0
    order = sorted(names, key=lambda name: (-gains.get(name, 0.0), name))
    return tuple((name, gains[name] / total) for name in order if name in gains)


def _classes(outputs: F64) -> F64:
    return np.column_stack([outputs, np.maximum(1.0 - outputs[:, 0] - outputs[:, 1], 0.0)])
