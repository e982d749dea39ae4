"""How much history a traded timeframe takes: known before anything is collected, so that none falls short."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sereno.core.settings.sections import BarrierSettings, ModelSettings
from sereno.core.timeframe import DAY_MS, Timeframe

WARM_UP_BARS = 213  # of the features; a test compares both with their declared look-backs
WARM_UP_DAYS = 28  # of those that read higher timeframes
LEAST_SLICE_ROWS = 30  # of each slice that training cuts; a test compares it with training's own
JUDGED_HORIZONS = 32  # test rows of which the gate makes a verdict; a test compares it with the gate
RESERVE_FRAC = 0.05  # for holes and rows without a label
FURTHEST_DAYS = 1_095  # training's need moves the set depth back to here, not further
GENERATED_DAYS = 1_099  # history of the generated market; a test compares it with the generator's


@dataclass(frozen=True, slots=True)
class History:
    """Candles of one traded timeframe, in bars.

    least    with fewer, training refuses
    judged   with fewer, the gate has too few test rows for a verdict and baselines serve
    wanted   with these it can also rehearse on rows that chose nothing, and has a reserve for holes
    """

    least_bars: int
    judged_bars: int
    wanted_bars: int

    def depth_ms(self, timeframe: Timeframe, *, set_ms: int) -> int:
        """How far back to collect: as set, and what is wanted beyond it within bounds, and the least anyway."""
        wanted_ms = min(self.wanted_bars * timeframe.ms, FURTHEST_DAYS * DAY_MS)
        return max(set_ms, wanted_ms, self.least_bars * timeframe.ms)


def history_of(timeframe: Timeframe, models: ModelSettings, barriers: BarrierSettings) -> History:
    """What training takes of a timeframe."""
    around_bars = warm_up_bars(timeframe) + barriers.horizon_bars
    judged = judged_rows(models, barriers)
    rehearsed = math.ceil((judged + barriers.horizon_bars) / (1.0 - models.test_frac))
    wanted_bars = math.ceil((around_bars + rehearsed) * (1.0 + RESERVE_FRAC))
    return History(around_bars + least_rows(models, barriers), around_bars + judged, wanted_bars)


def warm_up_bars(timeframe: Timeframe) -> int:
    """Candles before every feature of a timeframe has a value."""
    return max(WARM_UP_BARS, WARM_UP_DAYS * DAY_MS // timeframe.ms - 1)


def least_rows(models: ModelSettings, barriers: BarrierSettings) -> int:
    """Labelled rows of which training is content with the number, and with each slice after purge and embargo."""
    purge, embargo = barriers.horizon_bars, models.embargo_bars
    shares = (
        ((LEAST_SLICE_ROWS + embargo), models.test_frac),
        ((LEAST_SLICE_ROWS + embargo + purge), models.calibration_frac),
        ((LEAST_SLICE_ROWS + purge), 1.0 - models.test_frac - models.calibration_frac),
    )
    return max(models.min_rows, *(math.ceil((rows + 1) / frac) for rows, frac in shares))


def judged_rows(models: ModelSettings, barriers: BarrierSettings) -> int:
    """Labelled rows whose test slice is long enough for a verdict."""
    test_rows = JUDGED_HORIZONS * barriers.horizon_bars + models.embargo_bars
    return max(least_rows(models, barriers), math.ceil((test_rows + 1) / models.test_frac))
