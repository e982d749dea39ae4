"""The gate: whether a learned model beat its baseline, and kept up with the one that serves, out of sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from sereno.core.candle import F64
from sereno.core.timeframe import UtcMs

MAX_P_VALUE = 0.05
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

    against_baseline   their verdict there, by the same rule as the challenger's; they serve whole or not at
                       all, so a mean return that did not earn its place is a refusal, and so is a constant
                       on another side than today's baseline
    lead               mean loss of the challenger less theirs; above 0 they did better
    p_value            chance of such a lead over an equal
    mean               the verdict on their mean return; None for roles without one, and where it is a constant
    """

    version: str
    rows: int
    since_ms: UtcMs
    until_ms: UtcMs
    against_baseline: Verdict
    lead: float
    p_value: float
    mean: Verdict | None = None

    @property
    def is_clearly_won(self) -> bool:
        """Whether the champion did better than the challenger by more than chance allows."""
        return self.lead > 0 and self.p_value <= MAX_P_VALUE


@dataclass(frozen=True, slots=True)
class NoDuel:
    """Why the challenger met its baseline only."""

    reason: str


def chosen(verdict: Verdict, duel: Duel | NoDuel, mean: Verdict | None = None) -> Choice:
    """What serves. Whoever does not beat the baseline on rows it was not fitted on never does.

    mean   the verdict on the challenger's mean return; None for roles without one

    A challenger that passed takes over unless the champion is clearly better: of two equals the one that
    knows the newer candles. But a mean return that passes, which is what a decision reads, goes before one
    that does not, whoever is clearly better. A champion that still passes outlives a challenger that does not.
    """
    match duel:
        case Duel() if duel.against_baseline.passed and (
            not verdict.passed
            or _knows_more(duel.mean, mean)
            or (duel.is_clearly_won and not _knows_more(mean, duel.mean))
        ):
            return Choice.CHAMPION
        case _:
            return Choice.CHALLENGER if verdict.passed else Choice.BASELINE


def _knows_more(one: Verdict | None, other: Verdict | None) -> bool:
    """Whether of two mean returns only the first passed."""
    return one is not None and one.passed and not (other is not None and other.passed)


def least_rows(horizon_bars: int) -> int:
    """Rows that a verdict and a duel need: fewer blocks of them say little."""
    return LEAST_BLOCKS * BLOCK_HORIZONS * horizon_bars


def compare(loss: F64, baseline_loss: F64, *, horizon_bars: int) -> Verdict:
    """Judge a model by its losses on the test rows against the baseline's on the same rows, in time order.

    Losses of neighbouring rows share most of their future, so blocks of four horizons are what counts as
    one observation; see `block_p_value`. Losses that are NaN do not pass.
    """
    gain, needed = baseline_loss - loss, least_rows(horizon_bars)
    improvement = float(gain.mean()) if len(gain) else 0.0
    if len(gain) < needed:
        reason = f"too few test rows to judge: {len(gain)} of {needed}"
        return Verdict(False, improvement, 1.0, reason)
    p_value = block_p_value(gain, block_rows=BLOCK_HORIZONS * horizon_bars)
    if not improvement > 0:
        return Verdict(False, improvement, p_value, "no better than the baseline out of sample")
    if not p_value <= MAX_P_VALUE:
        return Verdict(
            False, improvement, p_value, "no better than the baseline out of sample than chance allows"
        )
    return Verdict(True, improvement, p_value, None)


def blunted(verdict: Verdict, brier: Mapping[str, float], baseline_brier: Mapping[str, float]) -> Verdict:
    """The verdict, turned to a refusal when one side's own probability is no better than the baseline's.

    A trend model can win on log loss by foreseeing only whether anything happens at all, or one side at the
    cost of the other; what is traded is `prob_up` or `prob_down`. Both hold a Brier score a side.
    """
    dull = [name for name, score in brier.items() if not score < baseline_brier[name]]
    if not verdict.passed or not dull:
        return verdict
    reason = f"its probability of {' and of '.join(dull)} is no better than the baseline's out of sample"
    return replace(verdict, passed=False, reason=reason)


def block_p_value(gain: F64, *, block_rows: int) -> float:
    """One-sided p-value of mean(gain) > 0; 1 when there are too few rows for two blocks.

    The error of the mean follows from the means of all blocks, overlapping ones too, and few blocks are
    allowed for by Student's t with 3/2 of a degree of freedom for each block beyond the first. (A bootstrap
    of so few blocks lets chance through two to four times as often as it says.)
    Source: Meketon & Schmeiser (1984), overlapping batch means.
    """
    from scipy.special import stdtr

    rows, mean = len(gain), float(gain.mean()) if len(gain) else 0.0
    if rows < 2 * block_rows:
        return 1.0
    running = np.concatenate([[0.0], np.cumsum(gain - mean)])
    block_sum = running[block_rows:] - running[:-block_rows]
    variance = float(block_sum @ block_sum) / (block_rows * (rows - block_rows + 1) * (rows - block_rows))
    if variance == 0:
        return 0.0 if mean > 0 else 1.0
    freedom = 1.5 * (rows / block_rows - 1.0)
    return float(stdtr(freedom, -mean / np.sqrt(variance)))
