"""The state of the market that the decision's floors are scaled by, with the reason for the name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

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


MULTIPLIERS = MappingProxyType(
    {
        Regime.TREND: Multipliers(prob_min=0.95, min_expected_return=0.80, risk_max=1.05),
        Regime.RANGE: Multipliers(prob_min=1.00, min_expected_return=1.00, risk_max=1.00),
        Regime.HIGH_VOL: Multipliers(prob_min=1.15, min_expected_return=1.50, risk_max=0.80),
    }
)
"""A trend may ask for a little less, high volatility asks for much more. RANGE is the neutral row, so
the settings mean what they say there."""


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
