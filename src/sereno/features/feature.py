"""What a feature is, and the units that features are measured in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sereno.core.timeframe import Timeframe
from sereno.features.node import CLOSE, Node, Source, in_order, ratio, share, unary
from sereno.features.plan import Plan
from sereno.features.recursions import atr
from sereno.features.windows import lag

FLAT_FRAC = 1e-6  # an average range below this part of the price is no market to measure in


class Family(StrEnum):
    """What a feature speaks of."""

    TREND = "trend"
    MOMENTUM = "momentum"
    VOLATILITY = "volatility"
    VOLUME = "volume"
    STRUCTURE = "structure"
    RETURNS = "returns"
    CALENDAR = "calendar"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Feature:
    """One causal, stationary number about the newest closed candle.

    lookback_bars   rows before its first value, in bars of the timeframe that it is computed on
    inputs          candle columns that it reads
    source          where the formula comes from
    higher          the timeframe whose closed candles it reads; None for the trading timeframe
    """

    name: str
    family: Family
    lookback_bars: int
    inputs: tuple[str, ...]
    source: str
    summary: str
    node: Node
    higher: Timeframe | None = None

    def warm_up_bars(self, timeframe: Timeframe) -> int:
        """Rows before its first value in bars of the trading timeframe, for history that begins on a
        candle of the higher timeframe."""
        if self.higher is None:
            return self.lookback_bars
        return (self.lookback_bars + 1) * (self.higher.ms // timeframe.ms) - 1


def feature(name: str, family: Family, node: Node, *, source: str, summary: str) -> Feature:
    """A feature of the trading timeframe; look-back and inputs follow from its expression."""
    columns = sorted({part.column for part in in_order((node,)) if isinstance(part, Source)})
    plan = Plan.of((node,))
    return Feature(name, family, plan.first_row[node], tuple(columns), source, summary, node)


def in_atr(x: Node, bars: int = 14) -> Node:
    """x (in quote) in average true ranges; NaN in a market without range."""
    return ratio(x, atr(bars), floor_frac=FLAT_FRAC, of=CLOSE)


def of_price(x: Node) -> Node:
    """x (in quote) as a fraction of the close, which is never 0."""
    return share(x, CLOSE, empty=0.0)


def log_return(bars: int = 1) -> Node:
    """Logarithmic return over `bars`; finite everywhere, as prices are positive."""
    return unary("log", CLOSE) - lag(unary("log", CLOSE), bars)
