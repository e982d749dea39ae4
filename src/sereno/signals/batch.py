"""The same decision over a whole history, for the backtest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sereno.core.candle import F64, I64
from sereno.core.errors import SkipThis
from sereno.core.instrument import Market
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Decision
from sereno.core.timeframe import Timeframe, UtcMs
from sereno.models.contract import Forecasts
from sereno.models.contract import Frame as FeatureBlock
from sereno.signals.decide import decide
from sereno.signals.gates import rests_after_gap
from sereno.signals.regime import ADX, ATR_RATIO, regime_of
from sereno.signals.words import Reason, Situation, Verdict

I8: TypeAlias = NDArray[np.int8]


class Frame(FeatureBlock, Protocol):
    """A block of feature rows that also tells its timeframe."""

    @property
    def timeframe(self) -> Timeframe: ...


@dataclass(frozen=True, slots=True)
class Miss:
    """A candle that was nearly traded: its close, the side, and in words every rule that said no."""

    ts: UtcMs
    side: Decision
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """(n,) decisions before cool-down and risk, which depend on what was traded; oldest first.

    side      +1 LONG, -1 SHORT, 0 NO_TRADE
    atr       raw average true range at the decision; NaN in warm-up
    refusals  how often each reason was the first to refuse, and how often a gap in the data did
    nearest   the refused candle with an edge that the fewest rules refused, of these the one with the largest
              expected utility; None when no side had an edge
    """

    ts: I64
    side: I8
    atr: F64
    refusals: dict[str, int]
    nearest: Miss | None = None

    def __len__(self) -> int:
        return len(self.ts)


def decide_all(
    forecasts: Forecasts,
    frame: Frame,
    *,
    market: Market,
    signals: SignalSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
) -> Decisions:
    """`decide` on every row that has a forecast; rows are matched on `ts`.

    Each row is decided at the moment of its close, so nothing is stale. Gaps count as
    unrepairable: live, one that can be filled is filled by the next collection.
    """
    side = np.zeros(len(frame.ts), dtype=np.int8)
    refusals: dict[str, int] = {}
    nearest: tuple[int, float, Miss] | None = None
    rests = rests_after_gap(frame.ts, frame.timeframe, rest_bars=signals.gap_rest_bars)
    adx = frame.values[:, frame.names.index(ADX)].tolist()
    ratio = frame.values[:, frame.names.index(ATR_RATIO)].tolist()
    atr, close = frame.atr.tolist(), frame.close.tolist()
    rows = np.searchsorted(frame.ts, forecasts.ts)
    for i in np.flatnonzero(forecasts.present).tolist():
        row, ts = int(rows[i]), int(forecasts.ts[i])
        if row >= len(frame.ts) or int(frame.ts[row]) != ts:
            continue
        try:
            regime, _ = regime_of(adx[row], ratio[row], signals)
        except SkipThis:
            continue  # as live: no regime, no signal
        verdict = decide(
            forecasts.row(i),
            regime,
            atr[row],
            close[row],
            signals=signals,
            barriers=barriers,
            costs=costs,
            situation=Situation(market, frame.timeframe, candle_ms=ts, now=ts),
        )
        reason = verdict.reason
        if reason is Reason.TAKEN and rests[row]:
            reason = Reason.DATA_GAP
        if reason is Reason.TAKEN:
            side[row] = verdict.decision.sign
        else:
            refusals[reason.value] = refusals.get(reason.value, 0) + 1
            nearest = _nearer(nearest, verdict, ts)
    miss = None if nearest is None else nearest[2]
    return Decisions(ts=frame.ts, side=side, atr=frame.atr, refusals=refusals, nearest=miss)


def _nearer(
    known: tuple[int, float, Miss] | None, verdict: Verdict, ts: UtcMs
) -> tuple[int, float, Miss] | None:
    """The nearer of a known miss and a refused candle: (rules against it, minus its expected utility, it)."""
    if verdict.side is None or verdict.utility is None:
        return known
    rules, short = len(verdict.refusals), -verdict.utility
    if known is not None and known[:2] <= (rules, short):
        return known
    return rules, short, Miss(ts, verdict.side, verdict.detail if verdict.refusals else Reason.DATA_GAP.value)
