"""The decision: expected utility, floors, and every refusal by name."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.errors import StopTrading
from sereno.core.instrument import Market
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Decision, Refusal, Regime
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.signals import decide as room
from sereno.signals.decide import decide, floors_of, net_reward_risk, utility
from sereno.signals.words import GATE, Reason, RiskVerdict, Situation, Verdict
from sereno.trading.risk_limits import RiskReason
from tests.trading.worlds import START, forecast

AT = Situation(Market.LINEAR, Timeframe.H1, candle_ms=START, now=START)
REFUSED = RiskVerdict(False, "daily_loss", Decimal(0), "paused until 2024-01-01T00:00:00Z")


REFUSALS: list[tuple[dict[str, Any], Reason]] = [
    ({"atr": math.nan}, Reason.ATR_MISSING),
    ({"atr": 0.0}, Reason.ATR_MISSING),
    ({"prob_up": 0.3, "prob_down": 0.3}, Reason.NO_EDGE),
    ({"prob_up": 0.5, "signals": SignalSettings(prob_min=0.7)}, Reason.PROB_BELOW_MIN),
    ({"signals": SignalSettings(min_expected_return=0.2)}, Reason.RETURN_BELOW_MIN),
    ({"risk_score": 0.9}, Reason.RISK_ABOVE_MAX),
    ({"signals": SignalSettings(min_reward_risk=2.5)}, Reason.REWARD_RISK_BELOW_MIN),
    ({"at": replace(AT, now=START + 2 * HOUR_MS)}, Reason.STALE_CANDLE),
    ({"at": replace(AT, delay_s=121.0)}, Reason.STALE_CANDLE),
    ({"prob_up": 0.6, "prob_down": 0.2, "expected_return": -0.001}, Reason.RETURN_BELOW_MIN),
    ({"at": replace(AT, last_taken_ms=START - 3 * HOUR_MS)}, Reason.COOLDOWN),
    *(({"at": replace(AT, risk=replace(REFUSED, reason=name))}, name) for name in sorted(GATE)),
]


def decided(
    *,
    regime: Regime = Regime.RANGE,
    atr: float = 1.0,
    close: float = 100.0,
    at: Situation = AT,
    signals: SignalSettings | None = None,
    barriers: BarrierSettings | None = None,
    costs: CostSettings | None = None,
    **about: Any,
) -> Verdict:
    return decide(
        forecast(START, **about),
        regime,
        atr,
        close,
        signals=signals or SignalSettings(),
        barriers=barriers or BarrierSettings(),
        costs=costs or CostSettings(),
        situation=at,
    )


def test_a_long_with_an_edge_is_taken() -> None:
    verdict = decided(prob_up=0.6, prob_down=0.3)
    assert (verdict.decision, verdict.side, verdict.reason) == (Decision.LONG, Decision.LONG, Reason.TAKEN)
    assert (verdict.confidence, verdict.entry, verdict.stop, verdict.target) == (0.6, 100.0, 99.0, 102.0)
    assert verdict.utility == pytest.approx(0.6 * 0.02 - 0.4 * 0.01 - 0.0024)


@pytest.mark.parametrize("name", ["trap_a12_5", "trap_c12_8"])
def test_trap_a12_5_c12_8_a_short_needs_its_own_probability(name: str) -> None:
    """A small `prob_up` says that a long fails, not that a short succeeds."""
    assert decided(prob_up=0.05, prob_down=0.3).decision is Decision.NO_TRADE, name
    verdict = decided(prob_up=0.2, prob_down=0.62)
    assert (verdict.decision, verdict.confidence) == (Decision.SHORT, 0.62)
    assert (verdict.stop, verdict.target) == (101.0, 98.0)


def test_a_spot_market_is_never_sold_short() -> None:
    verdict = decided(prob_up=0.2, prob_down=0.62, at=replace(AT, market=Market.SPOT))
    assert (verdict.decision, verdict.side) == (Decision.NO_TRADE, Decision.SHORT)
    assert verdict.reason is Reason.SHORT_NOT_POSSIBLE


@pytest.mark.parametrize(("words", "reason"), REFUSALS)
def test_every_refusal_has_its_name(words: dict[str, Any], reason: Reason) -> None:
    verdict = decided(**words)
    assert (verdict.decision, verdict.reason) == (Decision.NO_TRADE, reason)
    assert reason.value in verdict.detail


def test_every_reason_is_tested() -> None:
    assert {reason for _, reason in REFUSALS} | {Reason.TAKEN, Reason.SHORT_NOT_POSSIBLE} == set(Reason)


def test_the_gate_has_no_reason_of_its_own() -> None:
    never_asked_for = {RiskReason.NOT_TAKEN}  # only an order can be refused with it
    recomputed = {Reason.ATR_MISSING, Reason.SHORT_NOT_POSSIBLE}
    assert {one.value for one in set(RiskReason) - never_asked_for} <= {*GATE, *recomputed}


def test_every_reason_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "signals.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    named = [row.split("`")[1] for row in rows if len(row.split(" | ")) == 3]
    assert sorted(named) == sorted(Reason)


def test_all_rules_that_refuse_are_recorded() -> None:
    verdict = decided(
        prob_up=0.45,
        risk_score=0.9,
        signals=SignalSettings(prob_min=0.6),
        at=replace(AT, risk=REFUSED, last_taken_ms=START - HOUR_MS),
    )
    assert [r.reason for r in verdict.refusals] == [
        Reason.COOLDOWN,
        Reason.DAILY_LOSS,
        Reason.PROB_BELOW_MIN,
        Reason.RISK_ABOVE_MAX,
    ]
    assert all(r.reason in verdict.detail for r in verdict.refusals)


def test_the_cooldown_ends_after_its_bars() -> None:
    at = replace(AT, last_taken_ms=START - 4 * HOUR_MS)
    assert decided(at=at).decision is Decision.LONG
    assert decided(at=at, signals=SignalSettings(cooldown_bars=4)).reason is Reason.COOLDOWN
    none = SignalSettings(cooldown_bars=0)
    assert decided(at=replace(AT, last_taken_ms=START - HOUR_MS), signals=none).decision is Decision.LONG


def test_regimes_scale_the_floors() -> None:
    about = {"prob_up": 0.45, "prob_down": 0.3, "costs": CostSettings(fee_bps=0, slippage_bps=0)}
    assert decided(regime=Regime.RANGE, **about).decision is Decision.LONG
    wild = decided(regime=Regime.HIGH_VOL, **about)
    assert wild.reason is Reason.PROB_BELOW_MIN


def test_a_risk_score_at_its_ceiling_is_taken_and_above_it_refused() -> None:
    ceiling = floors_of(SignalSettings(), Regime.RANGE).risk_max
    assert decided(risk_score=ceiling).decision is Decision.LONG
    assert decided(risk_score=math.nextafter(ceiling, 1)).reason is Reason.RISK_ABOVE_MAX


def test_costs_turn_an_edge_into_none() -> None:
    about = {"prob_up": 0.42, "prob_down": 0.3}
    assert decided(**about, costs=CostSettings(fee_bps=0, slippage_bps=0)).side is Decision.LONG
    assert decided(**about, costs=CostSettings(fee_bps=40, slippage_bps=0)).reason is Reason.NO_EDGE


def test_trap_a30_21_a_refused_side_carries_no_levels() -> None:
    verdict = decided(prob_up=0.2, prob_down=0.62, at=replace(AT, risk=REFUSED))
    assert (verdict.decision, verdict.side) == (Decision.NO_TRADE, Decision.SHORT)
    assert (verdict.stop, verdict.target) == (None, None)


def test_trap_a30_21_the_floors_are_asked_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the first look were blind, nothing below a floor is taken."""
    real, looks = room.floor_refusals, []

    def blind_once(*args: Any) -> Any:
        looks.append(args)
        return () if len(looks) == 1 else real(*args)

    monkeypatch.setattr(room, "floor_refusals", blind_once)
    with pytest.raises(StopTrading, match="floor_broken"):
        decided(prob_up=0.5, prob_down=0.3, signals=SignalSettings(prob_min=0.7))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    up=st.floats(0, 1),
    share=st.floats(0, 1),
    risk=st.floats(0, 1),
    atr=st.floats(0.01, 20),
    regime=st.sampled_from(Regime),
)
def test_trap_a30_14_a30_16_whatever_is_taken_clears_every_floor(
    up: float, share: float, risk: float, atr: float, regime: Regime
) -> None:
    down = (1.0 - up) * share
    verdict = decided(prob_up=up, prob_down=down, risk_score=risk, atr=atr, regime=regime)
    if verdict.decision is Decision.NO_TRADE:
        assert verdict.refusals
        assert (verdict.stop, verdict.target) == (None, None)
        return
    floors = floors_of(SignalSettings(), regime)
    assert verdict.confidence == (up if verdict.decision is Decision.LONG else down)
    assert verdict.confidence >= floors.prob_min
    assert risk <= floors.risk_max
    worth = utility(verdict.confidence, 2 * atr / 100, atr / 100, CostSettings().round_trip_frac)
    assert worth > 0.0
    ratio = net_reward_risk(verdict.decision, atr, 100.0, barriers=BarrierSettings(), costs=CostSettings())
    assert ratio is not None
    assert ratio >= SignalSettings().min_reward_risk * (1 - 1e-6)


SURE = {"prob_up": 0.9, "prob_down": 0.05}


@pytest.mark.parametrize("atr", [0.2, 0.3, 0.45, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("floor", [0.5, 1.0, 1.5])
def test_the_reward_to_risk_floor_bites_on_what_the_levels_bring_after_costs(
    atr: float, floor: float
) -> None:
    """Target 2 ATR and stop 1 ATR are 2:1 on paper everywhere; in a quiet market costs eat that up."""
    entry, fee = 100.0 * 1.0002, 0.001
    reward = (100.0 + 2 * atr) * (1 - fee) - entry * (1 + fee)
    loss = entry * (1 + fee) - (100.0 - atr) * 0.9998 * (1 - fee)
    verdict = decided(atr=atr, **SURE, signals=SignalSettings(min_reward_risk=floor))
    assert (verdict.reason is Reason.REWARD_RISK_BELOW_MIN) == (reward / loss < floor)
    assert verdict.reason in (Reason.REWARD_RISK_BELOW_MIN, Reason.TAKEN)


def test_the_reward_to_risk_floor_bites_at_its_default() -> None:
    assert decided(atr=0.45, **SURE).reason is Reason.REWARD_RISK_BELOW_MIN
    assert decided(atr=0.55, **SURE).decision is Decision.LONG
    cheap = CostSettings(fee_bps=5.0)
    assert decided(atr=0.45, **SURE, costs=cheap).decision is Decision.LONG


def test_without_costs_reward_to_risk_is_that_of_the_barriers() -> None:
    free = CostSettings(fee_bps=0, slippage_bps=0)
    for atr in (0.01, 1.0, 7.0):
        for side in (Decision.LONG, Decision.SHORT):
            found = net_reward_risk(side, atr, 100.0, barriers=BarrierSettings(), costs=free)
            assert found == pytest.approx(2.0, rel=1e-5)
    assert net_reward_risk(Decision.LONG, 1e-10, 100.0, barriers=BarrierSettings(), costs=free) is None


def test_trap_b12_7_refusals_are_values_and_nothing_is_swallowed() -> None:
    """The gate's no is a recorded reason; a fault in a sum is an error that gets out."""
    assert decided(at=replace(AT, risk=REFUSED)).refusals[0] == Refusal(Reason.DAILY_LOSS, REFUSED.detail)
    with pytest.raises(ZeroDivisionError):
        decided(close=0.0)


@pytest.mark.parametrize("about", [{"prob_up": 0.3, "prob_down": 0.3}, {"prob_up": 0.6, "prob_down": 0.3}])
def test_a_missed_candle_says_so_whether_there_was_an_edge_or_not(about: dict[str, float]) -> None:
    verdict = decided(**about, at=replace(AT, superseded=True))
    assert (verdict.decision, verdict.reason) == (Decision.NO_TRADE, Reason.STALE_CANDLE)
    assert (len(verdict.refusals) == 2) == (verdict.side is None)
    assert "nobody decided when the candle closed" in verdict.detail
