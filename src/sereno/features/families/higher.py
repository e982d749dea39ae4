"""The same questions to 1h, 4h and 1d candles, made of the trading candles and joined when they are over."""

from __future__ import annotations

from dataclasses import replace

from sereno.core.timeframe import Timeframe
from sereno.features.feature import FLAT_FRAC, Family, Feature, feature, in_atr, log_return, of_price
from sereno.features.node import CLOSE, HIGH, LOW, Node, ratio
from sereno.features.recursions import adx, atr, ema, minus_di, plus_di, rsi
from sereno.features.windows import highest, lag, lowest

HIGHER = (Timeframe.H1, Timeframe.H4, Timeframe.D1)
_PREFIX = {Timeframe.H1: "h1", Timeframe.H4: "h4", Timeframe.D1: "d1"}
_FLOOR = lag(lowest(LOW, 20))

_QUESTIONS: tuple[tuple[str, Node, str, str], ...] = (
    ("ema_20_atr", in_atr(CLOSE - ema(CLOSE, 20)), "TA-Lib EMA", "close above EMA 20, in ATR"),
    ("rsi_14", rsi(CLOSE, 14), "Wilder (1978), RSI; TA-Lib", "relative strength"),
    ("adx_14", adx(14), "Wilder (1978), ADX; TA-Lib", "strength of the trend"),
    (
        "di_spread_14",
        plus_di(14) - minus_di(14),
        "Wilder (1978), DMI; TA-Lib",
        "upward less downward movement",
    ),
    ("atr_frac", of_price(atr(14)), "Wilder (1978), ATR; TA-Lib", "average true range over close"),
    ("return_5", log_return(5), "log return", "log return over 5 candles"),
    (
        "donchian_20",
        ratio(CLOSE - _FLOOR, lag(highest(HIGH, 20)) - _FLOOR, floor_frac=FLAT_FRAC, of=CLOSE),
        "Donchian (1960), channel of the candles before",
        "place in the channel of 20 candles",
    ),
)

FEATURES: tuple[Feature, ...] = tuple(
    replace(
        feature(
            f"{_PREFIX[span]}_{name}", Family.HIGHER, node, source=source, summary=f"{summary}, on {span}"
        ),
        higher=span,
    )
    for span in HIGHER
    for name, node, source, summary in _QUESTIONS
)
