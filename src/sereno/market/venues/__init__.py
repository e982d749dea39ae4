"""Doors to exchanges. ccxt is imported when the first one is opened, not before."""

from __future__ import annotations

from pathlib import Path

from sereno.core.clock import Clock
from sereno.core.settings.sections import VenueSettings
from sereno.market.venue import Venue


def make_venue(
    settings: VenueSettings, *, base_url: str = "", clock: Clock, quiet_file: Path | None = None
) -> Venue:
    """The venue that the settings name.

    base_url    address that every REST request goes to instead; empty: the settings', or the venue's own
    quiet_file  where it is kept until when the venue asked to be left alone

    Raises FixConfig when nobody knows an exchange of that name.
    """
    from sereno.market.venues.ccxt_venue import CcxtVenue, quirks_of
    from sereno.market.venues.quiet import Quiet

    return CcxtVenue(
        settings,
        quirks_of(settings.name, settings.market),
        base_url=base_url or settings.base_url,
        clock=clock,
        quiet=Quiet(quiet_file),
    )


def exchange_ids() -> frozenset[str]:
    """Every exchange that ccxt knows."""
    import ccxt

    return frozenset(ccxt.exchanges)
