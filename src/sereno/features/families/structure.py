"""Swings, channels and the shape of candles. A channel that the close is held against is made of the bars
*before* it: with the bar itself inside, no close could ever break out."""

from __future__ import annotations

from sereno.features.feature import FLAT_FRAC, Family, Feature, feature, in_atr
from sereno.features.node import CLOSE, HIGH, LOW, OPEN, Node, larger, ratio, share, smaller, unary
from sereno.features.windows import change, highest, lag, lowest, mean, total

_DONCHIAN = "Donchian (1960), channel of the bars before"
_CANDLE = "candle shape in ATR"


def _structure(name: str, node: Node, source: str, summary: str) -> Feature:
    return feature(name, Family.STRUCTURE, node, source=source, summary=summary)


def _top(bars: int) -> Node:
    return lag(highest(HIGH, bars))


def _floor(bars: int) -> Node:
    return lag(lowest(LOW, bars))


def _channel_place(bars: int) -> Node:
    return ratio(CLOSE - _floor(bars), _top(bars) - _floor(bars), floor_frac=FLAT_FRAC, of=CLOSE)


_UPPER, _LOWER = HIGH - larger(OPEN, CLOSE), smaller(OPEN, CLOSE) - LOW
_INSIDE = unary("sign", unary("gain", change(LOW))) * unary("sign", unary("loss", change(HIGH)))

FEATURES = (
    _structure(
        "swing_high_20_atr",
        in_atr(_top(20) - CLOSE),
        "swing high of 20 bars before",
        "close below it, in ATR",
    ),
    _structure(
        "swing_low_20_atr",
        in_atr(CLOSE - _floor(20)),
        "swing low of 20 bars before",
        "close above it, in ATR",
    ),
    _structure("donchian_20", _channel_place(20), _DONCHIAN, "place in the channel; above 1 broken upwards"),
    _structure("donchian_55", _channel_place(55), _DONCHIAN, "place in the channel; above 1 broken upwards"),
    _structure(
        "breakout_up_20", in_atr(unary("gain", CLOSE - _top(20))), _DONCHIAN, "close beyond the top, in ATR"
    ),
    _structure(
        "breakout_down_20",
        in_atr(unary("loss", CLOSE - _floor(20))),
        _DONCHIAN,
        "close beyond the floor, in ATR",
    ),
    _structure("body_atr", in_atr(CLOSE - OPEN), _CANDLE, "body, signed"),
    _structure("upper_wick_atr", in_atr(_UPPER), _CANDLE, "upper wick"),
    _structure("lower_wick_atr", in_atr(_LOWER), _CANDLE, "lower wick"),
    _structure(
        "close_place",
        share(CLOSE - LOW, HIGH - LOW, empty=0.5),
        "close location",
        "0: at the low; 1: at the high",
    ),
    _structure("gap_atr", in_atr(OPEN - lag(CLOSE)), "opening gap", "open above the close before, in ATR"),
    _structure("inside_bar", _INSIDE, "inside bar", "1 when the candle lies within the one before"),
    _structure(
        "body_share_10",
        mean(share(unary("abs", CLOSE - OPEN), HIGH - LOW, empty=0.0), 10),
        _CANDLE,
        "body over range, 10 bars",
    ),
    _structure(
        "higher_highs_10",
        total(unary("sign", unary("gain", change(HIGH))), 10) / 10.0,
        "Dow theory",
        "share of higher highs in 10 bars",
    ),
    _structure(
        "higher_lows_10",
        total(unary("sign", unary("gain", change(LOW))), 10) / 10.0,
        "Dow theory",
        "share of higher lows in 10 bars",
    ),
)
