"""The gate: whether a learned model beat its baseline out of sample by more than chance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sereno.core.candle import F64

MAX_P_VALUE = 0.05
RESAMPLES = 2000
BLOCK_HORIZONS = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """improvement: mean loss of the baseline less that of the model; p_value: chance of as much without skill."""

    passed: bool
    improvement: float
    p_value: float
    reason: str | None


def compare(loss: F64, baseline_loss: F64, *, horizon_bars: int, seed: int) -> Verdict:
    """Judge a model by its losses on the test rows against the baseline's on the same rows, in time order.

    Losses of neighbouring rows share most of their future, so rows are resampled in blocks of four
    horizons (circular block bootstrap, Politis & Romano 1992; with two, chance passed nearly twice as
    often as it should over overlapping labels); the p-value is the share of centred resamples whose mean
    is at least the improvement found.
    """
    gain = baseline_loss - loss
    if not len(gain):
        return Verdict(False, 0.0, 1.0, "no test rows")
    improvement = float(gain.mean())
    p_value = block_p_value(gain, block_rows=BLOCK_HORIZONS * horizon_bars, seed=seed)
    if improvement <= 0:
        return Verdict(False, improvement, p_value, "worse than the baseline out of sample")
    if p_value > MAX_P_VALUE:
        return Verdict(
            False, improvement, p_value, "no better than the baseline out of sample than chance allows"
        )
    return Verdict(True, improvement, p_value, None)


def blunted(verdict: Verdict, *, brier: float, baseline_brier: float) -> Verdict:
    """The verdict, turned to a refusal when the sides' own probabilities got worse.

    A trend model can win on log loss by foreseeing only whether anything happens at all; what is traded
    is `prob_up` and `prob_down`. brier is the mean over the yes/no questions of the role.
    """
    if verdict.passed and brier >= baseline_brier:
        reason = "its probabilities of the sides are worse than the baseline's out of sample"
        return replace(verdict, passed=False, reason=reason)
    return verdict


def block_p_value(gain: F64, *, block_rows: int, seed: int) -> float:
    """One-sided p-value of mean(gain) > 0; 1 when there are too few rows for two blocks."""
    rows = len(gain)
    if rows < 2 * block_rows:
        return 1.0
    centred = gain - gain.mean()
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([centred, centred[:block_rows]]))])
    block_sum = running[block_rows : block_rows + rows] - running[:rows]
    blocks = rows // block_rows
    starts = np.random.default_rng(seed).integers(0, rows, size=(RESAMPLES, blocks))
    resampled = block_sum[starts].sum(axis=1) / (blocks * block_rows)
    return float((1 + (resampled >= gain.mean()).sum()) / (1 + RESAMPLES))
