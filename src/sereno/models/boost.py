"""The training half of the learned models: shallow boosted trees, stopped early, calibrated later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sereno.core.candle import F64, I64
from sereno.core.settings import ModelSettings
from sereno.models.calibration import fit_calibrator
from sereno.models.contract import QUANTILES, Role
from sereno.models.dataset import Dataset
from sereno.models.gate import BLOCK_HORIZONS, block_p_value
from sereno.models.lean import lean_xgboost
from sereno.models.outlook import Baseline, Outlook, Return, Risk, Shrink, Trend, _predicted
from sereno.models.pool import pooled
from sereno.models.splits import tail_split

PATIENCE = 30
TAIL_FRAC = 0.2
MAX_BIN = 64
MEAN_MAX_P_VALUE = 0.1


@dataclass(frozen=True, slots=True)
class TreeParams:
    """What tuning chooses. The defaults are shy on purpose: markets hold little that can be learned.

    leaf_rows   least rows in a leaf, whatever the loss (its Hessian scales min_child_weight)
    """

    depth: int = 3
    learning_rate: float = 0.05
    leaf_rows: float = 120.0
    row_frac: float = 0.7
    column_frac: float = 0.5
    ridge: float = 10.0

    def as_json(self) -> Mapping[str, float]:
        """For the manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Objective:
    """One loss of XGBoost: its parameters, the metric that stops it, and its Hessian a row."""

    params: Mapping[str, Any]
    metric: str
    hessian: float


TREND = Objective({"objective": "multi:softprob", "num_class": 3}, "mlogloss", 0.4)
RISK = Objective({"objective": "binary:logistic"}, "logloss", 0.22)
QUANTILE = Objective({"objective": "reg:quantileerror", "quantile_alpha": list(QUANTILES)}, "quantile", 1.0)
MEAN = Objective({"objective": "reg:squarederror"}, "rmse", 1.0)
OBJECTIVES = {Role.TREND: TREND, Role.RETURN: QUANTILE, Role.RISK: RISK}


def answer(role: Role, data: Dataset) -> F64 | I64:
    """What the trees of a role learn: (n,) classes or returns, or (n, 2) stops."""
    match role:
        case Role.TREND:
            return data.trend
        case Role.RETURN:
            return data.return_atr
        case Role.RISK:
            return data.stops


def matrix(data: Dataset, y: F64 | I64, *, threads: int, like: Any = None) -> Any:
    """The rows as XGBoost takes them, binned once; `like` lends the bins of the rows that are learned from."""
    xgboost = lean_xgboost()
    return xgboost.QuantileDMatrix(
        data.x, label=y, feature_names=list(data.names), max_bin=MAX_BIN, nthread=threads, ref=like
    )


def grow(
    objective: Objective,
    params: TreeParams,
    head: Any,
    *,
    rounds: int,
    settings: ModelSettings,
    tail: Any = None,
) -> tuple[Any, int, float]:
    """(booster, rounds that were best on the tail, loss there); without a tail all rounds are grown."""
    xgboost = lean_xgboost()
    history: dict[str, Any] = {}
    booster = xgboost.train(
        {
            **objective.params,
            "eval_metric": objective.metric,
            "tree_method": "hist",
            "max_bin": MAX_BIN,
            "max_depth": params.depth,
            "learning_rate": params.learning_rate,
            "min_child_weight": params.leaf_rows * objective.hessian * params.row_frac,
            "subsample": params.row_frac,
            "colsample_bytree": params.column_frac,
            "reg_lambda": params.ridge * objective.hessian,
            "nthread": settings.threads,
            "seed": settings.seed,
            "verbosity": 0,
        },
        head,
        num_boost_round=rounds,
        evals=[] if tail is None else [(tail, "tail")],
        early_stopping_rounds=None if tail is None else PATIENCE,
        evals_result=history,
        verbose_eval=False,
    )
    if tail is None:
        return booster, rounds, float("nan")
    return booster, int(booster.best_iteration) + 1, float(booster.best_score)


def stopped_early(
    role: Role,
    objective: Objective,
    params: TreeParams,
    train: Dataset,
    settings: ModelSettings,
    peers: Sequence[Dataset] = (),
    *,
    centre: float = 0.0,
) -> tuple[Any, int]:
    """(booster grown on all rows, its rounds): the own newest fifth decides how many, purged from the rest.

    centre   where the mean's own constant stands: it learns what departs from the rows' mean, not that mean
    """
    head, tail = tail_split(
        train.ts,
        train.end_ms,
        tail_frac=TAIL_FRAC,
        embargo_bars=min(settings.embargo_bars, train.horizon_bars),
    )

    def rows(data: Dataset, like: Any = None) -> Any:
        y = answer(role, data)
        if objective is MEAN:
            y = y - y.mean() + centre
        return matrix(data, y, threads=settings.threads, like=like)

    older = rows(pooled(train.rows(head), peers))
    newest = rows(train.rows(tail), like=older)
    _, rounds, _ = grow(objective, params, older, rounds=settings.rounds, settings=settings, tail=newest)
    booster, _, _ = grow(objective, params, rows(pooled(train, peers)), rounds=rounds, settings=settings)
    return booster, rounds


def fit_boosted(
    role: Role,
    train: Dataset,
    calibration: Dataset,
    *,
    params: TreeParams,
    settings: ModelSettings,
    baseline: Baseline,
    peers: Sequence[Dataset] = (),
) -> tuple[Outlook, int]:
    """(model, rounds): trees from the train slice and what peers add to it, calibrated on the later own one.

    baseline   of the role: its mean return is where the learned one says nothing
    """
    trees, rounds = stopped_early(role, OBJECTIVES[role], params, train, settings, peers)
    overlap = train.horizon_bars
    scores = _predicted(trees, calibration.x)
    match role:
        case Role.TREND:
            classes = tuple(
                fit_calibrator(scores[:, c], (calibration.trend == c).astype(np.int64), overlap_bars=overlap)
                for c in range(3)
            )
            return Trend(trees, classes), rounds
        case Role.RISK:
            sides = tuple(
                fit_calibrator(scores[:, c], calibration.stops[:, c], overlap_bars=overlap) for c in range(2)
            )
            return Risk(trees, sides), rounds
        case Role.RETURN:
            centre = baseline.values[0]
            mean_trees, _ = stopped_early(role, MEAN, params, train, settings, peers, centre=centre)
            shrink = fit_shrink(
                _predicted(mean_trees, calibration.x)[:, 0],
                calibration.return_atr,
                centre=centre,
                horizon_bars=overlap,
            )
            return Return(trees, mean_trees, shrink), rounds


def fit_shrink(learned: F64, target: F64, *, centre: float, horizon_bars: int) -> Shrink:
    """How much of the learned mean to believe: the least-squares weight on the calibration slice, in [0, 1].

    0 when its gain in squared error could be chance (`block_p_value`): then the constant is served.
    """
    away, miss = learned - centre, target - centre
    power = float(away @ away)
    weight = min(1.0, max(0.0, float(away @ miss) / power)) if power > 0 else 0.0
    gain = miss**2 - (miss - weight * away) ** 2
    if weight and block_p_value(gain, block_rows=BLOCK_HORIZONS * horizon_bars) > MEAN_MAX_P_VALUE:
        weight = 0.0
    return Shrink(centre=centre, weight=weight)
