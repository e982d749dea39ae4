"""The story of one signal in words: what the models saw, what it was worth, what refused it."""

from __future__ import annotations

import math

from sereno.core.row_digest import ROWS
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import iso
from sereno.models.contract import Contributions
from sereno.signals.decide import floors_of, utility

DRIVERS = 5
LEAST_TOLD = 0.0005
"""A smaller remainder does not show in three digits."""


def explain(
    signal: Signal,
    contributions: Contributions | None,
    *,
    signals: SignalSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
) -> str:
    """Several short paragraphs of plain text.

    contributions  to the side's probability, or to that of a rise where no side had the edge; None where they
                   cannot be told any more
    """
    paragraphs = (
        _headline(signal),
        _outlook(signal),
        _drivers(signal, contributions),
        _market(signal, signals),
        _worth(signal, barriers, costs),
        _outcome(signal),
        _origin(signal),
    )
    return "\n\n".join(paragraphs)


def _headline(signal: Signal) -> str:
    would = ""
    if signal.decision is Decision.NO_TRADE and signal.side is not None:
        would = f" (it would have been {signal.side})"
    series = signal.series
    return (
        f"{signal.decision}{would} for {series.instrument.symbol} at {series.timeframe}, decided on the candle "
        f"that closed at {iso(signal.ts)} at {signal.entry.normalize():f} {series.instrument.quote}."
    )


def _outlook(signal: Signal) -> str:
    f = signal.forecast
    return (
        f"Over the next {f.horizon_bars} bars the models expect a return of {f.expected_return:+.3%} "
        f"(p10 {f.p10:+.3%}, p50 {f.p50:+.3%}, p90 {f.p90:+.3%}). A long reaches its target before its stop with "
        f"probability {f.prob_up:.3f}, a short with {f.prob_down:.3f}. Risk score {f.risk_score:.3f}."
    )


def _drivers(signal: Signal, contributions: Contributions | None) -> str:
    if contributions is None:
        return "Drivers: not known."
    if not contributions.of_features:
        return "Drivers: none to name; the served model does not look at single features."
    values = dict(signal.features)
    shown = [(name, step) for name, step in contributions.of_features[:DRIVERS] if step != 0.0]
    about = signal.side.value if signal.side is not None else "an upward move"
    if not shown:
        return "Drivers: no feature moved the forecast."
    lines = [
        f"  {name} = {_value(values.get(name))} {'speaks for' if step > 0 else 'speaks against'} it ({step:+.3f})"
        for name, step in shown
    ]
    return "\n".join(
        (f"Drivers of {about} (log-odds of its probability):", *lines, _sum(contributions, len(shown)))
    )


def _sum(contributions: Contributions, shown: int) -> str:
    """How the drivers make the probability, with what the rest adds."""
    base, value = contributions.base, contributions.value
    named = sum(step for _, step in contributions.of_features[:shown])
    rest = sum(step for _, step in contributions.of_features[shown:])
    left = contributions.remainder
    bent = f", {left:+.3f} for the bends of softmax and calibration" if abs(left) >= LEAST_TOLD else ""
    return (
        f"Without any feature the probability is {base:.3f} (log-odds {_log_odds(base):+.3f}). These drivers add {named:+.3f}, "
        f"the other {len(contributions.of_features) - shown} features {rest:+.3f}{bent}: log-odds {_log_odds(value):+.3f}, "
        f"a probability of {value:.3f}."
    )


def _log_odds(probability: float) -> float:
    held = min(max(probability, 1e-7), 1.0 - 1e-7)
    return math.log(held / (1.0 - held))


def _market(signal: Signal, settings: SignalSettings) -> str:
    floors = floors_of(settings, signal.regime)
    return (
        f"Regime {signal.regime}: {signal.regime_reason}. It asks for a probability of at least "
        f"{floors.prob_min:.3f}, an expected return of at least {floors.min_expected_return:.3%} and a risk score of at "
        f"most {floors.risk_max:.3f}."
    )


def _worth(signal: Signal, barriers: BarrierSettings, costs: CostSettings) -> str:
    close = float(signal.entry)
    reward, risk = barriers.target_atr * signal.atr / close, barriers.stop_atr * signal.atr / close
    paid = costs.round_trip_frac
    net_long = utility(signal.forecast.prob_up, reward, risk, paid)
    net_short = utility(signal.forecast.prob_down, reward, risk, paid)
    return (
        f"The target lies {reward:.3%} away, the stop {risk:.3%}; a round trip costs {paid:.3%}. After costs a long "
        f"is worth {net_long:+.3%} and a short {net_short:+.3%} of the entry."
    )


def _outcome(signal: Signal) -> str:
    if signal.decision is not Decision.NO_TRADE and signal.stop is not None and signal.target is not None:
        return (
            f"Taken: {signal.position_size.normalize():f} {signal.series.instrument.base}, "
            f"stop {signal.stop.normalize():f}, target {signal.target.normalize():f}."
        )
    said = [f"{refusal.reason}: {refusal.detail}" for refusal in signal.refusals] or [signal.reason_detail]
    reasons = "\n".join(f"  {one}" for one in said)
    return f"Refused ({signal.reason}), by:\n{reasons}"


def _origin(signal: Signal) -> str:
    return (
        f"Made in mode {signal.mode} by commit {signal.git_commit}, models {signal.forecast.model_version}, "
        f"settings {signal.settings_digest[:12]}, candles {signal.data_digest.removeprefix(ROWS)[:12]}; id {signal.signal_id}."
    )


def _value(value: float | None) -> str:
    return "missing" if value is None else f"{value:.4g}"
