"""The one crossing between `float64` (features, models, position rules) and `Decimal` (money).

Money is kept to 8 decimals. `round_money` rounds a float to that grid in a way that the interpreter
and compiled code agree on; `money` turns such a float into the exact Decimal.
"""

from __future__ import annotations

import math
from decimal import Decimal

MONEY_PLACES = 8
_GRID = 10.0**MONEY_PLACES
_QUANTUM = Decimal(1).scaleb(-MONEY_PLACES)


def round_money(value: float) -> float:
    """Nearest multiple of 1e-8, halves up. Exact for |value| below 9e7; compiles under Numba."""
    return math.floor(value * _GRID + 0.5) / _GRID


def money(value: float) -> Decimal:
    """A float64 amount as Decimal with 8 places.

    Raises ValueError if the amount is not finite: a missing amount is None, never a number.
    """
    if not math.isfinite(value):
        raise ValueError(f"not an amount of money: {value!r}")
    return Decimal(repr(round_money(value))).quantize(_QUANTUM)
