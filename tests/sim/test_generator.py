from __future__ import annotations

import numpy as np
import pytest

from sereno.core.candle import F64, Candles
from sereno.core.errors import FixConfig, SkipThis
from sereno.core.instrument import Instrument, Market
from sereno.core.settings.paths import GENERATOR
from sereno.core.settings.sections import SimSettings
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.sim.generated import CLOCK_START_MS, GeneratedWorld
from sereno.sim.resample import resample
from sereno.sim.world import make_world
from tests.sim.conftest import BTC, ETH

MOMENTUM_HOURS = 24


def hourly(world: GeneratedWorld, instrument: Instrument = BTC) -> Candles:
    return world.candles(instrument, Timeframe.H1, None, None)


def returns(candles: Candles) -> F64:
    return np.diff(np.log(candles.close))


def momentum_t(candles: Candles) -> float:
    """t-statistic of the next return on the last day's, both in units of recent volatility."""
    moves = returns(candles)
    scale = np.sqrt(np.convolve(moves**2, np.ones(100) / 100, "valid"))[:-1]
    past = np.convolve(moves, np.ones(MOMENTUM_HOURS), "valid")[100 - MOMENTUM_HOURS : -1] / scale
    after = moves[100:] / scale
    slope = np.dot(past, after) / np.dot(past, past)
    rest = after - slope * past
    return float(slope / np.sqrt(np.dot(rest, rest) / (len(rest) - 1) / np.dot(past, past)))


def test_equal_seeds_equal_candles_whatever_is_asked_for(world: GeneratedWorld) -> None:
    alone = GeneratedWorld(7, 0.35, (ETH,))
    assert hourly(alone, ETH).digest() == hourly(world, ETH).digest()
    assert hourly(GeneratedWorld(8, 0.35, (ETH,)), ETH).digest() != hourly(world, ETH).digest()


def sign_t(candles: Candles) -> float:
    """t-statistic of the sign of an hour on that of the hour before."""
    signs = np.sign(returns(candles))
    return float(np.mean(signs[1:] * signs[:-1]) * np.sqrt(len(signs) - 1))


def test_without_edge_there_is_nothing_to_learn() -> None:
    flat = [hourly(GeneratedWorld(seed, 0.0, (BTC,))) for seed in range(6)]
    for statistic in (momentum_t, sign_t):
        found = np.array([statistic(candles) for candles in flat])
        assert abs(found.sum()) / np.sqrt(len(found)) < 2.5
        assert np.abs(found).max() < 3.5


def test_the_default_edge_shows_in_momentum() -> None:
    default = SimSettings()
    world = GeneratedWorld(default.seed, default.edge, (BTC, ETH))
    for instrument in (BTC, ETH):
        assert momentum_t(hourly(world, instrument)) > 6.0


def test_more_edge_more_to_learn() -> None:
    worlds = [GeneratedWorld(7, edge, (BTC,)) for edge in (0.1, 0.4, 1.0)]
    shown = [momentum_t(hourly(one)) for one in worlds]
    assert shown == sorted(shown)


def test_every_timeframe_is_made_of_the_same_candles(world: GeneratedWorld) -> None:
    base = world.candles(BTC, Timeframe.M5, None, None)
    for timeframe in world.timeframes(BTC):
        whole = world.candles(BTC, timeframe, None, None)
        assert whole.digest() == resample(base, timeframe).digest()
    assert Timeframe.M1 not in world.timeframes(BTC)


def test_candles_are_sound(world: GeneratedWorld) -> None:
    candles = world.candles(BTC, Timeframe.M5, None, None)
    assert np.all(np.diff(candles.open_ms) == Timeframe.M5.ms)
    assert np.all(candles.low <= np.minimum(candles.open, candles.close))
    assert np.all(candles.high >= np.maximum(candles.open, candles.close))
    assert candles.low.min() > 0
    assert candles.volume.min() > 0
    assert np.array_equal(candles.open[1:], candles.close[:-1])
    assert np.array_equal(candles.close, np.round(candles.close, 2))


def test_magnitudes_are_those_of_real_markets(world: GeneratedWorld) -> None:
    for instrument, price in ((BTC, 60_000.0), (ETH, 3_000.0)):
        candles = hourly(world, instrument)
        before = candles.between(None, world.clock_start_ms)
        assert before.close[-1] == pytest.approx(price, rel=1e-3)
        assert 0.005 < returns(candles).std() < 0.008
        assert 0.007 < np.mean((candles.high - candles.low) / candles.close) < 0.011


def test_volatility_clusters_and_tails_are_fat(world: GeneratedWorld) -> None:
    moves = returns(hourly(world))
    sizes = np.abs(moves)
    assert np.corrcoef(sizes[24:], sizes[:-24])[0, 1] > 0.05
    assert np.mean(moves**4) / np.mean(moves**2) ** 2 > 4.0
    assert np.abs(moves).max() > 5 * moves.std()


def test_the_day_has_a_season(world: GeneratedWorld) -> None:
    candles = hourly(world)
    hour = candles.open_ms // HOUR_MS % 24
    spread = (candles.high - candles.low) / candles.close
    busy, quiet = (hour >= 13) & (hour <= 18), (hour >= 1) & (hour <= 6)
    assert spread[busy].mean() > 1.3 * spread[quiet].mean()
    assert candles.volume[busy].mean() > 1.3 * candles.volume[quiet].mean()


def test_instruments_move_together(world: GeneratedWorld) -> None:
    pair = np.corrcoef(returns(hourly(world, BTC)), returns(hourly(world, ETH)))
    assert 0.5 < pair[0, 1] < 0.85


def test_there_is_history_and_a_year_to_come(world: GeneratedWorld) -> None:
    assert world.clock_start_ms - world.start_ms >= 3 * 365 * DAY_MS
    assert world.end_ms is not None
    assert world.end_ms - world.clock_start_ms >= 365 * DAY_MS


def test_trap_a30_23_a_synthetic_market_says_so(world: GeneratedWorld) -> None:
    facts = world.describe()
    assert (facts["kind"], facts["synthetic"], facts["seed"]) == ("generated", True, 7)


def test_a_minute_world_on_request() -> None:
    world = GeneratedWorld(7, 0.35, (BTC,), finest=Timeframe.M1, history_days=14, future_days=7)
    assert world.timeframes(BTC)[:3] == (Timeframe.M1, Timeframe.M3, Timeframe.M5)
    assert len(world.candles(BTC, Timeframe.M1, None, None)) == 21 * 1440


def test_funding_follows_the_market(world: GeneratedWorld) -> None:
    moments, rates = world.funding(BTC, world.clock_start_ms - 30 * DAY_MS, world.clock_start_ms)
    assert len(moments) == 90
    assert np.all(moments % (8 * HOUR_MS) == 0)
    assert np.abs(rates).max() <= 1.1e-3


def test_unknown_coins_have_a_price_of_their_own() -> None:
    pepe = Instrument("binance", Market.SPOT, "PEPE", "USDT")
    world = GeneratedWorld(7, 0.0, (pepe,), history_days=14, future_days=7)
    assert world.candles(pepe, Timeframe.D1, None, None).low.min() > 0


def test_nonsense_is_refused(world: GeneratedWorld) -> None:
    with pytest.raises(FixConfig, match=r"sim\.edge"):
        GeneratedWorld(7, 1.5, (BTC,))
    with pytest.raises(FixConfig, match=r"sim\.no_instruments"):
        GeneratedWorld(7, 0.5, ())
    with pytest.raises(SkipThis, match=r"sim\.no_timeframe"):
        world.candles(BTC, Timeframe.M1, None, None)
    with pytest.raises(SkipThis, match=r"sim\.unknown_instrument"):
        world.candles(Instrument("binance", Market.SPOT, "XRP", "USDT"), Timeframe.H1, None, None)


def test_settings_choose_the_world() -> None:
    made = make_world(SimSettings(seed=3, edge=0.0), instruments=(BTC,), venue="bybit", market=Market.LINEAR)
    assert made.instruments == (Instrument("bybit", Market.LINEAR, "BTC", "USDT"),)
    assert made.describe()["edge"] == 0.0
    with pytest.raises(FixConfig, match=r"sim\.unknown_venue"):
        make_world(SimSettings(), instruments=(BTC,), venue="kraken")


def test_equal_settings_draw_the_candles_that_the_worlds_name_stands_for() -> None:
    """Another price here means that `core.settings.paths.GENERATOR` must be raised: old worlds are others."""
    since = CLOCK_START_MS - 5 * DAY_MS
    drawn = GeneratedWorld(1, 0.35, (BTC,)).candles(BTC, Timeframe.H1, since, CLOCK_START_MS)
    assert GENERATOR == 2
    assert drawn.close[[0, 60, 119]].tolist() == [53055.0, 57010.12, 60000.0]
