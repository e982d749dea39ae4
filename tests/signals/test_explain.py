"""The story of a signal in words."""

from __future__ import annotations

import math
from dataclasses import replace

from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Refusal, Signal
from sereno.models.contract import Contributions
from sereno.signals.explain import explain
from tests.trading.worlds import START, refused, signal

TAKEN = signal(START, 1, 30_000.0, 120.0)


def told(about: Signal, *steps: tuple[str, float], base: float = 0.3, remainder: float = 0.0) -> str:
    way = math.log(base / (1.0 - base)) + sum(step for _, step in steps) + remainder
    strongest = tuple(sorted(steps, key=lambda pair: -abs(pair[1])))
    found = Contributions(strongest, base=base, value=1.0 / (1.0 + math.exp(-way)), remainder=remainder)
    return explain(about, found, signals=SignalSettings(), barriers=BarrierSettings(), costs=CostSettings())


def test_a_taken_signal_names_drivers_regime_costs_and_levels() -> None:
    text = told(TAKEN, ("adx_14", 0.31), ("rsi_14", -0.02), ("atr_frac", 0.0))
    assert text.startswith("LONG for BTC/USDT at 1h")
    assert "adx_14 = 30 speaks for it (+0.310)" in text
    assert "rsi_14 = missing speaks against it (-0.020)" in text
    assert "atr_frac" not in text
    assert "Regime TREND: ADX 30.0 is at or above 25." in text
    assert "a round trip costs 0.240%" in text
    assert "stop 29880, target 30240" in text
    assert TAKEN.signal_id in text


def test_the_drivers_add_up_to_the_probability() -> None:
    many = [(f"f{k}", 0.1) for k in range(7)]
    text = told(TAKEN, *many, remainder=-0.04)
    assert (
        "Without any feature the probability is 0.300 (log-odds -0.847). These drivers add +0.500, the other 2 "
        "features +0.200, -0.040 for the bends of softmax and calibration: log-odds -0.187, a probability of 0.453."
    ) in text
    assert "bends" not in told(TAKEN, *many, remainder=0.0004)


def test_drivers_that_nobody_knows_any_more_are_not_those_of_a_baseline() -> None:
    text = explain(TAKEN, None, signals=SignalSettings(), barriers=BarrierSettings(), costs=CostSettings())
    assert "Drivers: not known." in text


def test_a_refused_signal_names_what_refused_it() -> None:
    said = (Refusal("prob_below_min", "0.30 is below 0.42"), Refusal("cooldown", "resting; still"))
    both = replace(refused(TAKEN), refusals=said)
    text = told(both)
    assert text.startswith("NO_TRADE (it would have been LONG)")
    assert (
        "Refused (prob_below_min), by:\n  prob_below_min: 0.30 is below 0.42\n  cooldown: resting; still"
        in text
    )
    assert "Drivers: none to name" in text


def test_the_strongest_drivers_come_first_and_are_few() -> None:
    many = [(f"f{k}", (-1) ** k * k / 10) for k in range(12)]
    lines = [line for line in told(TAKEN, *many).splitlines() if "speaks" in line]
    assert [line.split()[0] for line in lines] == ["f11", "f10", "f9", "f8", "f7"]


def test_no_side_no_levels() -> None:
    nothing = replace(refused(TAKEN, "no_edge"), side=None, confidence=None)
    text = told(nothing, ("adx_14", 0.1))
    assert text.startswith("NO_TRADE for BTC/USDT")
    assert "an upward move" in text
