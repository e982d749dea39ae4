"""What was traded, and on which side of the move."""

from __future__ import annotations

from sereno.features.feature import Family, Feature, feature, in_atr, log_return
from sereno.features.node import CLOSE, HIGH, LOW, VOLUME, Node, ratio, share, unary
from sereno.features.recursions import ema
from sereno.features.windows import change, lag, mean, slope, std, total, zscore

_TYPICAL = (HIGH + LOW + CLOSE) / 3.0
_ROUNDING_FRAC = 1e-9  # a smaller change of the typical price is the rounding of its mean, no move
_SIGNED = unary("sign", change(CLOSE)) * VOLUME
_PLACE = share((CLOSE - LOW) - (HIGH - CLOSE), HIGH - LOW, empty=0.0)


def _volume(name: str, node: Node, source: str, summary: str) -> Feature:
    return feature(name, Family.VOLUME, node, source=source, summary=summary)


def _money_flow(bars: int) -> Node:
    flow, move = _TYPICAL * VOLUME, change(_TYPICAL)
    moved = unary("sign", unary("gain", unary("abs", move) - _TYPICAL * _ROUNDING_FRAC))
    way = moved * unary("sign", move)
    bought, sold = total(flow * unary("gain", way), bars), total(flow * unary("loss", way), bars)
    return share(bought, bought + sold, empty=0.5) * 100.0


def _vwap(bars: int) -> Node:
    return ratio(total(_TYPICAL * VOLUME, bars), total(VOLUME, bars))


def _together(bars: int) -> Node:
    heat = unary("abs", log_return())
    apart = mean(heat * VOLUME, bars) - mean(heat, bars) * mean(VOLUME, bars)
    return ratio(
        apart, std(heat, bars) * std(VOLUME, bars), floor_frac=1e-6, of=mean(heat, bars) * mean(VOLUME, bars)
    )


FEATURES = (
    _volume(
        "volume_ratio_20",
        unary("log1p", ratio(VOLUME, mean(VOLUME, 20))),
        "log(1 + volume / SMA 20)",
        "volume against its mean",
    ),
    _volume("volume_z_50", zscore(VOLUME, 50), "z-score", "volume in standard deviations of 50 bars"),
    _volume(
        "volume_5_50",
        unary("log1p", ratio(mean(VOLUME, 5), mean(VOLUME, 50))),
        "log(1 + SMA 5 / SMA 50)",
        "is trade growing?",
    ),
    _volume(
        "volume_slope_20",
        ratio(slope(VOLUME, 20), mean(VOLUME, 20)),
        "least squares, as TA-Lib LINEARREG_SLOPE",
        "growth of volume a bar",
    ),
    _volume(
        "obv_change_20",
        ratio(total(_SIGNED, 20), total(VOLUME, 20)),
        "Granville (1963), on-balance volume, as a share",
        "rise of OBV over 20 bars in volumes of 20 bars",
    ),
    _volume(
        "obv_change_5",
        ratio(total(_SIGNED, 5), total(VOLUME, 5)),
        "Granville (1963), on-balance volume, as a share",
        "rise of OBV over 5 bars in volumes of 5 bars",
    ),
    _volume(
        "mfi_14",
        _money_flow(14),
        "Quong & Soudack (1989), money flow index",
        "money on rising bars, 0 to 100",
    ),
    _volume(
        "cmf_20",
        ratio(total(_PLACE * VOLUME, 20), total(VOLUME, 20)),
        "Chaikin money flow",
        "volume by where it closed in its candle",
    ),
    _volume(
        "vwap_24_atr", in_atr(CLOSE - _vwap(24)), "rolling VWAP", "close above the VWAP of 24 bars, in ATR"
    ),
    _volume(
        "vwap_48_atr", in_atr(CLOSE - _vwap(48)), "rolling VWAP", "close above the VWAP of 48 bars, in ATR"
    ),
    _volume(
        "force_13_atr",
        in_atr(ratio(ema(change(CLOSE) * VOLUME, 13), mean(VOLUME, 50))),
        "Elder (1993), force index",
        "move times volume, in ATR and mean volumes",
    ),
    _volume(
        "heat_volume_20", _together(20), "Karpoff (1987); Pearson's r", "do volume and movement go together?"
    ),
    _volume(
        "last_volume_ratio",
        unary("log1p", ratio(VOLUME, lag(mean(VOLUME, 20)))),
        "log(1 + volume / SMA 20 of the bars before)",
        "volume against the bars before it",
    ),
)
