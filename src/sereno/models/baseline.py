"""The simplest honest model of each role: what happened so far, whatever the features say."""

from __future__ import annotations

import numpy as np

from sereno.core.candle import F64
from sereno.models.contract import QUANTILES, Role
from sereno.models.dataset import Dataset
from sereno.models.gate import BLOCK_HORIZONS, MAX_P_VALUE, block_p_value
from sereno.models.outlook import Baseline


def fit_baseline(role: Role, data: Dataset) -> Baseline:
    """Class frequencies, mean and quantiles of returns in ATR units, or base rates of the stops.

    Frequencies count one imagined row of each class, so that nothing ever has probability 0.
    """
    rows = len(data)
    match role:
        case Role.TREND:
            counts = np.bincount(data.trend, minlength=3) + 1.0
            values = counts[:2] / (rows + 3.0)
        case Role.RETURN:
            values = np.r_[
                drift(data.return_atr, horizon_bars=data.horizon_bars),
                np.quantile(data.return_atr, QUANTILES),
            ]
        case Role.RISK:
            values = (data.stops.sum(axis=0) + 1.0) / (rows + 2.0)
    return Baseline(tuple(float(value) for value in values), rows)


def drift(returns: F64, *, horizon_bars: int) -> float:
    """The mean of returns that overlap over the horizon; 0 unless chance hardly explains it (two-sided).

    A market that happened to rise while it was watched is no reason to refuse every short.
    """
    block_rows = BLOCK_HORIZONS * horizon_bars
    p_value = 2.0 * min(block_p_value(side * returns, block_rows=block_rows) for side in (1.0, -1.0))
    return float(returns.mean()) if p_value <= MAX_P_VALUE else 0.0
