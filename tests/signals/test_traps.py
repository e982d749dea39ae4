"""Traps of the source systems that stand where signals are decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sereno.core.settings.sections import SignalSettings
from sereno.core.signal import Decision
from sereno.core.timeframe import HOUR_MS
from sereno.signals.words import Reason
from tests.signals.test_decide import AT, decided


@pytest.mark.parametrize(("max_delay_s", "taken"), [(59.0, False), (61.0, True)])
def test_trap_e4_3_max_delay_s_has_an_effect(max_delay_s: float, taken: bool) -> None:
    settings = SignalSettings(max_delay_s=max_delay_s)
    verdict = decided(prob_up=0.6, prob_down=0.3, at=replace(AT, delay_s=60.0), signals=settings)
    assert (verdict.decision is Decision.LONG) is taken
    assert (verdict.reason is Reason.STALE_CANDLE) is not taken


@pytest.mark.parametrize(("max_age_bars", "taken"), [(1.4, False), (1.6, True)])
def test_trap_e4_3_max_age_bars_has_an_effect(max_age_bars: float, taken: bool) -> None:
    old = replace(AT, now=AT.candle_ms + 3 * HOUR_MS // 2)
    verdict = decided(prob_up=0.6, prob_down=0.3, at=old, signals=SignalSettings(max_age_bars=max_age_bars))
    assert (verdict.decision is Decision.LONG) is taken
    assert (verdict.reason is Reason.STALE_CANDLE) is not taken
