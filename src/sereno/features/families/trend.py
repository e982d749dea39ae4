"""Where the price is going, in average true ranges."""

from __future__ import annotations

from sereno.features.feature import Family, Feature, feature, in_atr
from sereno.features.node import CLOSE, HIGH, LOW, Node, larger, ratio, smaller, unary
from sereno.features.oscillators import aroon
from sereno.features.recursions import adx, ema, minus_di, plus_di
from sereno.features.windows import change, highest, lag, lowest, mean, slope, total

_EMA = "TA-Lib EMA"
_DMI = "Wilder (1978), New Concepts in Technical Trading Systems"
_ICHIMOKU = "Hosoda (1969), Ichimoku; spans lagged, never led"


def _middle(bars: int) -> Node:
    return (highest(HIGH, bars) + lowest(LOW, bars)) / 2.0


def _trend(name: str, node: Node, source: str, summary: str) -> Feature:
    return feature(name, Family.TREND, node, source=source, summary=summary)


def _order() -> Node:
    fast, middle, slow = ema(CLOSE, 20), ema(CLOSE, 50), ema(CLOSE, 200)
    return (unary("sign", fast - middle) + unary("sign", middle - slow)) / 2.0


_MACD = ema(CLOSE, 12) - ema(CLOSE, 26)
_SPAN_A = lag((_middle(9) + _middle(26)) / 2.0, 26)
_SPAN_B = lag(_middle(52), 26)

FEATURES = (
    *(
        _trend(f"ema_{bars}_atr", in_atr(CLOSE - ema(CLOSE, bars)), _EMA, f"close above EMA {bars}, in ATR")
        for bars in (9, 20, 50, 200)
    ),
    _trend("sma_20_atr", in_atr(CLOSE - mean(CLOSE, 20)), "simple mean", "close above SMA 20, in ATR"),
    _trend("ema_9_20_atr", in_atr(ema(CLOSE, 9) - ema(CLOSE, 20)), _EMA, "EMA 9 above EMA 20, in ATR"),
    _trend("ema_20_50_atr", in_atr(ema(CLOSE, 20) - ema(CLOSE, 50)), _EMA, "EMA 20 above EMA 50, in ATR"),
    _trend("ema_20_slope_5", in_atr(change(ema(CLOSE, 20), 5)), _EMA, "rise of EMA 20 over 5 bars, in ATR"),
    _trend("ema_order", _order(), _EMA, "1: EMA 20 > 50 > 200; -1: the reverse; 0: mixed"),
    _trend("macd_atr", in_atr(_MACD), "Appel (1979), MACD 12/26", "MACD line, in ATR"),
    _trend(
        "macd_hist_atr",
        in_atr(_MACD - ema(_MACD, 9)),
        "Appel (1979), MACD 12/26/9",
        "MACD above its signal, in ATR",
    ),
    _trend("adx_14", adx(14), _DMI, "strength of the trend, 0 to 100"),
    _trend("plus_di_14", plus_di(14), _DMI, "upward movement, 0 to 100"),
    _trend("minus_di_14", minus_di(14), _DMI, "downward movement, 0 to 100"),
    _trend("di_spread_14", plus_di(14) - minus_di(14), _DMI, "upward less downward movement"),
    _trend("adx_change_5", change(adx(14), 5), _DMI, "change of ADX over 5 bars"),
    _trend("aroon_25", aroon(25), "Chande (1995), Aroon oscillator", "age of the low less age of the high"),
    _trend(
        "slope_20_atr",
        in_atr(slope(CLOSE, 20)),
        "least squares, as TA-Lib LINEARREG_SLOPE",
        "regression slope over 20 bars, ATR a bar",
    ),
    _trend(
        "efficiency_20",
        ratio(change(CLOSE, 20), total(unary("abs", change(CLOSE)), 20), floor_frac=1e-6, of=CLOSE),
        "Kaufman (1995), efficiency ratio, signed",
        "net move over path walked in 20 bars, -1 to 1",
    ),
    _trend("tenkan_kijun_atr", in_atr(_middle(9) - _middle(26)), _ICHIMOKU, "Tenkan above Kijun, in ATR"),
    _trend(
        "above_cloud_atr",
        in_atr(CLOSE - larger(_SPAN_A, _SPAN_B)),
        _ICHIMOKU,
        "close above the cloud's top, in ATR",
    ),
    _trend(
        "below_cloud_atr",
        in_atr(smaller(_SPAN_A, _SPAN_B) - CLOSE),
        _ICHIMOKU,
        "close below the cloud's floor, in ATR",
    ),
)
