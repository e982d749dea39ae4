"""What a model says about one closed candle."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sereno.core.errors import SkipThis
from sereno.core.timeframe import UtcMs


@dataclass(frozen=True, slots=True)
class Forecast:
    """Outlook over the next `horizon_bars` candles after the close at `ts`.

    prob_up          calibrated probability that a long reaches its target before its stop
    prob_down        the same for a short; prob_up + prob_down <= 1
    expected_return  mean simple return over the horizon (0.01 is one per cent); 0 where nothing is known of it
    p10, p50, p90    quantiles of that return, in order
    risk_score       in [0, 1]: probability that the stop comes first, scaled with volatility
    model_version    one entry a role, `role=version`, joined by commas

    Raises SkipThis when a number is missing, out of range or out of order.
    """

    ts: UtcMs
    horizon_bars: int
    prob_up: float
    prob_down: float
    expected_return: float
    p10: float
    p50: float
    p90: float
    risk_score: float
    model_version: str

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault:
            raise SkipThis("forecast.invalid", remedy="the model is not served", fault=fault)


def _fault(f: Forecast) -> str | None:
    numbers = (f.prob_up, f.prob_down, f.expected_return, f.p10, f.p50, f.p90, f.risk_score)
    if not all(math.isfinite(x) for x in numbers):
        return "a number is missing"
    if f.horizon_bars < 1:
        return "the horizon is shorter than one candle"
    if not all(0.0 <= p <= 1.0 for p in (f.prob_up, f.prob_down, f.risk_score)):
        return "a probability is outside [0, 1]"
    if f.prob_up + f.prob_down > 1.0 + 1e-9:
        return "up and down together are above 1"
    if not f.p10 <= f.p50 <= f.p90:
        return "the quantiles are out of order"
    return None
