"""Planted leaks: features as people really write them wrong. The battery must catch each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import signal

from sereno.core.candle import F64, Candles
from sereno.core.settings import BarrierSettings, CostSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.features import frame
from sereno.features.feature import Family, Feature
from sereno.features.frame import Layout
from sereno.features.node import CLOSE, HIGH, KNOWN_MS, LOW, OPEN, VOLUME, Node, Past, Step
from sereno.features.resample import Resampled, resample
from sereno.labels.barrier import triple_barrier
from tests.features import battery, markets

Column = Callable[[Candles], F64]
LEAKS: dict[str, Column] = {}
ROWS = 480
MARKET = markets.lively(ROWS)


@dataclass(frozen=True, slots=True)
class Planted(Node):
    """A column made by any function of the whole history; a step sees the history up to itself."""

    make: Column

    def batch(self, *columns: F64) -> F64:
        return self.make(_candles(columns))

    def resume(self, past: Past) -> Step:
        seen = [list(column) for column in past.columns]

        def step(*values: float) -> float:
            for column, value in zip(seen, values, strict=True):
                column.append(value)
            return float(self.make(_candles(tuple(np.array(column) for column in seen)))[-1])

        return step


def leak(make: Column) -> Column:
    LEAKS[make.__name__] = make
    return make


def layout_of(name: str, make: Column) -> Layout:
    node = Planted((OPEN, HIGH, LOW, CLOSE, VOLUME, KNOWN_MS), make)
    return Layout.of([Feature(name, Family.RETURNS, 0, ("close",), "planted", "planted", node)], 14)


def _candles(columns: tuple[F64, ...]) -> Candles:
    return Candles(Timeframe.H1, (columns[5] - HOUR_MS).astype(np.int64), *columns[:5])


def _returns(candles: Candles) -> F64:
    return np.diff(np.log(candles.close), prepend=np.log(candles.close[0]))


def _rolled(x: F64, bars: int) -> F64:
    return np.convolve(x, np.ones(bars) / bars, mode="full")[: len(x)]


@leak
def negative_shift(candles: Candles) -> F64:
    return np.roll(_returns(candles), -1)


@leak
def centred_window(candles: Candles) -> F64:
    return np.convolve(_returns(candles), np.ones(5) / 5, mode="same")


@leak
def whole_sample_z_score(candles: Candles) -> F64:
    x = _returns(candles)
    return (x - x.mean()) / x.std()


@leak
def whole_sample_min_max(candles: Candles) -> F64:
    return (candles.close - candles.close.min()) / (candles.close.max() - candles.close.min())


@leak
def whole_sample_winsorising(candles: Candles) -> F64:
    x = _returns(candles)
    return np.clip(x, *np.quantile(x, [0.1, 0.9]))


@leak
def whole_sample_rank(candles: Candles) -> F64:
    x = _returns(candles)
    return np.argsort(np.argsort(x)) / len(x)


@leak
def whole_sample_quantile_bins(candles: Candles) -> F64:
    x = _returns(candles)
    return np.searchsorted(np.quantile(x, np.linspace(0.01, 0.99, 60)), x).astype(float)


@leak
def whole_sample_median_imputation(candles: Candles) -> F64:
    x = _returns(candles)
    x[::7] = np.nan
    return np.where(np.isnan(x), np.nanmedian(x), x)


@leak
def backward_fill(candles: Candles) -> F64:
    x = _returns(candles)
    x[np.arange(len(x)) % 10 != 9] = np.nan
    known = np.flatnonzero(np.isfinite(x))
    at = np.searchsorted(known, np.arange(len(x)))
    return np.where(at < len(known), x[known[np.minimum(at, len(known) - 1)]] if len(known) else 0.0, 0.0)


@leak
def interpolation(candles: Candles) -> F64:
    rows = np.arange(len(candles))
    known = rows[rows % 12 == 0]
    return np.interp(rows, known, _returns(candles)[known])


def _whole_days(candles: Candles) -> tuple[F64, F64]:
    day = candles.open_ms // DAY_MS
    _, of_row = np.unique(day, return_inverse=True)
    last = np.r_[np.flatnonzero(np.diff(of_row)), len(day) - 1]
    return candles.close[last] / candles.close[0], of_row


@leak
def higher_timeframe_joined_on_open(candles: Candles) -> F64:
    """Trap A12.3: the day's close, on every hour of that day."""
    closes, of_row = _whole_days(candles)
    return closes[of_row]


@leak
def daily_close_at_midnight_of_its_own_day(candles: Candles) -> F64:
    """Trap C12.5: a daily figure merged at 00:00 of its own day, then carried on."""
    closes, of_row = _whole_days(candles)
    return closes[of_row] / closes[np.maximum(of_row - 1, 0)] - 1


@leak
def forming_higher_candle(candles: Candles) -> F64:
    """The range of the day that is not over, as the finished day will show it."""
    _, of_row = _whole_days(candles)
    first = np.r_[0, np.flatnonzero(np.diff(of_row)) + 1]
    span = np.maximum.reduceat(candles.high, first) - np.minimum.reduceat(candles.low, first)
    return span[of_row] / candles.close


@leak
def forming_candle_in_the_row(candles: Candles) -> F64:
    """The row is stamped with the open of a candle that has only begun."""
    following = np.r_[candles.close[1:], candles.close[-1]]
    return (following + candles.close) / 2 / candles.close


@leak
def target_in_the_features(candles: Candles) -> F64:
    """Trap C12.4: a label column among the features."""
    atr = _rolled(candles.high - candles.low, 14)
    labels = triple_barrier(candles, atr, barriers=BarrierSettings(), costs=CostSettings())
    return labels.long.astype(float)


@leak
def off_by_one_label_join(candles: Candles) -> F64:
    """Trap A12.8: the outcome of the last closed window, joined one row too early."""
    forward = np.r_[candles.close[5:] / candles.close[:-5] - 1, np.zeros(5)]
    return np.r_[np.zeros(4), forward[:-4]]


@leak
def future_maximum(candles: Candles) -> F64:
    return np.maximum.accumulate(candles.high[::-1])[::-1] / candles.close


@leak
def future_minimum(candles: Candles) -> F64:
    ahead = np.r_[candles.low[1:], candles.low[-1:]]
    return np.minimum(ahead, candles.low) / candles.close


@leak
def savitzky_golay(candles: Candles) -> F64:
    return signal.savgol_filter(_returns(candles), 11, 2)


@leak
def filter_forth_and_back(candles: Candles) -> F64:
    return signal.filtfilt([0.2], [1, -0.8], _returns(candles))


@leak
def fourier_low_pass(candles: Candles) -> F64:
    spectrum = np.fft.rfft(_returns(candles))
    spectrum[len(spectrum) // 4 :] = 0
    return np.fft.irfft(spectrum, len(candles))


@leak
def detrended_by_the_whole_line(candles: Candles) -> F64:
    return signal.detrend(np.log(candles.close))


@leak
def principal_component_of_the_whole_sample(candles: Candles) -> F64:
    x = np.column_stack([_returns(candles), np.log(candles.volume), candles.high / candles.low])
    x = x - x.mean(axis=0)
    return x @ np.linalg.svd(x, full_matrices=False)[2][0]


@leak
def reversed_average(candles: Candles) -> F64:
    out = _returns(candles)[::-1].copy()
    for i in range(1, len(out)):
        out[i] = 0.8 * out[i - 1] + 0.2 * out[i]
    return out[::-1]


@leak
def next_open(candles: Candles) -> F64:
    return np.r_[candles.open[1:] / candles.close[:-1], 1.0]


@leak
def scaled_by_the_last_price(candles: Candles) -> F64:
    return candles.close / candles.close[-1]


@leak
def whole_sample_clusters(candles: Candles) -> F64:
    """Regimes cut at the thirds of all volatility there ever was."""
    heat = np.abs(_returns(candles))
    return heat / np.quantile(heat, 0.66)


def test_there_are_at_least_fifteen() -> None:
    assert len(LEAKS) >= 15


@pytest.mark.parametrize("name", LEAKS)
def test_trap_e4_2_a12_8_c12_5_the_battery_catches(name: str) -> None:
    layout = layout_of(name, LEAKS[name])
    cuts = (ROWS // 2 + 5, ROWS - 31, ROWS - 1)
    assert battery.unequal_prefixes(layout, MARKET, cuts) == {name}
    assert battery.seers(layout, MARKET, cuts) == {name}


@pytest.mark.parametrize("name", LEAKS)
def test_a_live_desk_would_have_seen_something_else(name: str) -> None:
    assert battery.skewed(layout_of(name, LEAKS[name]), MARKET, ROWS - 240) == {name}


def honest(candles: Candles) -> F64:
    return _rolled(_returns(candles), 5)


def test_the_battery_lets_an_honest_one_pass() -> None:
    faults = battery.all_faults(layout_of("honest", honest), MARKET)
    assert not any(faults.values()), faults


def test_trap_a12_3_our_own_join_on_the_open_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_open(candles: Candles, higher: Timeframe) -> Resampled:
        made = resample(candles, higher)
        newest = np.searchsorted(made.candles.open_ms, candles.open_ms, side="right") - 1
        return Resampled(made.candles, newest.astype(np.int64), made.forming)

    monkeypatch.setattr(frame, "resample", on_open)
    layout = frame.layout_of(("h4_rsi_14", "d1_return_5"), 14)
    assert battery.unequal_prefixes(layout, MARKET, (ROWS - 7,)) == {"h4_rsi_14", "d1_return_5"}


@pytest.mark.parametrize(
    ("check", "make"),
    [
        ("scale", lambda candles: candles.close - candles.open),
        ("scale", lambda candles: _rolled(candles.volume, 5)),
        ("warm_up", lambda candles: np.r_[np.full(3, np.nan), honest(candles)[3:]]),
        ("warm_up", lambda candles: np.where(np.arange(len(candles)) == 200, np.nan, honest(candles))),
    ],
    ids=["price_level", "volume_level", "undeclared_warm_up", "hole"],
)
def test_the_battery_catches_other_faults(check: str, make: Column) -> None:
    assert battery.all_faults(layout_of("faulty", make), MARKET)[check] == {"faulty"}


def test_trap_c12_6_the_battery_catches_a_skew_between_training_and_serving() -> None:
    """Trap C12.6: the live path computes something else."""

    class Skewed(Planted):
        def resume(self, past: Past) -> Step:
            step = super().resume(past)
            return lambda *values: step(*values) * (1 + 1e-6)

    node = Skewed((OPEN, HIGH, LOW, CLOSE, VOLUME, KNOWN_MS), honest)
    layout = Layout.of([Feature("skewed", Family.RETURNS, 0, (), "planted", "planted", node)], 14)
    faults = battery.all_faults(layout, MARKET)
    assert faults["live"] == {"skewed"}
    assert faults["prefix"] == set()
