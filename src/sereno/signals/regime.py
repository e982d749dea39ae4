"""The state of the market that the decision's floors are scaled by, with the reason for the name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sereno.core.errors import SkipThis
from sereno.core.settings.sections import SignalSettings
from sereno.core.signal import Regime

ADX = "adx_14"
ATR_RATIO = "atr_ratio_200"


@dataclass(frozen=True, slots=True)
class Multipliers:
    """What a regime makes of the floors: factors on `prob_min`, `min_expected_return`, `risk_max`."""

    prob_min: float
    min_expected_return: float
    risk_max: float


def multipliers_of(settings: SignalSettings, regime: Regime) -> Multipliers:
    """A trend may ask for a little less, high volatility for much more; RANGE is what the settings say."""
    match regime:
        case Regime.TREND:
            return Multipliers(
                prob_min=settings.trend_prob_min_factor,
                min_expected_return=settings.trend_min_expected_return_factor,
                risk_max=settings.trend_risk_max_factor,
            )
        case Regime.HIGH_VOL:
            return Multipliers(
                prob_min=settings.high_vol_prob_min_factor,
                min_expected_return=settings.high_vol_min_expected_return_factor,
                risk_max=settings.high_vol_risk_max_factor,
            )
        case Regime.RANGE:
            return Multipliers(prob_min=1.0, min_expected_return=1.0, risk_max=1.0)


def regime_of(adx: float, atr_ratio: float, settings: SignalSettings) -> tuple[Regime, str]:
    """Regime and its reason; high volatility wins over a trend.

    adx        Wilder's ADX(14), 0 to 100
    atr_ratio  ATR fraction over its 200-bar level; 1 is usual

    Raises SkipThis if a reading is missing: an unknown regime is not RANGE.
    """
    if not (math.isfinite(adx) and math.isfinite(atr_ratio)):
        raise SkipThis("regime.unknown", remedy="wait for the warm-up", adx=adx, atr_ratio=atr_ratio)
    if atr_ratio >= settings.high_vol_atr_ratio:
        return Regime.HIGH_VOL, (
            f"ATR is {atr_ratio:.2f} times its usual share of the price, "
            f"at or above {settings.high_vol_atr_ratio:g}"
        )
    if adx >= settings.adx_trend:
        return Regime.TREND, f"ADX {adx:.1f} is at or above {settings.adx_trend:g}"
    return Regime.RANGE, (
        f"ADX {adx:.1f} is below {settings.adx_trend:g} and ATR is {atr_ratio:.2f} times its usual share"
    )
