"""What the desk decides about one closed candle, taken or not."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sereno.core.forecast import Forecast
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.timeframe import UtcMs


class Decision(StrEnum):
    """The three answers."""

    LONG = "LONG"
    SHORT = "SHORT"
    NO_TRADE = "NO_TRADE"

    @property
    def sign(self) -> int:
        """+1 long, -1 short, 0 no trade."""
        return {"LONG": 1, "SHORT": -1, "NO_TRADE": 0}[self.value]


class Regime(StrEnum):
    """The state of the market that thresholds are scaled by."""

    TREND = "TREND"
    RANGE = "RANGE"
    HIGH_VOL = "HIGH_VOL"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One rule that said no: its stable name (docs/signals.md lists them all) and what it saw, in words."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Signal:
    """One decision with all that is needed to explain and to recompute it.

    ts               close of the candle it is based on; nothing later was known
    decision         what is done; NO_TRADE carries the `reason` that refused it
    reason           `taken`, or that of the first of `refusals`, which holds every rule that said no
    side             what would have been done had no rule refused (LONG or SHORT), None if no side had the edge
    confidence       calibrated probability of the side, None without a side
    entry            close of the candle, quote per base: the reference, not the fill
    stop, target     levels of the side, None without a side
    position_size    base quantity that risk proposed, 0 when nothing is to be done
    risk_allowed     whether the risk gate would let an entry through at `ts`
    data_digest      of the candles that the features were computed from
    settings_digest  of the settings slices that decide
    feature_first_ms, feature_primed_ms   where the feature computation started; replay starts there too
    """

    signal_id: str
    mode: Mode
    series: Series
    ts: UtcMs
    forecast: Forecast
    decision: Decision
    side: Decision | None
    confidence: float | None
    reason: str
    reason_detail: str
    regime: Regime
    regime_reason: str
    entry: Decimal
    stop: Decimal | None
    target: Decimal | None
    atr: float
    position_size: Decimal
    risk_allowed: bool
    git_commit: str
    data_digest: str
    settings_digest: str
    feature_first_ms: UtcMs
    feature_primed_ms: UtcMs
    features: tuple[tuple[str, float], ...] = ()
    refusals: tuple[Refusal, ...] = ()
