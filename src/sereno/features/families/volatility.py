"""How much the price moves."""

from __future__ import annotations

import math

from sereno.features.feature import FLAT_FRAC, Family, Feature, feature, in_atr, log_return, of_price
from sereno.features.node import CLOSE, HIGH, LOW, OPEN, Node, ratio, unary
from sereno.features.recursions import atr, true_range
from sereno.features.windows import highest, lowest, mean, median, std, total


def _volatility(name: str, node: Node, source: str, summary: str) -> Feature:
    return feature(name, Family.VOLATILITY, node, source=source, summary=summary)


def _log(x: Node) -> Node:
    return unary("log", x)


def _parkinson(bars: int) -> Node:
    return unary("sqrt", mean(unary("square", _log(HIGH) - _log(LOW)), bars) / (4 * math.log(2)))


def _garman_klass(bars: int) -> Node:
    wide = unary("square", _log(HIGH) - _log(LOW)) * 0.5
    body = unary("square", _log(CLOSE) - _log(OPEN)) * (2 * math.log(2) - 1)
    return unary("sqrt", unary("gain", mean(wide - body, bars)))


def _choppiness(bars: int) -> Node:
    span = highest(HIGH, bars) - lowest(LOW, bars)
    path = ratio(total(true_range(), bars), span, floor_frac=1e-6, of=CLOSE)
    return _log(path) * (100.0 / math.log(bars))


_ATR_FRAC = of_price(atr(14))
_RETURN = log_return()
_DOWN = unary("square", unary("loss", _RETURN))
_CALM, _SHORT, _LONG = std(_RETURN, 20), std(_RETURN, 10), std(_RETURN, 50)
_BAND, _MIDDLE = std(CLOSE, 20), mean(CLOSE, 20)
_BOLLINGER = "Bollinger (2001), bands 20/2"
_REALISED = "Andersen, Bollerslev, Diebold & Labys (2003); mean removed"

FEATURES = (
    _volatility("atr_frac", _ATR_FRAC, "Wilder (1978), ATR 14; TA-Lib", "average true range over close"),
    _volatility(
        "atr_ratio_200",
        ratio(atr(14), median(_ATR_FRAC, 200) * CLOSE, floor_frac=FLAT_FRAC, of=CLOSE),
        "ATR fraction over its median of 200 bars",
        "is the range wide for this market?",
    ),
    _volatility("atr_7_14", in_atr(atr(7)), "Wilder (1978)", "fast over slow average true range"),
    _volatility("range_atr", in_atr(true_range()), "Wilder (1978)", "true range of the candle, in ATR"),
    _volatility("realised_20", _CALM, _REALISED, "standard deviation of 20 log returns"),
    _volatility("realised_50", _LONG, _REALISED, "standard deviation of 50 log returns"),
    _volatility(
        "realised_10_50",
        ratio(_SHORT * CLOSE, _LONG * CLOSE, floor_frac=FLAT_FRAC, of=CLOSE),
        _REALISED,
        "volatility of 10 bars over that of 50",
    ),
    _volatility("parkinson_20", _parkinson(20), "Parkinson (1980)", "volatility from highs and lows"),
    _volatility(
        "garman_klass_20", _garman_klass(20), "Garman & Klass (1980)", "volatility from whole candles"
    ),
    _volatility(
        "downside_share_20",
        ratio(total(_DOWN, 20), total(unary("square", _RETURN), 20)),
        "semivariance, Barndorff-Nielsen et al. (2010)",
        "part of the variance of 20 bars that fell",
    ),
    _volatility("bollinger_width_20", of_price(_BAND * 4.0), _BOLLINGER, "width of the bands over the close"),
    _volatility(
        "bollinger_place_20",
        ratio(CLOSE - _MIDDLE, _BAND * 2.0, floor_frac=FLAT_FRAC, of=CLOSE),
        _BOLLINGER,
        "place between the bands: -1 lower, 1 upper",
    ),
    _volatility(
        "squeeze_20",
        in_atr(_BAND * 2.0) * (1 / 1.5),
        "Carter (2005), squeeze",
        "Bollinger width over Keltner width",
    ),
    _volatility("choppiness_14", _choppiness(14), "Dreiss (1993), choppiness index", "100: all path, no way"),
    _volatility(
        "span_20_atr",
        in_atr(highest(HIGH, 20) - lowest(LOW, 20)),
        "high-low span",
        "span of 20 bars, in ATR",
    ),
)
