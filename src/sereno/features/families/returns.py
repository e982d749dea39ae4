"""Returns over several spans, as they are and in units of their own volatility."""

from __future__ import annotations

from sereno.features.feature import FLAT_FRAC, Family, Feature, feature, log_return
from sereno.features.node import CLOSE, Node, ratio
from sereno.features.windows import lag, std, total

_LOG = "log return"


def _returns(name: str, node: Node, source: str, summary: str) -> Feature:
    return feature(name, Family.RETURNS, node, source=source, summary=summary)


def _scaled(bars: int) -> Node:
    noise = std(log_return(), 50) * (bars**0.5)
    return ratio(log_return(bars) * CLOSE, noise * CLOSE, floor_frac=FLAT_FRAC, of=CLOSE)


def _turning(bars: int) -> Node:
    move = log_return()
    return ratio(total(move * lag(move), bars), total(move * move, bars))


FEATURES = (
    *(
        _returns(f"return_{n}", log_return(n), _LOG, f"log return over {n} bars")
        for n in (1, 2, 3, 5, 10, 20, 50)
    ),
    _returns("return_1_before", lag(log_return()), _LOG, "log return of the candle before"),
    _returns("return_2_before", lag(log_return(), 2), _LOG, "log return two candles before"),
    *(
        _returns(
            f"return_{n}_z",
            _scaled(n),
            "return over sigma sqrt(n)",
            f"log return over {n} bars in sigmas of 50 bars",
        )
        for n in (1, 5, 20)
    ),
    _returns(
        "autocorrelation_20",
        _turning(20),
        "lag-1 autocorrelation about 0",
        "do moves go on (1) or turn (-1)?",
    ),
)
