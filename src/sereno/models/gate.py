"""The gate: whether a learned model beat its baseline, and kept up with the one that serves, out of sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from sereno.core.candle import F64
from sereno.core.timeframe import UtcMs

MAX_P_VALUE = 0.05
RESAMPLES = 2000
BLOCK_HORIZONS = 4
LEAST_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """improvement: mean loss of the baseline less that of the model; p_value: chance of as much without skill."""

    passed: bool
    improvement: float
    p_value: float
    reason: str | None


class Choice(StrEnum):
    """What the gate lets serve: the trees just learned, those that serve already, or the baseline."""

    CHALLENGER = "challenger"
    CHAMPION = "champion"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Duel:
    """Trees that serve already, judged on test rows of the challenger that neither was fitted on.

    against_baseline   their verdict there, by the same rule as the challenger's
    lead               mean loss of the challenger less theirs; above 0 they did better
    p_value            chance of such a lead over an equal
    """

    version: str
    rows: int
    since_ms: UtcMs
    until_ms: UtcMs
    against_baseline: Verdict
    lead: float
    p_value: float

    @property
    def is_clearly_won(self) -> bool:
        """Whether the champion did better than the challenger by more than chance allows."""
        return self.lead > 0 and self.p_value <= MAX_P_VALUE


@dataclass(frozen=True, slots=True)
class NoDuel:
    """Why the challenger met its baseline only."""

    reason: str


def chosen(verdict: Verdict, duel: Duel | NoDuel) -> Choice:
    """What serves. Whoever does not beat the baseline on rows it was not fitted on never does.

    A challenger that passed takes over unless the champion is clearly better: of two equals the one that
    knows the newer candles. A champion that still passes outlives a challenger that does not.
    """
    match duel:
        case Duel() if duel.against_baseline.passed and (duel.is_clearly_won or not verdict.passed):
            return Choice.CHAMPION
        case _:
            return Choice.CHALLENGER if verdict.passed else Choice.BASELINE


def least_rows(horizon_bars: int) -> int:
    """Rows that a duel needs: with fewer blocks their resampled means say little."""
    return LEAST_BLOCKS * BLOCK_HORIZONS * horizon_bars


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
