"""The batch decides like the single decision, row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sereno.core.instrument import Market
from sereno.core.signal import Decision, Regime
from sereno.signals.batch import decide_all
from sereno.signals.decide import decide
from sereno.signals.gates import data_gap, gaps_behind
from sereno.signals.words import Reason, Situation
from tests.trading.worlds import HOURLY, Slices, outlook, walk

SLICES = Slices()
WORDS = {"signals": SLICES.signals, "barriers": SLICES.barriers, "costs": SLICES.costs}


def test_batch_and_single_agree() -> None:
    candles = walk(2, 200)
    frame, forecasts = outlook(2, candles)
    batch = decide_all(forecasts, frame, market=Market.SPOT, **WORDS)
    reasons: dict[str, int] = {}
    for i in range(len(candles)):
        ts = int(candles.close_ms[i])
        verdict = decide(
            forecasts.row(i),
            Regime.TREND,
            float(frame.atr[i]),
            float(frame.close[i]),
            situation=Situation(Market.SPOT, HOURLY.timeframe, ts, ts),
            **WORDS,
        )
        seen = candles.open_ms[: i + 1]
        found = gaps_behind(seen, HOURLY.timeframe, lookback_bars=200)
        gap = data_gap(seen, found, found, HOURLY.timeframe, rest_bars=SLICES.signals.gap_rest_bars)
        assert batch.side[i] == (0 if gap else verdict.decision.sign)
        reason = verdict.reason if gap is None or verdict.decision is Decision.NO_TRADE else gap.reason
        reasons[reason] = reasons.get(reason, 0) + 1
    assert reasons.pop(Reason.TAKEN) == np.count_nonzero(batch.side)
    assert reasons[Reason.DATA_GAP] > 0
    assert reasons == batch.refusals
    assert set(batch.side.tolist()) == {0, 1}, "spot is never sold short"
    linear = decide_all(forecasts, frame, market=Market.LINEAR, **WORDS)
    assert set(linear.side.tolist()) == {-1, 0, 1}


def test_rows_without_forecast_or_regime_are_no_trades() -> None:
    candles = walk(2, 50)
    frame, forecasts = outlook(2, candles)
    missing = np.full(50, np.nan)
    none = replace(forecasts, prob_up=missing)
    assert not decide_all(none, frame, market=Market.LINEAR, **WORDS).side.any()
    blind = replace(frame, values=np.full((50, 2), np.nan))
    assert not decide_all(forecasts, blind, market=Market.LINEAR, **WORDS).side.any()


def test_rows_are_matched_on_time_not_on_place() -> None:
    candles = walk(2, 60)
    frame, forecasts = outlook(2, candles)
    whole = decide_all(forecasts, frame, market=Market.LINEAR, **WORDS)
    later = decide_all(forecasts.between(int(candles.close_ms[20])), frame, market=Market.LINEAR, **WORDS)
    assert not later.side[:20].any()
    assert np.array_equal(later.side[20:], whole.side[20:])


def test_trap_b12_6_a_short_has_the_confidence_of_a_short() -> None:
    from tests.signals.test_decide import decided

    verdict = decided(prob_up=0.1, prob_down=0.7)
    assert (verdict.side, verdict.confidence) == (Decision.SHORT, 0.7)
