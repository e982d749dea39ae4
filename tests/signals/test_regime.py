"""Regimes and what they ask for."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest

from sereno.core.errors import SkipThis
from sereno.core.settings import Settings, SignalSettings
from sereno.core.signal import Decision, Regime
from sereno.core.timeframe import Timeframe
from sereno.features.registry import feature_names
from sereno.models.compose import VOLATILITY_FACTOR
from sereno.signals.decide import floors_of
from sereno.signals.regime import ADX, ATR_RATIO, regime_of
from tests.signals.test_decide import decided

SETTINGS = SignalSettings()


@pytest.mark.parametrize(
    ("adx", "ratio", "regime"),
    [
        (25.0, 1.0, Regime.TREND),
        (24.99, 1.0, Regime.RANGE),
        (60.0, 1.8, Regime.HIGH_VOL),
        (5.0, 1.8, Regime.HIGH_VOL),
        (5.0, 1.79, Regime.RANGE),
    ],
)
def test_names(adx: float, ratio: float, regime: Regime) -> None:
    found, reason = regime_of(adx, ratio, SETTINGS)
    assert found is regime
    assert reason


@pytest.mark.parametrize(("adx", "ratio"), [(math.nan, 1.0), (20.0, math.nan), (math.inf, 1.0)])
def test_trap_c12_3_a_missing_reading_is_not_range(adx: float, ratio: float) -> None:
    with pytest.raises(SkipThis, match="regime.unknown"):
        regime_of(adx, ratio, SETTINGS)


def test_the_settings_move_the_borders() -> None:
    assert regime_of(20.0, 1.0, SignalSettings(adx_trend=15.0))[0] is Regime.TREND
    assert regime_of(20.0, 1.5, SignalSettings(high_vol_atr_ratio=1.4))[0] is Regime.HIGH_VOL


def test_high_volatility_asks_for_the_most_and_range_for_what_is_set() -> None:
    trend, middle, wild = (floors_of(SETTINGS, regime) for regime in Regime)
    assert trend.prob_min < middle.prob_min < wild.prob_min
    assert trend.min_expected_return < middle.min_expected_return < wild.min_expected_return
    assert trend.risk_max > middle.risk_max > wild.risk_max
    assert (middle.prob_min, middle.risk_max) == (SETTINGS.prob_min, SETTINGS.risk_max)
    assert floors_of(SignalSettings(prob_min=0.99, risk_max=0.99), Regime.HIGH_VOL).prob_min == 1.0


@pytest.mark.parametrize("regime", [Regime.TREND, Regime.HIGH_VOL])
@pytest.mark.parametrize("floor", ["prob_min", "min_expected_return", "risk_max"])
def test_every_factor_moves_its_own_floor_in_its_own_regime_and_the_digest(
    regime: Regime, floor: str
) -> None:
    key = f"{regime.value.lower()}_{floor}_factor"
    moved = SignalSettings.model_validate({key: 0.5})
    for other in Regime:
        before, after = floors_of(SETTINGS, other), floors_of(moved, other)
        changed = {f.name for f in fields(before) if getattr(before, f.name) != getattr(after, f.name)}
        assert changed == ({floor} if other is regime else set())
    assert getattr(floors_of(moved, regime), floor) == 0.5 * getattr(SETTINGS, floor)
    assert Settings.model_validate({"signals": {key: 0.5}}).digest != Settings().digest


BASE_RATE = 0.62
"""Of the stop coming first, at the default barriers on real candles."""
HIGHEST = VOLATILITY_FACTOR[1]


def stop_first(regime: Regime, atr_ratio: float) -> float:
    """The largest probability of the stop that the limit of a regime lets through."""
    return floors_of(SETTINGS, regime).risk_max / min(math.sqrt(atr_ratio), HIGHEST)


def test_the_page_tells_how_probable_the_stop_may_be() -> None:
    page = (Path(__file__).parents[2] / "docs" / "signals.md").read_text(encoding="utf-8")
    high = SETTINGS.high_vol_atr_ratio
    for regime in Regime:
        floors = floors_of(SETTINGS, regime)
        asked = f"{floors.prob_min:.3f} | {floors.min_expected_return:.3%} | {floors.risk_max:.3f}".replace(
            "%", " %"
        )
        if regime is Regime.HIGH_VOL:
            ends = (stop_first(regime, high), stop_first(regime, HIGHEST**2))
            told = f"{ends[0]:.3f} where high begins, {ends[1]:.3f} from {HIGHEST**2:g} times the usual"
        else:
            ends = (stop_first(regime, 1.0), stop_first(regime, high))
            told = f"{ends[0]:.3f} at usual volatility, {ends[1]:.3f} just below high"
        assert f"| `{regime}` | {asked} | {told} |" in page


def entered(regime: Regime, *, stop: float, atr_ratio: float, **changed: float) -> bool:
    """Whether a rise that is likely enough is entered, the stop being so probable."""
    settings = SignalSettings.model_validate(changed)
    risk_score = min(1.0, stop * min(math.sqrt(atr_ratio), HIGHEST))
    return (
        decided(regime=regime, prob_up=0.5, risk_score=risk_score, signals=settings).decision is Decision.LONG
    )


def test_every_regime_can_be_entered_and_high_volatility_only_when_the_stop_is_improbable() -> None:
    assert entered(Regime.TREND, stop=BASE_RATE, atr_ratio=1.0)
    assert entered(Regime.RANGE, stop=BASE_RATE, atr_ratio=1.0)
    assert not entered(Regime.HIGH_VOL, stop=BASE_RATE, atr_ratio=1.8)
    assert entered(Regime.HIGH_VOL, stop=0.44, atr_ratio=1.8)
    assert entered(Regime.HIGH_VOL, stop=0.39, atr_ratio=4.0)
    assert entered(Regime.HIGH_VOL, stop=BASE_RATE, atr_ratio=4.0, high_vol_risk_max_factor=1.25)


@pytest.mark.parametrize(
    "changed",
    [
        {"high_vol_prob_min_factor": 1.25},
        {"high_vol_min_expected_return_factor": 9.0},
        {"high_vol_risk_max_factor": 0.75},
    ],
)
def test_every_factor_of_high_volatility_decides(changed: dict[str, float]) -> None:
    assert entered(Regime.HIGH_VOL, stop=0.44, atr_ratio=1.8)
    assert not entered(Regime.HIGH_VOL, stop=0.44, atr_ratio=1.8, **changed)


def test_the_features_that_name_a_regime_exist() -> None:
    assert {ADX, ATR_RATIO} <= set(feature_names(Timeframe.H1))
