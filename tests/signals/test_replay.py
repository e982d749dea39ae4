"""A stored signal computed again has the same bits, and a change anywhere is found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from sereno.core.candle import Candles
from sereno.core.forecast import Forecast
from sereno.core.mode import Mode
from sereno.core.row_digest import row_digest
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import HOUR_MS, UtcMs
from sereno.features.engine import FeatureRow, live_row
from sereno.features.registry import warm_up_bars
from sereno.signals.decide import decide
from sereno.signals.make import Provenance, make_signal
from sereno.signals.regime import ADX, ATR_RATIO, regime_of
from sereno.signals.replay import replay
from sereno.signals.words import RiskVerdict, Situation
from sereno.store.ledger import signals as kept_signals
from tests.trading.worlds import HOURLY, new_ledger, walk

SIGNALS, BARRIERS, COSTS = SignalSettings(), BarrierSettings(), CostSettings()
ALLOWED = RiskVerdict(True, "", Decimal("0.0123"))
GATE_SAYS_NO = RiskVerdict(False, "daily_loss", Decimal(0), "paused until 2024-01-01T00:00:00Z")
SLICES = {"signals": SIGNALS, "barriers": BARRIERS, "costs": COSTS, "settings_digest": "s" * 64}


@dataclass(frozen=True, slots=True)
class PlainForecaster:
    """A model whose word follows from the row's bits alone."""

    lift: float = 0.0

    def forecast(self, row: FeatureRow) -> Forecast:
        up = 0.62 + 0.1 * float(np.tanh(row.values[row.names.index("rsi_14")])) / 3 + self.lift
        return Forecast(row.ts, 20, up, 0.9 - up, 0.002, -0.01, 0.001, 0.02, 0.4, "trend=t,return=r,risk=k")


@pytest.fixture(scope="module")
def candles() -> Candles:
    return walk(21, warm_up_bars(HOURLY.timeframe) + 40, gaps=False)


def made(
    candles: Candles,
    *,
    risk: RiskVerdict = ALLOWED,
    now_bars: float = 0.0,
    last_taken_ms: UtcMs | None = None,
    forecaster: PlainForecaster | None = None,
) -> Signal:
    """What the desk would keep for the newest candle."""
    live = live_row(candles, atr_bars=BARRIERS.atr_bars)
    row = live.row
    values = dict(zip(row.names, row.values.tolist(), strict=True))
    forecast = (forecaster or PlainForecaster()).forecast(row)
    regime, why = regime_of(values[ADX], values[ATR_RATIO], SIGNALS)
    now = row.ts + int(now_bars * HOUR_MS)
    at = Situation(HOURLY.instrument.market, HOURLY.timeframe, row.ts, now, last_taken_ms, risk)
    verdict = decide(
        forecast, regime, row.atr, row.close, signals=SIGNALS, barriers=BARRIERS, costs=COSTS, situation=at
    )
    return make_signal(
        forecast,
        verdict,
        regime,
        why,
        mode=Mode.SIM,
        series=HOURLY,
        atr=row.atr,
        risk=risk,
        provenance=Provenance(
            "c" * 40, row_digest(candles), "s" * 64, live.first_ms, live.primed_ms, tuple(values.items())
        ),
    )


def test_a_taken_signal_has_the_same_bits(candles: Candles) -> None:
    stored = made(candles)
    assert stored.decision is Decision.LONG
    again = replay(stored, candles, PlainForecaster(), **SLICES)
    assert again.differences == ()
    assert again.is_equal


def test_it_survives_the_ledger(candles: Candles, tmp_path: Path) -> None:
    ledger, stored = new_ledger(tmp_path), made(candles)
    with ledger.begin() as tx:
        kept_signals.save(tx, stored)
    with ledger.read() as tx:
        kept = kept_signals.get(tx, stored.signal_id)
    assert kept is not None
    assert replay(kept, candles, PlainForecaster(), **SLICES).differences == ()
    ledger.close()


def test_features_that_were_let_go_are_no_difference(candles: Candles) -> None:
    """The ledger keeps those of refused signals for a while only; all else must still be equal."""
    stored = replace(made(candles), features=())
    assert replay(stored, candles, PlainForecaster(), **SLICES).differences == ()
    assert len(replay(stored, candles, PlainForecaster(0.01), **SLICES).differences) > 0


def test_trap_a30_20_later_and_earlier_candles_do_not_matter(candles: Candles) -> None:
    stored = made(candles.slice(3, len(candles) - 5))
    assert replay(stored, candles, PlainForecaster(), **SLICES).differences == ()


@pytest.mark.parametrize("risk", [ALLOWED, GATE_SAYS_NO])
@pytest.mark.parametrize("now_bars", [0.0, 3.0])
@pytest.mark.parametrize("taken_bars_ago", [None, 2])
@pytest.mark.parametrize("lift", [0.0, -0.25, -0.4])
def test_refused_signals_have_the_same_bits_too(
    candles: Candles, risk: RiskVerdict, now_bars: float, taken_bars_ago: int | None, lift: float
) -> None:
    newest = int(candles.close_ms[-1])
    last_taken = None if taken_bars_ago is None else newest - taken_bars_ago * HOUR_MS
    forecaster = PlainForecaster(lift)
    stored = made(candles, risk=risk, now_bars=now_bars, last_taken_ms=last_taken, forecaster=forecaster)
    again = replay(stored, candles, forecaster, last_taken_ms=last_taken, **SLICES)
    assert again.differences == ()


def test_a_signal_of_old_is_held_to_the_digest_of_its_time(candles: Candles) -> None:
    stored = replace(made(candles), data_digest=candles.digest())
    assert replay(stored, candles, PlainForecaster(), **SLICES).differences == ()
    other = replace(stored, data_digest=candles.slice(1).digest())
    (difference,) = replay(other, candles, PlainForecaster(), **SLICES).differences
    assert (difference.field, difference.computed) == ("data_digest", candles.digest())


def test_a_changed_candle_is_found(candles: Candles) -> None:
    stored = made(candles)
    close = candles.close.copy()
    close[-2] *= 1.001
    changed = replace(candles, close=close, high=np.maximum(candles.high, close))
    names = {d.field for d in replay(stored, changed, PlainForecaster(), **SLICES).differences}
    assert "data_digest" in names
    assert any(name.startswith("features.") for name in names)


def test_another_model_or_setting_is_found(candles: Candles) -> None:
    stored = made(candles)
    names = {d.field for d in replay(stored, candles, PlainForecaster(0.01), **SLICES).differences}
    assert {"forecast.prob_up", "confidence"} <= names
    strict = SLICES | {"signals": SignalSettings(prob_min=0.99), "settings_digest": "t" * 64}
    names = {d.field for d in replay(stored, candles, PlainForecaster(), **strict).differences}
    assert {"decision", "reason", "settings_digest"} <= names


def test_a_single_bit_is_found(candles: Candles) -> None:
    stored = made(candles)
    tampered = replace(stored, atr=float(np.nextafter(stored.atr, 1e9)))
    found = replay(tampered, candles, PlainForecaster(), **SLICES).differences
    assert [d.field for d in found] == ["atr"]
