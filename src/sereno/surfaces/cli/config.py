"""Commands that show and check the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sereno.core.errors import FixConfig
from sereno.core.mode import Mode
from sereno.core.timeframe import DAY_MS
from sereno.surfaces.cli import context
from sereno.surfaces.cli.out import print_table, say

if TYPE_CHECKING:
    from sereno.core.settings import Loaded, Settings

UNUSED = "(no effect)"


def show() -> None:
    """Key, value, origin; then the known names that are set in vain."""
    from sereno.core.settings import rows_of

    loaded = context.loaded()
    in_vain = ((UNUSED, one.source, one.why) for one in loaded.unused)
    print_table(("key", "value", "from"), (*rows_of(loaded), *in_vain))


def check() -> None:
    """Refusing is `load`'s work, but for the name of a real exchange, which only ccxt knows."""
    loaded = context.loaded()
    settings = loaded.settings
    _refuse_unknown_exchange(settings)
    where = loaded.config_file.resolve() if loaded.config_file else "no settings file"
    say(f"settings are accepted ({where}); mode {settings.mode}, state in {settings.paths.root}")
    for line in notes(loaded):
        say(f"- {line}")


def notes(loaded: Loaded) -> Iterator[str]:
    """What is accepted and yet not as it may seem."""
    for one in loaded.unused:
        yield f"{one.source} has no effect: {one.why}"
    candles = loaded.settings.candles
    for timeframe, history in loaded.settings.histories.items():
        key, set_ms = candles.depth_key(timeframe), candles.depth_ms(timeframe)
        depth_ms, judged_ms = history.depth_ms(timeframe, set_ms=set_ms), history.judged_bars * timeframe.ms
        if depth_ms > set_ms:
            yield (
                f"{timeframe} is collected {_days(depth_ms)} days back, which training takes: "
                f"{key} = {_days(set_ms)} is less"
            )
        if depth_ms < judged_ms:
            yield (
                f"{timeframe} will be served by baselines, which do not trade: the gate judges nothing learned "
                f"from less than {_days(judged_ms)} days, and {_days(depth_ms)} are collected. Trade a smaller "
                f"timeframe, lower barriers.horizon_bars, raise models.test_frac, or raise {key} where the venue "
                "has as much"
            )


def _days(span_ms: int) -> int:
    return -(-span_ms // DAY_MS)


def _refuse_unknown_exchange(settings: Settings) -> None:
    name = settings.venue.name
    if settings.mode is Mode.SIM or name in ("binance", "bybit"):
        return
    from sereno.market.venues import exchange_ids

    known = exchange_ids()
    if name not in known:
        import difflib

        close = difflib.get_close_matches(name, known, n=1)
        raise FixConfig(
            "venue.unknown",
            remedy=f"venue.name = {name} is no exchange that ccxt knows"
            + (f"; did you mean {close[0]}?" if close else ": take one of its ids, such as binance or okx"),
            name=name,
        )
