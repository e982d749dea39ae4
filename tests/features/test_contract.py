"""The contract battery on every registered feature."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from sereno.core.candle import Candles
from sereno.core.timeframe import Timeframe
from sereno.features.feature import Family
from sereno.features.frame import compute, layout_of
from sereno.features.registry import (
    FEATURES,
    base_warm_up_bars,
    document,
    feature_names,
    features_of,
    warm_up_bars,
)
from tests.features import battery, markets

NAMES = feature_names(Timeframe.H1)
LAYOUT = layout_of(NAMES, 14)
ROWS = 1100

MARKETS: dict[str, Callable[[], Candles]] = {
    "lively": lambda: markets.lively(ROWS),
    "holes": lambda: markets.with_holes(markets.lively(ROWS)),
    "flat_stretch": lambda: markets.with_flat_stretch(markets.lively(ROWS)),
    "silent_hours": lambda: markets.with_silent_hours(markets.lively(ROWS)),
    "constant": lambda: markets.constant(900),
    "ragged_start": lambda: markets.lively(ROWS, start_ms=markets.MONDAY_MS + 5 * Timeframe.H1.ms),
}


@cache
def faults_on(market: str) -> dict[str, set[str]]:
    candles = MARKETS[market]()
    rows = len(candles)
    cuts = (1, 60, 215, rows // 2, rows - 30, rows - 1)
    return {
        "prefix": battery.unequal_prefixes(LAYOUT, candles, cuts),
        "future": battery.seers(LAYOUT, candles, cuts[2:]),
        "live": battery.skewed(LAYOUT, candles, rows - 400),
        "live_cold_days": battery.skewed(LAYOUT, candles.slice(0, 500), 230),
    }


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("check", ["prefix", "future", "live", "live_cold_days"])
def test_r6_every_feature_holds(market: str, check: str) -> None:
    assert faults_on(market)[check] == set()


def test_from_nothing_steps_give_the_batch_columns() -> None:
    assert battery.skewed(LAYOUT, markets.lively(720), 0) == set()


def test_declared_warm_up_is_the_real_one() -> None:
    assert battery.misdeclared(LAYOUT, markets.lively(ROWS)) == set()


def test_trap_a30_16_currency_and_lot_do_not_matter() -> None:
    assert battery.unstationary(LAYOUT, markets.lively(ROWS)) == set()


@pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.M15, Timeframe.H4, Timeframe.D1])
def test_other_timeframes_hold(timeframe: Timeframe) -> None:
    layout = layout_of(feature_names(timeframe), 14)
    rows = max(600, base_warm_up_bars(timeframe) + 350)
    candles = markets.lively(rows, timeframe=timeframe)
    assert battery.unequal_prefixes(layout, candles, (rows - 7,)) == set()
    assert battery.skewed(layout, candles, rows - 300) == set()


FILES = (
    "BINANCE_SPOT_BTCUSDT_1h",
    "BINANCE_SPOT_DOGEUSDT_1h",
    "BINANCE_SPOT_LINKUSDT_1h",
    "BYBIT_PERP_XRPUSDT_15m",
)


@pytest.mark.parametrize("file", FILES)
def test_real_candles_hold(shared_data: Path, file: str) -> None:
    candles = markets.real(shared_data, file).slice(9_000, 12_500)
    layout = layout_of(feature_names(candles.timeframe), 14)
    assert battery.unequal_prefixes(layout, candles, (1999, 3499)) == set()
    assert battery.skewed(layout, candles, 3_200) == set()
    assert battery.unstationary(layout, candles, battery.BINARY_SCALES) == set()
    base = [i for i, feature in enumerate(layout.features) if feature.higher is None]
    assert np.isfinite(compute(candles).values[base_warm_up_bars(candles.timeframe) :, base]).all()


def test_long_real_history_does_not_drift(shared_data: Path) -> None:
    candles = markets.real(shared_data)
    assert battery.skewed(LAYOUT, candles, len(candles) - 200) == set()


def test_a_market_without_movement_has_no_units_to_measure_in() -> None:
    frame = compute(markets.constant(900))
    for name in ("ema_20_atr", "donchian_20", "atr_ratio_200", "volume_ratio_20", "cci_20", "return_5_z"):
        assert np.isnan(frame.column(name)).all(), name


def test_there_are_at_least_sixty_without_higher_timeframes() -> None:
    base = [feature for feature in FEATURES.values() if feature.higher is None]
    assert len(base) >= 60
    assert {feature.family for feature in FEATURES.values()} == set(Family)


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_declares_itself(name: str) -> None:
    feature = FEATURES[name]
    assert feature.name == name == name.lower()
    assert feature.source
    assert feature.summary
    assert feature.inputs
    assert feature.lookback_bars >= 0
    assert f"`{name}`" in document()


def test_no_two_features_are_the_same_expression() -> None:
    nodes = [(feature.node, feature.higher) for feature in FEATURES.values()]
    assert len(set(nodes)) == len(nodes)


def test_no_two_features_are_the_same_column() -> None:
    values = compute(markets.lively(ROWS)).values[warm_up_bars(Timeframe.H1) :]
    spread = values.std(axis=0)
    moving = values[:, spread > 0]
    correlation = np.corrcoef(moving, rowvar=False) - np.eye(moving.shape[1])
    names = np.array(NAMES)[spread > 0]
    twins = [(names[i], names[j]) for i, j in np.argwhere(np.abs(correlation) > 1 - 1e-9) if i < j]
    assert twins == []


@pytest.mark.parametrize(
    ("timeframe", "higher"),
    [
        (Timeframe.M5, {"1h", "4h", "1d"}),
        (Timeframe.H1, {"4h", "1d"}),
        (Timeframe.H4, {"1d"}),
        (Timeframe.D1, set()),
        (Timeframe.W1, set()),
    ],
)
def test_only_higher_timeframes_are_joined(timeframe: Timeframe, higher: set[str]) -> None:
    assert {str(f.higher) for f in features_of(timeframe) if f.higher} == higher


def test_look_backs_are_moderate() -> None:
    assert base_warm_up_bars(Timeframe.H1) <= 220
    assert warm_up_bars(Timeframe.H1) <= 30 * 24
