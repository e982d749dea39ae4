"""Computes a stored signal again from the candles it rested on. Equal means equal bits."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Protocol

from sereno.core.candle import Candles
from sereno.core.forecast import Forecast
from sereno.core.row_digest import digest_like
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Signal
from sereno.core.timeframe import UtcMs
from sereno.features.engine import FeatureRow, live_row
from sereno.signals.decide import decide
from sereno.signals.make import Provenance, make_signal, signal_id_of
from sereno.signals.regime import ADX, ATR_RATIO, regime_of
from sereno.signals.words import GATE, Reason, RiskVerdict, Situation


class Forecasts(Protocol):
    """Gives the forecast of a feature row; `models.serve.Forecaster` fits."""

    def forecast(self, row: FeatureRow) -> Forecast: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that did not come out as stored."""

    field: str
    stored: object
    computed: object


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found. `signal` is the one computed now."""

    signal: Signal
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every bit came out the same."""
        return not self.differences


def replay(
    stored: Signal,
    candles: Candles,
    forecaster: Forecasts,
    *,
    settings_digest: str,
    signals: SignalSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
    last_taken_ms: UtcMs | None = None,
) -> Replayed:
    """Recompute row, forecast, regime and decision.

    candles          those that the signal was made from; earlier and later ones are cut
    last_taken_ms    close of the candle of the taken signal before this one

    What the risk gate and the age of the candle said at the moment is taken from the record, since
    neither follows from candles; the cool-down is recomputed.
    """
    known = candles.between(stored.feature_first_ms, stored.ts)
    live = live_row(known, atr_bars=barriers.atr_bars)
    row = live.row
    values = dict(zip(row.names, row.values.tolist(), strict=True))
    forecast = forecaster.forecast(row)
    regime, regime_reason = regime_of(values[ADX], values[ATR_RATIO], signals)
    verdict = decide(
        forecast,
        regime,
        row.atr,
        row.close,
        signals=signals,
        barriers=barriers,
        costs=costs,
        situation=_situation(stored, last_taken_ms),
    )
    computed = make_signal(
        forecast,
        verdict,
        regime,
        regime_reason,
        mode=stored.mode,
        series=stored.series,
        atr=row.atr,
        risk=RiskVerdict(stored.risk_allowed, "", stored.position_size),
        provenance=Provenance(
            git_commit=stored.git_commit,
            data_digest=digest_like(stored.data_digest, known),
            settings_digest=settings_digest,
            feature_first_ms=live.first_ms,
            feature_primed_ms=live.primed_ms,
            features=tuple(values.items()),
        ),
    )
    return Replayed(computed, tuple(differences(stored, computed)))


def differences(stored: Signal, computed: Signal) -> Iterator[Difference]:
    """Every field that differs by a single bit; two NaN of the same bits are equal."""
    for field in fields(Signal):
        old, new = getattr(stored, field.name), getattr(computed, field.name)
        if field.name == "forecast":
            for part in fields(Forecast):
                yield from _differ(f"forecast.{part.name}", getattr(old, part.name), getattr(new, part.name))
        elif field.name == "features":
            before, after = dict(old), dict(new)
            for name in (before | after) if before else ():  # those of a refused signal are let go in time
                yield from _differ(f"features.{name}", before.get(name), after.get(name))
        else:
            yield from _differ(field.name, old, new)
    if stored.signal_id != signal_id_of(stored.mode, stored.series, stored.ts):
        yield Difference("signal_id", stored.signal_id, signal_id_of(stored.mode, stored.series, stored.ts))


def _differ(name: str, old: object, new: object) -> Iterator[Difference]:
    if isinstance(old, float) and isinstance(new, float):
        if struct.pack("<d", old) != struct.pack("<d", new):
            yield Difference(name, old, new)
    elif old != new:
        yield Difference(name, old, new)


def _situation(stored: Signal, last_taken_ms: UtcMs | None) -> Situation:
    """The moment as the record tells it: what the gate and the candle's age said."""
    gate = next((no for no in stored.refusals if no.reason in GATE), None)
    stale = next((no.detail for no in stored.refusals if no.reason == Reason.STALE_CANDLE), "")
    return Situation(
        stored.series.instrument.market,
        stored.series.timeframe,
        candle_ms=stored.ts,
        now=stored.ts,
        last_taken_ms=last_taken_ms,
        risk=None if gate is None else RiskVerdict(False, gate.reason, Decimal(0), gate.detail),
        stale=stale,
    )
