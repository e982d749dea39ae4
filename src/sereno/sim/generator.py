"""A synthetic market. Nothing here comes from a real one but the orders of magnitude.

What it has of real markets: volatility that clusters (GARCH(1,1) by the hour), regimes of volatility,
jumps, a daily season of volatility and volume, one common factor behind all instruments. What can be
learned: phases of drift, hidden but persistent, whose strength is the `edge`; they lie so that one begins
shortly before the anchor, where a desk's clock starts. Without edge the simple
returns are symmetric around zero given the past: prices are a martingale, and there is nothing to learn.

Source: Bollerslev (1986) for GARCH; Hamilton (1989) for regime switching; the extremes within a bar are
those of a Brownian bridge between its open and its close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sereno.core.candle import F64, Candles
from sereno.core.timeframe import HOUR_MS, Timeframe, UtcMs
from sereno.sim.coins import coin, price_places, quantity_places, seed_of

HOUR_VOLATILITY = 0.0060  # standard deviation of an hour's return in a normal regime
DRIFT_PER_EDGE = 1.0  # drift of a full phase at edge 1, in standard deviations an hour
GARCH_SHOCK, GARCH_MEMORY = 0.06, 0.92
COMMON_SHARE = 0.6  # of the variance, behind all instruments
CALM_NORMAL_WILD = np.array([0.75, 1.0, 1.6])
REGIME_HOURS = (260.0, 200.0, 60.0)
PHASE_HOURS = (60.0, 50.0)  # without drift, with drift
DRIFTING_SHARE = 0.5  # of phases
LEAD_HOURS = 18  # a rise of the whole market begins this long before the anchor
SHIFT_HOURS = 2_000  # most by which the phases are moved for that
BALANCE_HOURS = 300.0  # drift this far out of balance makes the way back more likely
JUMPS_PER_HOUR = 1 / 200
JUMP_HOURS = 3.0  # size of a jump in standard deviations of an hour
MAX_MOVE = 0.10  # of one bar


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a generated market follows from; `start_ms` is a whole hour, `bars` fill whole hours."""

    seed: int
    edge: float
    base: Timeframe
    start_ms: UtcMs
    bars: int
    anchor_ms: UtcMs

    @property
    def bars_per_hour(self) -> int:
        """Base bars in an hour."""
        return HOUR_MS // self.base.ms

    @property
    def hours(self) -> int:
        """Whole hours."""
        return self.bars // self.bars_per_hour

    def chance(self, name: str) -> np.random.Generator:
        """A stream of chance of its own for each part of the market."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, seed_of(name)])))


def generate(recipe: Recipe, bases: Sequence[str]) -> Mapping[str, Candles]:
    """Base candles of each coin; a coin's candles do not depend on which others are asked for."""
    common = _common(recipe)
    return {name: _candles(recipe, name, common) for name in bases}


@dataclass(frozen=True, slots=True, eq=False)
class _Common:
    """Shared by all coins: (bars,) shocks and jumps, (hours,) volatility factor and drift phase."""

    shocks: F64
    jumps: F64
    volatility: F64
    phase: F64


def _common(recipe: Recipe) -> _Common:
    chance = recipe.chance("market")
    shocks = chance.standard_normal(recipe.bars)
    jumping = chance.random(recipe.bars) < JUMPS_PER_HOUR / recipe.bars_per_hour
    sizes = chance.standard_normal(int(jumping.sum())) * JUMP_HOURS * HOUR_VOLATILITY
    jumps = np.zeros(recipe.bars)
    jumps[jumping] = sizes
    return _Common(shocks, jumps, _regimes(recipe), _market_phases(recipe))


def _regimes(recipe: Recipe) -> F64:
    """(hours,) factor of volatility: calm, normal or wild for days at a time."""
    chance = recipe.chance("market volatility")
    state, spans = 1, []
    filled = 0
    while filled < recipe.hours:
        span = 6 + int(chance.exponential(REGIME_HOURS[state]))
        spans.append(np.full(span, CALM_NORMAL_WILD[state]))
        filled += span
        state = 1 if state != 1 else int(chance.choice((0, 2), p=(0.6, 0.4)))
    return np.concatenate(spans)[: recipe.hours]


def _market_phases(recipe: Recipe) -> F64:
    """(hours,) the phases behind all instruments, moved so that a rise begins LEAD_HOURS before the anchor.

    A desk that is started there has something to trade on its first day, whatever the seed.
    """
    drawn = _phases(recipe, "market phases", recipe.hours + SHIFT_HOURS)
    wanted = max((recipe.anchor_ms - recipe.start_ms) // HOUR_MS - LEAD_HOURS, 0)
    rises = np.flatnonzero((np.diff(drawn, prepend=drawn[:1]) != 0) & (drawn > 0)) - wanted
    near = rises[(rises >= 0) & (rises <= SHIFT_HOURS)]
    shift = int(near[0]) if len(near) else 0
    return drawn[shift : shift + recipe.hours]


def _phases(recipe: Recipe, name: str, hours: int) -> F64:
    """(hours,) direction of the hidden drift in -1, 0, 1; balanced over the long run."""
    chance = recipe.chance(name)
    spans, filled, balance = [], 0, 0.0
    while filled < hours:
        drifting = chance.random() < DRIFTING_SHARE
        span = 6 + int(chance.gamma(2.0, PHASE_HOURS[drifting] / 2))
        up = chance.random() < 1 / (1 + np.exp(balance / (BALANCE_HOURS / 4)))
        direction = float(drifting) * (1.0 if up else -1.0)
        balance += direction * span
        spans.append(np.full(span, direction))
        filled += span
    return np.concatenate(spans)[:hours]


def _season(recipe: Recipe) -> F64:
    """(hours,) factor of volatility by hour of the UTC day, mean square 1: busiest around 15:00."""
    hour = ((recipe.start_ms // HOUR_MS + np.arange(recipe.hours)) % 24).astype(np.float64)
    wave = 1 + 0.28 * np.sin(2 * np.pi * (hour - 9) / 24) + 0.08 * np.sin(4 * np.pi * (hour - 1) / 24)
    return np.asarray(wave / np.sqrt(1 + (0.28**2 + 0.08**2) / 2), dtype=np.float64)


def _clustered(hour_shocks: F64) -> F64:
    """(hours,) standard deviation by GARCH(1,1), mean square 1; an hour's follows from those before it."""
    variance, levels = 1.0, []
    quiet = 1.0 - GARCH_SHOCK - GARCH_MEMORY
    for squared in np.square(hour_shocks).tolist():
        levels.append(variance)
        variance = quiet + variance * (GARCH_SHOCK * squared + GARCH_MEMORY)
    return np.sqrt(np.asarray(levels, dtype=np.float64))


def _candles(recipe: Recipe, name: str, common: _Common) -> Candles:
    chance, per_hour = recipe.chance(f"coin {name}"), recipe.bars_per_hour
    own = chance.standard_normal(recipe.bars)
    shocks = np.sqrt(COMMON_SHARE) * common.shocks + np.sqrt(1 - COMMON_SHARE) * own
    hour_shocks = shocks.reshape(-1, per_hour).sum(axis=1) / np.sqrt(per_hour)
    hour_sd = HOUR_VOLATILITY * _clustered(hour_shocks) * common.volatility * _season(recipe)
    phase = 0.8 * common.phase + 0.4 * _phases(recipe, f"coin {name} phases", recipe.hours)
    hour_drift = recipe.edge * DRIFT_PER_EDGE * hour_sd * phase
    bar_sd = np.repeat(hour_sd / np.sqrt(per_hour), per_hour)
    moves = np.repeat(hour_drift / per_hour, per_hour) + bar_sd * shocks + common.jumps
    path = np.cumsum(np.log1p(np.clip(moves, -MAX_MOVE, MAX_MOVE)))
    return _drawn(recipe, name, path, bar_sd, np.abs(shocks), chance)


def _drawn(
    recipe: Recipe, name: str, path: F64, bar_sd: F64, activity: F64, chance: np.random.Generator
) -> Candles:
    """Candles around a path of log closes, on the price grid; each opens where the last one closed."""
    kind = coin(name)
    anchor = min(max((recipe.anchor_ms - recipe.start_ms) // recipe.base.ms, 1), recipe.bars) - 1
    path = path - path[anchor]
    before = np.concatenate(([path[0]], path[:-1]))
    high, low = _extremes(before, path, bar_sd, chance), -_extremes(-before, -path, bar_sd, chance)
    places = price_places(kind.price_quote)
    open_, high, low, close = (
        np.round(kind.price_quote * np.exp(column), places) for column in (before, high, low, path)
    )
    bars_a_day = 24 * recipe.bars_per_hour
    busy = (
        np.repeat(_season(recipe), recipe.bars_per_hour)
        * (0.4 + 0.75 * activity)
        * np.exp(0.5 * chance.standard_normal(recipe.bars))
    )
    crowd = np.clip(bar_sd / (HOUR_VOLATILITY / np.sqrt(recipe.bars_per_hour)), 0.3, 4.0)
    turnover = kind.day_turnover_quote / bars_a_day * busy * crowd
    return Candles(
        recipe.base,
        recipe.start_ms + np.arange(recipe.bars, dtype=np.int64) * recipe.base.ms,
        open_,
        np.maximum(high, np.maximum(open_, close)),
        np.minimum(low, np.minimum(open_, close)),
        close,
        np.round(turnover / close, quantity_places(kind.price_quote)),
    )


def _extremes(start: F64, end: F64, bar_sd: F64, chance: np.random.Generator) -> F64:
    """(bars,) highest point of a Brownian bridge from `start` to `end`."""
    luck = np.log(1.0 - chance.random(len(start)))
    return 0.5 * (start + end + np.sqrt(np.square(end - start) - 2.0 * np.square(bar_sd) * luck))
