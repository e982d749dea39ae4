"""Puts forecast, regime and verdict together into the signal that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sereno.core.forecast import Forecast
from sereno.core.ids import stable_id
from sereno.core.instrument import Series
from sereno.core.mode import Mode
from sereno.core.money import money
from sereno.core.signal import Decision, Regime, Signal
from sereno.core.timeframe import UtcMs
from sereno.signals.words import RiskVerdict, Verdict


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a signal was made from; see `core.signal.Signal` for the fields."""

    git_commit: str
    data_digest: str
    settings_digest: str
    feature_first_ms: UtcMs
    feature_primed_ms: UtcMs
    features: tuple[tuple[str, float], ...]


def signal_id_of(mode: Mode, series: Series, ts: UtcMs) -> str:
    """One signal per mode, series and candle: deciding again on the same candle changes nothing."""
    return stable_id("sig", mode, series.key, ts)


def make_signal(
    forecast: Forecast,
    verdict: Verdict,
    regime: Regime,
    regime_reason: str,
    *,
    mode: Mode,
    series: Series,
    atr: float,
    risk: RiskVerdict,
    provenance: Provenance,
) -> Signal:
    """The signal of one closed candle. A refused one carries no size and no levels."""
    taken = verdict.decision is not Decision.NO_TRADE
    return Signal(
        signal_id=signal_id_of(mode, series, forecast.ts),
        mode=mode,
        series=series,
        ts=forecast.ts,
        forecast=forecast,
        decision=verdict.decision,
        side=verdict.side,
        confidence=verdict.confidence,
        reason=verdict.reason.value,
        reason_detail=verdict.detail,
        regime=regime,
        regime_reason=regime_reason,
        entry=money(verdict.entry),
        stop=None if verdict.stop is None else money(verdict.stop),
        target=None if verdict.target is None else money(verdict.target),
        atr=atr,
        position_size=risk.quantity_base if taken else Decimal(0),
        risk_allowed=risk.allowed,
        git_commit=provenance.git_commit,
        data_digest=provenance.data_digest,
        settings_digest=provenance.settings_digest,
        feature_first_ms=provenance.feature_first_ms,
        feature_primed_ms=provenance.feature_primed_ms,
        features=provenance.features,
        refusals=verdict.refusals,
    )
