"""How fast the price goes, and whether it has gone far."""

from __future__ import annotations

from sereno.features.feature import Family, Feature, feature
from sereno.features.node import CLOSE, HIGH, LOW, Node, ratio, share, smaller, unary
from sereno.features.oscillators import cci
from sereno.features.recursions import ema, rsi, true_range
from sereno.features.windows import change, highest, lag, lowest, mean, total


def _momentum(name: str, node: Node, source: str, summary: str) -> Feature:
    return feature(name, Family.MOMENTUM, node, source=source, summary=summary)


def _place(bars: int) -> Node:
    floor = lowest(LOW, bars)
    return share(CLOSE - floor, highest(HIGH, bars) - floor, empty=0.5) * 100.0


def _tsi() -> Node:
    move = change(CLOSE)
    smooth, walked = (ema(ema(x, 25), 13) for x in (move, unary("abs", move)))
    return ratio(smooth * 100.0, walked, floor_frac=1e-7, of=CLOSE)


def _ultimate() -> Node:
    before = lag(CLOSE)
    pressure, width = CLOSE - smaller(LOW, before), true_range()
    fast, middle, slow = (share(total(pressure, n), total(width, n), empty=0.5) for n in (7, 14, 28))
    return (fast * 4.0 + middle * 2.0 + slow) * (100.0 / 7.0)


def _rate(bars: int) -> Node:
    return ratio(CLOSE, lag(CLOSE, bars)) - 1.0


_RSI = "Wilder (1978), RSI; TA-Lib"
_STOCH = "Lane (1984), stochastic 14/3/3"

FEATURES = (
    _momentum("rsi_14", rsi(CLOSE, 14), _RSI, "relative strength, 0 to 100"),
    _momentum("rsi_7", rsi(CLOSE, 7), _RSI, "relative strength, fast"),
    _momentum("rsi_14_change_3", change(rsi(CLOSE, 14), 3), _RSI, "change of RSI 14 over 3 bars"),
    _momentum("stoch_k_14", mean(_place(14), 3), _STOCH, "place in the range of 14 bars, smoothed"),
    _momentum("stoch_d_14", mean(mean(_place(14), 3), 3), _STOCH, "the same, smoothed again"),
    _momentum(
        "willr_14", _place(14) - 100.0, "Williams (1973), %R", "place in the range of 14 bars, -100 to 0"
    ),
    _momentum("roc_10", _rate(10), "rate of change", "simple return over 10 bars"),
    _momentum("roc_20", _rate(20), "rate of change", "simple return over 20 bars"),
    _momentum("ppo_12_26", ratio(ema(CLOSE, 12), ema(CLOSE, 26)) - 1.0, "Appel, PPO", "EMA 12 over EMA 26"),
    _momentum("tsi_25_13", _tsi(), "Blau (1991), true strength index", "smoothed move over smoothed path"),
    _momentum("cci_20", cci(20), "Lambert (1980), CCI; TA-Lib", "distance from the mean in mean deviations"),
    _momentum(
        "ultosc_7_14_28",
        _ultimate(),
        "Williams (1976), ultimate oscillator",
        "buying pressure over three windows",
    ),
    _momentum(
        "up_bars_10",
        mean(unary("sign", change(CLOSE)), 10),
        "sign count",
        "share of rising less share of falling closes in 10 bars",
    ),
)
