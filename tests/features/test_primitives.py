"""Each primitive against its oracle: TA-Lib or pandas-plain NumPy, and its own steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import talib

from sereno.core.candle import F64, Candles
from sereno.features import node as n
from sereno.features import oscillators as o
from sereno.features import recursions as r
from sereno.features import windows as w
from sereno.features.families import momentum, volume
from sereno.features.feature import Family, feature, log_return
from sereno.features.frame import Layout, frame_of
from sereno.features.node import CLOSE, HIGH, LOW, OPEN, VOLUME, Node
from sereno.features.plan import Plan
from tests.features import battery, markets

CANDLES = markets.lively(400)


def windowed(x: F64, bars: int, of: Callable[[F64], float]) -> F64:
    rows = [of(x[i - bars + 1 : i + 1]) if i >= bars - 1 else np.nan for i in range(len(x))]
    return np.array(rows)


def column(node: Node, candles: Candles = CANDLES) -> F64:
    plan = Plan.of((node,))
    return plan.batch(candles)[0].rows(0, len(candles))


PRIMITIVES: dict[str, tuple[Node, Callable[[Candles], F64]]] = {
    "lag": (w.lag(CLOSE, 3), lambda c: np.r_[[np.nan] * 3, c.close[:-3]]),
    "sum_1": (w.total(VOLUME, 1), lambda c: c.volume),
    "sum_7": (w.total(VOLUME, 7), lambda c: windowed(c.volume, 7, np.sum)),
    "sum_64": (w.total(VOLUME, 64), lambda c: windowed(c.volume, 64, np.sum)),
    "mean_20": (w.mean(CLOSE, 20), lambda c: talib.SMA(c.close, 20)),
    "std_20": (w.std(CLOSE, 20), lambda c: windowed(c.close, 20, np.std)),
    "std_50": (
        w.std(log_return(), 50),
        lambda c: windowed(np.r_[np.nan, np.diff(np.log(c.close))], 50, np.std),
    ),
    "highest": (w.highest(HIGH, 20), lambda c: windowed(c.high, 20, np.max)),
    "lowest": (w.lowest(LOW, 20), lambda c: windowed(c.low, 20, np.min)),
    "median_even": (w.median(VOLUME, 30), lambda c: windowed(c.volume, 30, np.median)),
    "median_odd": (w.median(VOLUME, 31), lambda c: windowed(c.volume, 31, np.median)),
    "slope": (w.slope(CLOSE, 20), lambda c: talib.LINEARREG_SLOPE(c.close, 20)),
    "zscore": (
        w.zscore(VOLUME, 20),
        lambda c: (c.volume - talib.SMA(c.volume, 20)) / windowed(c.volume, 20, np.std),
    ),
    "ema": (r.ema(CLOSE, 21), lambda c: talib.EMA(c.close, 21)),
    "rsi": (r.rsi(CLOSE, 14), lambda c: talib.RSI(c.close, 14)),
    "true_range": (r.true_range(), lambda c: talib.TRANGE(c.high, c.low, c.close)),
    "atr": (r.atr(14), lambda c: talib.ATR(c.high, c.low, c.close, 14)),
    "plus_di": (r.plus_di(14), lambda c: talib.PLUS_DI(c.high, c.low, c.close, 14)),
    "minus_di": (r.minus_di(9), lambda c: talib.MINUS_DI(c.high, c.low, c.close, 9)),
    "adx": (r.adx(14), lambda c: talib.ADX(c.high, c.low, c.close, 14)),
    "cci": (o.cci(20), lambda c: talib.CCI(c.high, c.low, c.close, 20)),
    "aroon": (o.aroon(25), lambda c: talib.AROONOSC(c.high, c.low, 25)),
    "log": (n.unary("log", CLOSE), lambda c: np.log(c.close)),
    "log1p": (n.unary("log1p", VOLUME), lambda c: np.log1p(c.volume)),
    "sqrt": (n.unary("sqrt", VOLUME), lambda c: np.sqrt(c.volume)),
    "square": (n.unary("square", VOLUME), lambda c: c.volume**2),
    "abs": (n.unary("abs", CLOSE - OPEN), lambda c: np.abs(c.close - c.open)),
    "sign": (n.unary("sign", CLOSE - OPEN), lambda c: np.sign(c.close - c.open)),
    "gain": (n.unary("gain", CLOSE - OPEN), lambda c: np.clip(c.close - c.open, 0, None)),
    "loss": (n.unary("loss", CLOSE - OPEN), lambda c: np.clip(c.open - c.close, 0, None)),
    "larger": (n.larger(OPEN, CLOSE), lambda c: np.maximum(c.open, c.close)),
    "smaller": (n.smaller(OPEN, CLOSE), lambda c: np.minimum(c.open, c.close)),
    "ratio": (n.ratio(HIGH, LOW), lambda c: c.high / c.low),
    "share": (n.share(CLOSE - LOW, HIGH - LOW, empty=0.5), lambda c: (c.close - c.low) / (c.high - c.low)),
    "plus_number": (CLOSE + 5.0, lambda c: c.close + 5.0),
    "stoch_k": (
        next(f.node for f in momentum.FEATURES if f.name == "stoch_k_14"),
        lambda c: windowed(talib.STOCHF(c.high, c.low, c.close, 14, 1, 0)[0], 3, np.mean),
    ),
    "willr": (
        next(f.node for f in momentum.FEATURES if f.name == "willr_14"),
        lambda c: talib.WILLR(c.high, c.low, c.close, 14),
    ),
    "ultosc": (
        next(f.node for f in momentum.FEATURES if f.name == "ultosc_7_14_28"),
        lambda c: talib.ULTOSC(c.high, c.low, c.close, 7, 14, 28),
    ),
    "mfi": (
        next(f.node for f in volume.FEATURES if f.name == "mfi_14"),
        lambda c: talib.MFI(c.high, c.low, c.close, c.volume, 14),
    ),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_says_what_its_oracle_says(name: str) -> None:
    node, oracle = PRIMITIVES[name]
    np.testing.assert_allclose(column(node), oracle(CANDLES), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PRIMITIVES)
@pytest.mark.parametrize("primed", [0, 1, 40, 399])
def test_a_primitive_steps_on_where_its_batch_ended(name: str, primed: int) -> None:
    layout = Layout.of([feature(name, Family.TREND, PRIMITIVES[name][0], source="x", summary="x")], 14)
    assert battery.skewed(layout, CANDLES, primed, tolerance=1e-11) == set()
    assert battery.misdeclared(layout, CANDLES) == set()


@pytest.mark.parametrize("name", ["ema", "true_range", "lag", "highest", "median_even", "larger", "sign"])
def test_a_recursion_that_carries_its_state_agrees_to_the_bit(name: str) -> None:
    layout = Layout.of([feature(name, Family.TREND, PRIMITIVES[name][0], source="x", summary="x")], 14)
    assert battery.skewed(layout, CANDLES, 200, tolerance=0.0) == set()


def test_sums_do_not_drift_after_a_burst() -> None:
    """A running sum would carry the rounding of the burst for ever."""
    candles = markets.lively(400)
    candles.volume[50] = 1e18
    np.testing.assert_allclose(
        column(w.total(VOLUME, 20), candles)[100:], windowed(candles.volume, 20, np.sum)[100:], rtol=1e-14
    )


def test_a_recursion_refuses_a_column_with_holes() -> None:
    with pytest.raises(ValueError, match="holes"):
        r.ema(n.ratio(CLOSE, VOLUME), 5)
    with pytest.raises(ValueError, match="holes"):
        w.total(w.zscore(VOLUME, 5), 5)


def test_equal_expressions_are_computed_once() -> None:
    once = Plan.of((r.atr(14), CLOSE - r.ema(CLOSE, 20), r.ema(CLOSE, 20)))
    assert sum(node == r.ema(CLOSE, 20) for node in once.order) == 1


def test_a_frame_of_nothing_has_no_rows() -> None:
    layout = Layout.of([feature("x", Family.TREND, r.rsi(CLOSE, 14), source="x", summary="x")], 14)
    assert frame_of(Candles.empty(CANDLES.timeframe), layout).values.shape == (0, 1)
