"""All features, in the order in which they stand in a frame."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sereno.core.timeframe import Timeframe
from sereno.features.families import calendar, higher, momentum, returns, structure, trend, volatility, volume
from sereno.features.feature import Feature

_FAMILIES = (trend, momentum, volatility, volume, structure, returns, calendar, higher)


def _registered() -> Mapping[str, Feature]:
    features = [feature for family in _FAMILIES for feature in family.FEATURES]
    by_name = {feature.name: feature for feature in features}
    if len(by_name) != len(features):
        raise ValueError("two features share a name")
    return MappingProxyType(by_name)


_PREAMBLE = """# Features

Generated from `sereno.features.registry`; to add one see `howto/add-a-feature.md`.

Each is a number about the newest closed candle, made of closed candles only, without a unit that a price level or a
lot size could shift. The look-back is the number of candles before the first value; those of higher timeframes
(only where they are above the trading timeframe) count candles of that timeframe. Before it a feature is NaN, and
also where it is undefined: nothing can be measured in the range of a market that does not move, or against a
volume that was not traded.
"""

FEATURES: Mapping[str, Feature] = _registered()


def features_of(timeframe: Timeframe) -> tuple[Feature, ...]:
    """Features that this trading timeframe has: those of higher timeframes only where they are higher."""
    return tuple(f for f in FEATURES.values() if f.higher is None or _above(f.higher, timeframe))


def feature_names(timeframe: Timeframe) -> tuple[str, ...]:
    """Columns of a frame of this timeframe, in order."""
    return tuple(feature.name for feature in features_of(timeframe))


def base_warm_up_bars(timeframe: Timeframe) -> int:
    """Rows before every feature of the trading timeframe itself has a value."""
    return max(f.warm_up_bars(timeframe) for f in features_of(timeframe) if f.higher is None)


def warm_up_bars(timeframe: Timeframe) -> int:
    """Rows before every feature has a value, higher timeframes included."""
    return max(f.warm_up_bars(timeframe) for f in features_of(timeframe))


def table() -> str:
    """The registered features as a Markdown table."""
    head = ["| name | family | look-back | inputs | what it says | source |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_line(feature) for feature in FEATURES.values()), ""])


def document() -> str:
    """`docs/features.md`."""
    return f"{_PREAMBLE}\n{table()}"


def _line(feature: Feature) -> str:
    bars = f"{feature.lookback_bars} × {feature.higher}" if feature.higher else f"{feature.lookback_bars}"
    inputs = ", ".join(feature.inputs)
    return (
        f"| `{feature.name}` | {feature.family} | {bars} | {inputs} | {feature.summary} | {feature.source} |"
    )


def _above(higher: Timeframe, timeframe: Timeframe) -> bool:
    return higher.ms > timeframe.ms and higher.ms % timeframe.ms == 0
