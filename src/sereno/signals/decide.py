"""The decision: expected utility net of costs against floors that the regime scales.

For a side with calibrated probability p of reaching its target before its stop,

    utility = p * reward - (1 - p) * risk - costs

with reward and risk the distances to target and stop as fractions of the entry and costs those of the
round trip. A time-out counts like a stop: the conservative choice. LONG uses `prob_up`, SHORT uses
`prob_down`, never one minus the other. The three roles all have a say: *trend* gives the utility, which
must be positive, and the probability; *return* the mean return towards the side; *risk* the risk score.

Every rule is asked, on the final numbers, and all that refuse are recorded; nothing changes a number
after a floor has seen it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sereno.core.errors import StopTrading
from sereno.core.forecast import Forecast
from sereno.core.instrument import Market
from sereno.core.money import round_money
from sereno.core.position_rules import distance, entry_fill, exit_fill, level, levels, net_frac
from sereno.core.settings.sections import BarrierSettings, CostSettings, SignalSettings
from sereno.core.signal import Decision, Refusal, Regime
from sereno.core.timeframe import iso
from sereno.signals.regime import multipliers_of
from sereno.signals.words import HINDSIGHT, Reason, Situation, Verdict


@dataclass(frozen=True, slots=True)
class Floors:
    """Floors in force in a regime."""

    prob_min: float
    min_expected_return: float
    risk_max: float
    min_reward_risk: float


@dataclass(frozen=True, slots=True)
class Edge:
    """One side's prospects; fractions are of the entry, the expected return is towards the side.

    reward_frac, risk_frac  distances to target and stop, before costs
    reward_risk             what the target would bring over what the stop would cost, both net of costs
    """

    side: Decision
    probability: float
    reward_frac: float
    risk_frac: float
    utility: float
    expected_return: float
    reward_risk: float | None


def floors_of(settings: SignalSettings, regime: Regime) -> Floors:
    """The settings scaled by the regime's multipliers; shares stay within [0, 1]."""
    scale = multipliers_of(settings, regime)
    return Floors(
        prob_min=min(1.0, settings.prob_min * scale.prob_min),
        min_expected_return=settings.min_expected_return * scale.min_expected_return,
        risk_max=min(1.0, settings.risk_max * scale.risk_max),
        min_reward_risk=settings.min_reward_risk,
    )


def utility(probability: float, reward_frac: float, risk_frac: float, cost_frac: float) -> float:
    """Expected utility of one round trip as a fraction of the entry, net of costs."""
    return probability * reward_frac - (1.0 - probability) * risk_frac - cost_frac


def net_reward_risk(
    side: Decision, atr: float, close: float, *, barriers: BarrierSettings, costs: CostSettings
) -> float | None:
    """Result at the target over loss at the stop for an entry at `close`, by the rules of a position.

    Fees and slippage shrink the one and swell the other, so quiet markets, whose levels lie close, score
    low. At or below 0 the target itself would lose. None when the stop is no loss: it lies closer than
    the money grid can tell.
    """
    sign, fee_frac, slippage_frac = side.sign, costs.fee_bps / 10_000.0, costs.slippage_bps / 10_000.0
    entry = entry_fill(sign, close, slippage_frac)
    stop_distance, target_distance = distance(atr, barriers.stop_atr), distance(atr, barriers.target_atr)
    _, stop, target = levels(sign, close, stop_distance, target_distance)
    reward = net_frac(sign, entry, target, fee_frac)
    loss = -net_frac(sign, entry, exit_fill(sign, stop, slippage_frac), fee_frac)
    return reward / loss if loss > 0.0 else None


def best_edge(
    forecast: Forecast, atr: float, close: float, *, barriers: BarrierSettings, costs: CostSettings
) -> Edge | None:
    """The side with the larger utility, LONG on a tie; None if neither is above 0 after costs."""
    reward, risk = barriers.target_atr * atr / close, barriers.stop_atr * atr / close
    long = utility(forecast.prob_up, reward, risk, costs.round_trip_frac)
    short = utility(forecast.prob_down, reward, risk, costs.round_trip_frac)
    if max(long, short) <= 0.0:
        return None
    is_long = long >= short
    side = Decision.LONG if is_long else Decision.SHORT
    return Edge(
        side=side,
        probability=forecast.prob_up if is_long else forecast.prob_down,
        reward_frac=reward,
        risk_frac=risk,
        utility=long if is_long else short,
        expected_return=forecast.expected_return if is_long else -forecast.expected_return,
        reward_risk=net_reward_risk(side, atr, close, barriers=barriers, costs=costs),
    )


def decide(
    forecast: Forecast,
    regime: Regime,
    atr: float,
    close: float,
    *,
    signals: SignalSettings,
    barriers: BarrierSettings,
    costs: CostSettings,
    situation: Situation,
) -> Verdict:
    """LONG, SHORT or NO_TRADE for one closed candle.

    atr, close  quote per base at the candle's close

    On a spot market a short is always refused: coins that are not owned cannot be sold.
    """
    entry, late = round_money(close), _too_late(signals, situation)
    if not (math.isfinite(atr) and atr > 0.0):
        return _without_side(Refusal(Reason.ATR_MISSING, "no average true range yet"), entry, late)
    edge = best_edge(forecast, atr, close, barriers=barriers, costs=costs)
    if edge is None:
        nothing = Refusal(Reason.NO_EDGE, "neither side has a positive expected utility after costs")
        return _without_side(nothing, entry, late)
    floors = floors_of(signals, regime)
    refusals = (
        *late,
        *_circumstances(edge, signals, situation),
        *floor_refusals(edge, forecast.risk_score, floors),
    )
    if refusals:
        return _refused(edge, refusals, entry)
    _check_again(edge, forecast.risk_score, floors)
    return _taken(edge, atr, entry, barriers)


def floor_refusals(edge: Edge, risk_score: float, floors: Floors) -> tuple[Refusal, ...]:
    """The floors that an edge does not reach, in the order in which they are reported."""
    found: list[Refusal] = []
    if edge.probability < floors.prob_min:
        found.append(
            Refusal(
                Reason.PROB_BELOW_MIN, f"probability {edge.probability:.4f} is below {floors.prob_min:.4f}"
            )
        )
    if edge.expected_return < floors.min_expected_return:
        found.append(
            Refusal(
                Reason.RETURN_BELOW_MIN,
                f"expected return {edge.expected_return:.5f} is below {floors.min_expected_return:.5f}",
            )
        )
    if risk_score > floors.risk_max:
        found.append(
            Refusal(Reason.RISK_ABOVE_MAX, f"risk score {risk_score:.4f} is above {floors.risk_max:.4f}")
        )
    least = floors.min_reward_risk * (1.0 - 1e-6)  # levels lie on the money grid
    if edge.reward_risk is None or edge.reward_risk < least:
        told = "undefined" if edge.reward_risk is None else f"{edge.reward_risk:.4f}"
        found.append(
            Refusal(
                Reason.REWARD_RISK_BELOW_MIN,
                f"reward:risk {told} net of costs is below {floors.min_reward_risk:.4f}",
            )
        )
    return tuple(found)


def _too_late(signals: SignalSettings, at: Situation) -> tuple[Refusal, ...]:
    """The no of a candle whose moment has passed; it holds whichever side has an edge, or none."""
    said = _lateness(signals, at)
    return (Refusal(Reason.STALE_CANDLE, said),) if said else ()


def _lateness(signals: SignalSettings, at: Situation) -> str:
    age_bars = (at.now - at.candle_ms) / at.timeframe.ms
    if at.stale:
        return at.stale
    if at.superseded:
        known = f"; {HINDSIGHT}" if at.hindsight else ""
        return f"nobody decided when the candle closed, {age_bars:.1f} bars ago, and a newer one has closed{known}"
    if age_bars >= signals.max_age_bars:
        return f"the candle closed {age_bars:.1f} bars ago, {signals.max_age_bars:g} is too late"
    if at.delay_s > signals.max_delay_s:
        return (
            f"decided {at.delay_s:.0f} s after the close, more than {signals.max_delay_s:g} s: "
            "the entry's price is in the past"
        )
    return ""


def _circumstances(edge: Edge, signals: SignalSettings, at: Situation) -> tuple[Refusal, ...]:
    found: list[Refusal] = []
    if edge.side is Decision.SHORT and at.market is Market.SPOT:
        found.append(Refusal(Reason.SHORT_NOT_POSSIBLE, "a spot market cannot be sold short"))
    rest_ms = signals.cooldown_bars * at.timeframe.ms
    if at.last_taken_ms is not None and at.candle_ms - at.last_taken_ms <= rest_ms:
        found.append(
            Refusal(
                Reason.COOLDOWN,
                f"resting for {signals.cooldown_bars} bars after the signal of {iso(at.last_taken_ms)}",
            )
        )
    if at.risk is not None and not at.risk.allowed:
        found.append(Refusal(Reason(at.risk.reason), at.risk.detail))
    return tuple(found)


def _check_again(edge: Edge, risk_score: float, floors: Floors) -> None:
    """The last word before a taken signal: no floor may be broken, whatever happened on the way."""
    broken = floor_refusals(edge, risk_score, floors)
    if broken:
        raise StopTrading(
            "decision.floor_broken", remedy="this is a fault of the decision", reason=broken[0].reason
        )


def _without_side(refusal: Refusal, entry: float, late: tuple[Refusal, ...]) -> Verdict:
    refusals = (*late, refusal)
    reason = Reason(refusals[0].reason)
    return Verdict(Decision.NO_TRADE, None, reason, _told(refusals), None, entry, None, None, None, refusals)


def _told(refusals: tuple[Refusal, ...]) -> str:
    return "; ".join(f"{r.reason}: {r.detail}" for r in refusals)


def _refused(edge: Edge, refusals: tuple[Refusal, ...], entry: float) -> Verdict:
    return Verdict(
        decision=Decision.NO_TRADE,
        side=edge.side,
        reason=Reason(refusals[0].reason),
        detail=_told(refusals),
        confidence=edge.probability,
        entry=entry,
        stop=None,
        target=None,
        utility=edge.utility,
        refusals=refusals,
    )


def _taken(edge: Edge, atr: float, entry: float, barriers: BarrierSettings) -> Verdict:
    sign = edge.side.sign
    return Verdict(
        decision=edge.side,
        side=edge.side,
        reason=Reason.TAKEN,
        detail=f"taken: expected utility {edge.utility:.5f} of the entry after costs",
        confidence=edge.probability,
        entry=entry,
        stop=level(entry, -sign * distance(atr, barriers.stop_atr)),
        target=level(entry, sign * distance(atr, barriers.target_atr)),
        utility=edge.utility,
    )
