"""What a reader of an earlier moment saw: late candles hidden, lost ones back, corrections undone.

Every stored candle knows when it came. Two things are not known to the minute, and such a candle counts as
stored from its own close on: when the candles of a lake of the first format came, and when those came that
were lost with a damaged file and collected again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sereno.core.candle import I64, Candles
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.store import lake_table
from sereno.store.lake_table import PRICES
from sereno.store.lake_words import Lapse

_NEVER = np.iinfo(np.int64).max
_ALWAYS = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """The candles of a range as they are now, and what is known of how they came to be so.

    came_ms      (n,) when each was stored first
    late         (n,) whether a newer one was stored already when it came
    gone_ms      (n,) when it was lost with its file, as far as that is dated; else the end of time
    back_ms      (n,) when it was collected again after that; else the end of time
    corrections  rows of CORRECTION_ROWS, in the order in which they were noticed
    """

    candles: Candles
    came_ms: I64
    late: NDArray[np.bool_]
    gone_ms: I64
    back_ms: I64
    corrections: pl.DataFrame

    def as_of(self, moment: UtcMs) -> Candles:
        """What was read right after the last write at or before this moment."""
        return self._with(self._shown(self.came_ms, moment), moment)

    def versions(self) -> Iterator[Candles]:
        """Everything that a reader can have seen since the newest candle of the range came, oldest first.

        Candles that came in their turn are in all of them: whoever has seen the newest has seen those,
        even if the clock stood still meanwhile.
        """
        if len(self.candles):
            came_ms = np.where(self.late, self.came_ms, _ALWAYS)
            for moment in self._moments(came_ms, int(self.came_ms[-1])):
                before = self._shown(came_ms, moment - 1)
                yield self._with(before, moment - 1)
                lost = self.gone_ms == moment
                if lost.any():
                    yield self._with(before & ~lost, moment - 1)
        yield self.candles

    def _moments(self, came_ms: I64, since: UtcMs) -> list[int]:
        """When something else than the next candle happened, from `since` on."""
        noticed_ms = self.corrections["noticed_ms"].to_numpy()
        happened = np.unique(np.concatenate((came_ms, self.gone_ms, self.back_ms, noticed_ms)))
        moments: list[int] = happened[(happened >= since) & (happened < _NEVER)].tolist()
        return moments

    def _shown(self, came_ms: I64, moment: UtcMs) -> NDArray[np.bool_]:
        shown: NDArray[np.bool_] = ((came_ms <= moment) & (moment < self.gone_ms)) | (self.back_ms <= moment)
        return shown

    def _with(self, shown: NDArray[np.bool_], moment: UtcMs) -> Candles:
        undone = _undone(self.candles, self.corrections, moment)
        columns = {name: getattr(undone, name)[shown] for name in ("open_ms", *PRICES)}
        return replace(undone, **columns)


def past_of(
    timeframe: Timeframe, rows: pl.DataFrame, lapses: tuple[Lapse, ...], corrections: pl.DataFrame
) -> Past:
    """The past of stored rows."""
    candles = lake_table.candle_block(timeframe, rows)
    arrived_ms = rows["arrived_ms"].fill_null(pl.Series(candles.close_ms)).to_numpy()
    gone_ms = np.full(len(candles), _NEVER)
    for lapse in lapses:
        if lapse.gone_ms is not None:
            inside = (candles.open_ms >= lapse.first_ms) & (candles.open_ms <= lapse.last_ms)
            gone_ms[inside & (arrived_ms >= lapse.gone_ms)] = lapse.gone_ms
    again = gone_ms < _NEVER
    came_ms, back_ms = np.where(again, candles.close_ms, arrived_ms), np.where(again, arrived_ms, _NEVER)
    late = rows["late"].fill_null(value=False).to_numpy() & ~again
    return Past(candles, came_ms, late, gone_ms, back_ms, corrections)


def _undone(candles: Candles, corrections: pl.DataFrame, moment: UtcMs) -> Candles:
    """The candles without the corrections that were noticed after a moment."""
    later = corrections.filter(pl.col("noticed_ms") > moment).unique(
        "open_ms", keep="first", maintain_order=True
    )
    if later.height == 0 or len(candles) == 0:
        return candles
    opens = later["open_ms"].to_numpy()
    at = np.minimum(np.searchsorted(candles.open_ms, opens), len(candles) - 1)
    stored = candles.open_ms[at] == opens
    columns = {name: getattr(candles, name).copy() for name in PRICES}
    for name, column in columns.items():
        column[at[stored]] = later[f"old_{name}"].to_numpy()[stored]
    return replace(candles, **columns)
