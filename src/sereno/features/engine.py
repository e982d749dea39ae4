"""The newest feature row, kept up to date a candle at a time, and the one path by which live and replay make it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sereno.core.candle import F64, Candle, Candles
from sereno.core.errors import SkipThis
from sereno.core.settings.sections import CandleSettings
from sereno.core.timeframe import DAY_MS, Timeframe, UtcMs
from sereno.features.frame import Layout, layout_of, refuse_bad, refuse_bad_one
from sereno.features.plan import Stepper
from sereno.features.registry import base_warm_up_bars, feature_names
from sereno.features.resample import Resampler, resample


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRow:
    """Features of one closed candle, known at `ts`.

    values  (k,) in the order of `names`; NaN where not warm or undefined
    atr     average true range in quote
    """

    ts: UtcMs
    names: tuple[str, ...]
    values: F64
    atr: float
    close: float


class FeatureEngine:
    """All features of one series; a step costs the same after a week and after ten years.

    `prime` takes history by the batch evaluators and leaves the steps where it ended. Without history
    the engine warms up from nothing, with NaN until a feature has enough candles.
    """

    __slots__ = ("_higher", "_layout", "_names", "_newest_ms", "_stepper", "_timeframe")

    def __init__(
        self,
        timeframe: Timeframe,
        atr_bars: int = 14,
        *,
        names: Iterable[str] | None = None,
        layout: Layout | None = None,
    ) -> None:
        self._timeframe = timeframe
        chosen = feature_names(timeframe) if names is None else tuple(names)
        self._layout = layout_of(chosen, atr_bars) if layout is None else layout
        self._names = self._layout.names
        self.prime(Candles.empty(timeframe))

    def prime(self, candles: Candles) -> None:
        """Forget everything and begin after these candles. Raises SkipThis("features.bad_candles")."""
        refuse_bad(candles)
        self._stepper = Stepper(self._layout.base, candles)
        self._newest_ms: UtcMs | None = int(candles.open_ms[-1]) if len(candles) else None
        self._higher: list[tuple[Resampler, Stepper, tuple[int, ...]]] = []
        for span, plan, places in self._layout.higher:
            resampled = resample(candles, span)
            joined = Stepper(plan, resampled.candles)
            self._higher.append((Resampler(span, resampled.forming), joined, places))

    def step(self, candle: Candle) -> FeatureRow:
        """Take the next closed candle in and give its row.

        Raises SkipThis: `features.out_of_order` for a candle not newer than the newest,
        `features.bad_candles`. The engine is then as it was.
        """
        if self._newest_ms is not None and candle.open_ms <= self._newest_ms:
            raise SkipThis(
                "features.out_of_order",
                remedy="prime again: history was corrected",
                open_ms=candle.open_ms,
                newest_ms=self._newest_ms,
            )
        refuse_bad_one(candle)
        known_ms, first = candle.open_ms + self._timeframe.ms, self._newest_ms is None
        self._newest_ms = candle.open_ms
        self._stepper.step(candle, known_ms)
        for resampler, stepper, _ in self._higher:
            for closed in resampler.push(candle, known_ms, first=first):
                stepper.step(closed, closed.open_ms + resampler.span_ms)
        return self._row(candle, known_ms)

    def _row(self, candle: Candle, known_ms: UtcMs) -> FeatureRow:
        values = np.empty(len(self._names))
        *base, average = self._stepper.row
        values[list(self._layout.base_at)] = base
        for _, stepper, places in self._higher:
            values[list(places)] = stepper.row
        return FeatureRow(known_ms, self._names, values, average, candle.close)


@dataclass(frozen=True, slots=True, eq=False)
class LiveRow:
    """The newest row and what it was made from, so that it can be made again to the bit.

    first_ms    open of the oldest candle that was used
    primed_ms   moment up to which history was taken in batch; later candles were stepped
    """

    row: FeatureRow
    first_ms: UtcMs
    primed_ms: UtcMs


def live_row(candles: Candles, *, atr_bars: int = 14, names: Iterable[str] | None = None) -> LiveRow:
    """The row of the newest closed candle. Equal candles give equal bits, in any process.

    History up to the last UTC midnight at or before the newest candle's open is taken in batch, the rest is
    stepped. Features of higher timeframes with too little history are NaN.

    Raises SkipThis: `features.too_short`, `features.bad_candles`.
    """
    return LiveFeatures(candles.timeframe, atr_bars=atr_bars, names=names).row(candles)


class LiveFeatures:
    """`live_row` that keeps its engine between calls: the same bits, at the price of one step a candle."""

    __slots__ = ("_atr_bars", "_engine", "_lineage", "_names", "_primed_ms", "_row", "_seen", "_timeframe")

    def __init__(
        self, timeframe: Timeframe, *, atr_bars: int = 14, names: Iterable[str] | None = None
    ) -> None:
        self._timeframe, self._atr_bars = timeframe, atr_bars
        self._names = None if names is None else tuple(names)
        self._engine = FeatureEngine(timeframe, atr_bars, names=self._names)
        self._seen = Candles.empty(timeframe)
        self._lineage: object = None
        self._primed_ms: UtcMs | None = None
        self._row: FeatureRow | None = None

    def row(self, candles: Candles, *, lineage: object = None) -> LiveRow:
        """The row of the newest of these candles, which are the whole history that counts.

        lineage  equal to that of the last call where the candles only grew since (`core.growing`), which
                 spares comparing them all
        """
        refuse_short(candles)
        newest_ms = int(candles.open_ms[-1])
        primed_ms = newest_ms // DAY_MS * DAY_MS
        if primed_ms != self._primed_ms or self._row is None or not self._continues(candles, lineage):
            self._prime(candles, primed_ms)
        newest, self._row = self._row, None  # a step that fails leaves nothing to go on from
        for candle in candles.slice(len(self._seen)):
            newest = self._engine.step(candle)
        assert newest is not None, "the newest candle opens at or after the midnight primed to"
        self._seen, self._row, self._lineage = candles, newest, lineage
        return LiveRow(newest, int(candles.open_ms[0]), primed_ms)

    def _continues(self, candles: Candles, lineage: object) -> bool:
        if lineage is not None and lineage is self._lineage:
            return len(self._seen) <= len(candles)
        return _begins(self._seen, candles)

    def _prime(self, candles: Candles, primed_ms: UtcMs) -> None:
        self._row = None
        self._seen = candles.slice(0, int(np.searchsorted(candles.close_ms, primed_ms, side="right")))
        self._engine.prime(self._seen)
        self._primed_ms = primed_ms


def refuse_short(candles: Candles) -> None:
    """Raise SkipThis("features.too_short") for history that the longest look-back does not fit in."""
    have, need = len(candles), base_warm_up_bars(candles.timeframe) + 1
    if have < need:
        raise SkipThis(
            "features.too_short",
            remedy=f"collect {need - have} more candles of {candles.timeframe} ({CandleSettings().depth_key(candles.timeframe)}), then run again",
            have_bars=have,
            need_bars=need,
        )


def _begins(seen: Candles, candles: Candles) -> bool:
    rows = len(seen)
    if rows > len(candles):
        return False
    return all(np.array_equal(getattr(seen, name), getattr(candles, name)[:rows]) for name in Candles.COLUMNS)
