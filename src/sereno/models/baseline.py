"""The simplest honest model of each role: what happened so far, whatever the features say."""

from __future__ import annotations

import numpy as np

from sereno.models.contract import QUANTILES, Role
from sereno.models.dataset import Dataset
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
            values = np.r_[data.return_atr.mean(), np.quantile(data.return_atr, QUANTILES)]
        case Role.RISK:
            values = (data.stops.sum(axis=0) + 1.0) / (rows + 2.0)
    return Baseline(tuple(float(value) for value in values), rows)
