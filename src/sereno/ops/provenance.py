"""Where figures come from, in words: on every page that shows some, so that nobody takes a simulated result for a real one."""

from __future__ import annotations

from sereno.core.mode import Mode
from sereno.core.settings import Settings


def world_words(settings: Settings) -> str:
    """Mode, and whether the candles are real."""
    if settings.mode is not Mode.SIM:
        return f"mode {settings.mode}, real candles"
    return "mode sim, candles from files" if settings.sim.candles_dir else "mode sim, synthetic candles"


def backtest_words(settings: Settings) -> str:
    """Venue, world and costs of a backtest."""
    venue, costs = settings.venue, settings.costs
    return (
        f"{venue.name} {venue.market}, {world_words(settings)}; "
        f"fee {costs.fee_bps:g} bps and slippage {costs.slippage_bps:g} bps a fill"
    )
