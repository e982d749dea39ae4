"""The words: timeframes, instruments, candles, money, forecasts, ids."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sereno.core.candle import Candle, Candles
from sereno.core.errors import SkipThis, TryLater
from sereno.core.forecast import Forecast
from sereno.core.ids import digest_of, stable_id
from sereno.core.instrument import Instrument, Market
from sereno.core.money import money, round_money
from sereno.core.timeframe import DAY_MS, Timeframe, from_iso, iso

MOMENTS = st.integers(min_value=0, max_value=4_102_444_800_000)


@given(at=MOMENTS, tf=st.sampled_from(list(Timeframe)))
def test_a_candle_holds_its_moment(at: int, tf: Timeframe) -> None:
    opened = tf.floor(at)
    assert opened <= at < opened + tf.ms
    assert tf.floor(opened) == opened
    assert tf.last_closed_open(at) + tf.ms <= at


def test_weeks_open_on_monday() -> None:
    assert iso(Timeframe.W1.floor(from_iso("2026-11-21"))) == "2026-11-16T00:00:00Z"


@given(at=MOMENTS)
def test_iso_goes_there_and_back(at: int) -> None:
    assert from_iso(iso(at)) == at
    assert iso(at).endswith("Z")


@given(value=st.floats(min_value=-9e6, max_value=9e6, allow_nan=False))
def test_money_is_the_rounded_float_exactly(value: float) -> None:
    assert float(money(value)) == round_money(value)
    assert abs(float(money(value)) - value) <= 1e-8


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_money_is_never_missing(value: float) -> None:
    with pytest.raises(ValueError):
        money(value)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "btc/usdt", "BTC/USDT:USDT"])
def test_symbols_are_read(symbol: str) -> None:
    parsed = Instrument.parse(symbol, venue="binance", market=Market.SPOT)
    assert (parsed.symbol, parsed.slug) == ("BTC/USDT", "BTC_USDT")
    assert Instrument.from_key(parsed.key) == parsed


@pytest.mark.parametrize("symbol", ["BTCUSDT", "", "/", "BTC/", "../x/y"])
def test_other_shapes_are_refused(symbol: str) -> None:
    with pytest.raises(ValueError):
        Instrument.parse(symbol, venue="binance", market=Market.SPOT)


def test_candles_are_columns_of_candles() -> None:
    rows = [Candle(i * DAY_MS, 1.0, 2.0, 0.5, 1.5, 10.0 + i) for i in range(5)]
    block = Candles.of(Timeframe.D1, rows)
    assert list(block) == rows
    assert list(block.between(DAY_MS, 3 * DAY_MS).open_ms) == [DAY_MS, 2 * DAY_MS]
    assert block.digest() == Candles.of(Timeframe.D1, rows).digest()
    assert block.digest() != block.slice(1).digest()
    assert np.array_equal(block.close_ms, block.open_ms + DAY_MS)
    assert len(Candles.empty(Timeframe.H1)) == 0


GOOD = dict(ts=1, horizon_bars=20, prob_up=0.4, prob_down=0.3, expected_return=0.01, p10=-0.02, p50=0.0, p90=0.03, risk_score=0.5, model_version="v")  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"prob_up": math.nan},
        {"prob_up": 1.2},
        {"prob_up": 0.8},
        {"p10": 0.1},
        {"risk_score": -0.1},
        {"horizon_bars": 0},
        {"p90": math.inf},
    ],
)
def test_a_forecast_is_validated(wrong: dict[str, float]) -> None:
    Forecast(**GOOD)
    with pytest.raises(SkipThis, match="forecast.invalid"):
        Forecast(**{**GOOD, **wrong})


def test_ids_follow_from_what_they_name() -> None:
    assert stable_id("sig", 1, "a") == stable_id("sig", 1, "a") != stable_id("sig", "1a")
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_errors_tell_cause_and_next_step() -> None:
    told = str(TryLater("venue.unreachable", remedy="waiting 2 s", after_s=2, venue="binance"))
    assert told == "venue.unreachable (venue=binance): waiting 2 s"
