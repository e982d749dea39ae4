"""The story of one signal in words: what the models saw, what it was worth, what refused it."""

from __future__ import annotations

from collections.abc import Sequence

from sereno.core.row_digest import ROWS
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Decision, Signal
from sereno.core.timeframe import iso
from sereno.signals.decide import floors_of, utility

DRIVERS = 5


def explain(
    signal: Signal,
    contributions: Sequence[tuple[str, float]],
    *,
    signals: SignalSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
) -> str:
    """Several short paragraphs of plain text.

    contributions  (feature, SHAP value in log-odds of the side's probability); empty when the served
                   model has none, as a baseline
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


def _drivers(signal: Signal, contributions: Sequence[tuple[str, float]]) -> str:
    if not contributions:
        return "Drivers: none to name; the served model does not look at single features."
    values = dict(signal.features)
    strongest = sorted(contributions, key=lambda pair: (-abs(pair[1]), pair[0]))[:DRIVERS]
    lines = [
        f"  {name} = {_value(values.get(name))} {'speaks for' if weight > 0 else 'speaks against'} it ({weight:+.3f})"
        for name, weight in strongest
        if weight != 0.0
    ]
    about = signal.side.value if signal.side is not None else "an upward move"
    if not lines:
        return "Drivers: no feature moved the forecast."
    return "\n".join((f"Drivers of {about} (SHAP, log-odds):", *lines))


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
