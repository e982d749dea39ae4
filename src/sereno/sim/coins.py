"""Magnitudes of well-known coins, so that a generated market looks like one; others follow from their name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256

import numpy as np

from sereno.core.candle import F64
from sereno.core.instrument import InstrumentRules, Market

MAX_PLACES = 8


@dataclass(frozen=True, slots=True)
class Coin:
    """price_quote at the start of the clock, and mean turnover a day in quote."""

    price_quote: float
    day_turnover_quote: float


_COINS = {
    "BTC": Coin(60_000.0, 1.5e9),
    "ETH": Coin(3_000.0, 8e8),
    "BNB": Coin(550.0, 2e8),
    "SOL": Coin(150.0, 3e8),
    "XRP": Coin(0.55, 2e8),
    "ADA": Coin(0.45, 6e7),
    "DOGE": Coin(0.12, 1e8),
    "LTC": Coin(80.0, 4e7),
    "LINK": Coin(14.0, 4e7),
    "DOT": Coin(6.5, 3e7),
    "AVAX": Coin(30.0, 5e7),
}


def seed_of(name: str) -> int:
    """A number that follows from a name, the same on every machine."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big")


def coin(name: str) -> Coin:
    """The known magnitudes, or invented ones that always come out the same for a name."""
    if name in _COINS:
        return _COINS[name]
    luck = (seed_of(name) % 1_000_003) / 1_000_003
    return Coin(round(10.0 ** (-0.5 + 2.5 * luck), 4), 2e7)


def price_places(price_quote: float) -> int:
    """Decimals of a price grid of about five significant digits, at least 2 and at most 8."""
    return min(MAX_PLACES, max(2, 4 - math.floor(math.log10(price_quote))))


def quantity_places(price_quote: float) -> int:
    """Decimals of a quantity grid whose step is worth about a cent to a dime."""
    return min(5, max(0, 1 + math.floor(math.log10(price_quote))))


def places_of(prices: F64) -> int:
    """The fewest decimals that write every one of the prices exactly, at most 8."""
    for places in range(MAX_PLACES):
        if np.all(np.abs(prices - np.round(prices, places)) < 1e-9 * np.maximum(1.0, prices)):
            return places
    return MAX_PLACES


def grid(price_quote: float, *, places: int, market: Market) -> InstrumentRules:
    """Trading rules as a venue would set them for a coin of that price."""
    step = Decimal(1).scaleb(-quantity_places(price_quote) + (2 if market is Market.LINEAR else 0))
    return InstrumentRules(
        price_tick=Decimal(1).scaleb(-places),
        quantity_step=min(step, Decimal(1)),
        min_quantity=min(step, Decimal(1)),
        min_notional_quote=Decimal(5),
    )
