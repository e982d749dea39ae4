from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sereno.core.instrument import Market
from sereno.sim.coins import coin, grid, places_of, price_places


@settings(derandomize=True, max_examples=50, deadline=None)
@given(price=st.floats(1e-6, 1e6), market=st.sampled_from(list(Market)))
def test_grids_fit_the_price(price: float, market: Market) -> None:
    rules = grid(price, places=price_places(price), market=market)
    assert 0 < rules.price_tick <= max(1, price)
    assert 0 < rules.quantity_step <= 1
    assert rules.min_quantity >= rules.quantity_step
    assert float(rules.quantity_step) * price <= 1_000


@settings(derandomize=True, max_examples=50, deadline=None)
@given(ticks=st.lists(st.integers(1, 10**6), min_size=1, max_size=20), places=st.integers(0, 8))
def test_the_fewest_decimals_that_write_the_prices(ticks: list[int], places: int) -> None:
    prices = np.round(np.array(ticks, dtype=np.float64) / 10**places, places)
    found = places_of(prices)
    assert found <= places
    assert np.array_equal(np.round(prices, found), prices)


def test_coins_without_an_entry_always_get_the_same_price() -> None:
    assert coin("BTC").price_quote == 60_000.0
    assert coin("NEW1") == coin("NEW1")
    assert 0.1 < coin("NEW1").price_quote < 1_000
