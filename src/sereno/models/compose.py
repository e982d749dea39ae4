"""From the outputs of the three roles to forecasts: the only place where they meet.

prob_up, prob_down   trend, as they are
expected_return, p*  return, times ATR over close
risk_score           probability that the stop comes first on the side that trend favours (long when
                     prob_up >= prob_down), times sqrt(ATR over its usual level) held within
                     [0.5, 1.5], held within [0, 1]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64, I64
from sereno.core.errors import SkipThis
from sereno.models.contract import Forecasts, Role
from sereno.models.dataset import RATIO_NAME
from sereno.models.outlook import Outlook

VOLATILITY_FACTOR = (0.5, 1.5)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """(n,) rows as the models take them; x (n, k) has its columns in the models' order."""

    ts: I64
    x: F64
    atr: F64
    close: F64


def picked(names: tuple[str, ...], *, wanted: tuple[str, ...]) -> I64:
    """(k,) where each wanted feature stands among `names`.

    Raises SkipThis unless both hold the same features; their order may differ.
    """
    if set(names) != set(wanted) or len(names) != len(wanted):
        raise SkipThis(
            "models.feature_mismatch",
            remedy="train again: the models were learned from other features",
            lacking=", ".join(sorted(set(wanted) - set(names))[:5]),
            unknown=", ".join(sorted(set(names) - set(wanted))[:5]),
        )
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[name] for name in wanted], dtype=np.int64)


def usable(inputs: Inputs, names: tuple[str, ...], required: frozenset[str]) -> NDArray[np.bool_]:
    """(n,) rows with an ATR, a close, and every feature that training always had."""
    columns = [i for i, name in enumerate(names) if name in required or name == RATIO_NAME]
    whole = np.isfinite(inputs.x[:, columns]).all(axis=1)
    priced = np.isfinite(inputs.atr) & (inputs.atr > 0) & np.isfinite(inputs.close) & (inputs.close > 0)
    return np.asarray(whole & priced)


def missing(inputs: Inputs, names: tuple[str, ...], required: frozenset[str]) -> tuple[str, ...]:
    """What keeps the only row from being usable: feature names, `atr`, `close`; nothing if it is."""
    row = inputs.x[0]
    lacking = [
        name
        for i, name in enumerate(names)
        if (name in required or name == RATIO_NAME) and not np.isfinite(row[i])
    ]
    for name, value in (("atr", inputs.atr[0]), ("close", inputs.close[0])):
        if not (np.isfinite(value) and value > 0):
            lacking.append(name)
    return tuple(lacking)


def compose(
    outlooks: Mapping[Role, Outlook],
    inputs: Inputs,
    *,
    names: tuple[str, ...],
    required: frozenset[str],
    horizon_bars: int,
    model_version: str,
) -> Forecasts:
    """Forecasts of all rows; those that are not usable are NaN."""
    if RATIO_NAME not in names:
        raise SkipThis("models.feature_mismatch", lacking=RATIO_NAME)
    rows = np.flatnonzero(usable(inputs, names, required))
    x = np.ascontiguousarray(inputs.x[rows])
    trend, outcome, stops = (outlooks[role].outputs(x) for role in (Role.TREND, Role.RETURN, Role.RISK))
    in_returns = outcome * (inputs.atr[rows] / inputs.close[rows])[:, None]
    favoured = np.where(trend[:, 0] >= trend[:, 1], stops[:, 0], stops[:, 1])
    factor = np.clip(np.sqrt(np.maximum(x[:, names.index(RATIO_NAME)], 0.0)), *VOLATILITY_FACTOR)
    columns = np.full((7, len(inputs.ts)), np.nan)
    columns[:, rows] = np.vstack([trend.T, in_returns.T, np.clip(favoured * factor, 0.0, 1.0)])
    up, down, mean, p10, p50, p90, risk = columns
    return Forecasts(inputs.ts, up, down, mean, p10, p50, p90, risk, horizon_bars, model_version)
