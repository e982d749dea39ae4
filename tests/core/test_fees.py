"""The fee in force: the venue's, unless the settings name one."""

from __future__ import annotations

from pathlib import Path

import pytest

import sereno
from sereno.core.fees import TAKER_FEES_BPS
from sereno.core.instrument import Market
from sereno.core.settings import Settings, load, rows_of
from sereno.core.settings.sections import CostSettings, VenueSettings


def shown(folder: Path, **given: str) -> tuple[str, str]:
    """What `sereno config show` says of the fee: (figure, where it comes from)."""
    loaded = load(env={}, cwd=folder, overrides=given)
    return next((value, source) for key, value, source in rows_of(loaded) if key == "costs.fee_bps")


@pytest.mark.parametrize(("venue", "market"), TAKER_FEES_BPS)
def test_a_fee_that_is_not_set_is_the_venues(tmp_path: Path, venue: str, market: Market) -> None:
    given = {"venue.name": venue, "venue.market": market.value}
    figure = str(TAKER_FEES_BPS[venue, market])
    assert shown(tmp_path, **given) == (figure, f"taker fee of {venue} {market}")


def test_contracts_are_cheaper_than_coins_on_either_venue() -> None:
    for venue in ("binance", "bybit"):
        assert TAKER_FEES_BPS[venue, Market.LINEAR] < TAKER_FEES_BPS[venue, Market.SPOT]


def test_a_fee_that_is_set_wins_even_where_it_says_the_default(tmp_path: Path) -> None:
    given = {"venue.name": "binance", "venue.market": "linear"}
    assert shown(tmp_path, **given, **{"costs.fee_bps": "10"}) == ("10.0", "command line")
    assert shown(tmp_path, **given, **{"costs.fee_bps": "0"}) == ("0.0", "command line")


def test_other_cost_settings_leave_the_fee_to_the_venue(tmp_path: Path) -> None:
    given = {"venue.market": "linear", "costs.slippage_bps": "3"}
    assert shown(tmp_path, **given) == ("5.0", "taker fee of binance linear")


def test_a_venue_whose_schedule_is_not_known_has_the_general_default(tmp_path: Path) -> None:
    assert shown(tmp_path, **{"venue.name": "kraken", "mode": "paper"}) == ("10.0", "default")


def test_settings_made_in_code_resolve_alike() -> None:
    linear = VenueSettings(market=Market.LINEAR)
    assert Settings(venue=linear).costs.round_trip_frac == pytest.approx(14e-4)
    assert Settings(venue=linear, costs=CostSettings(fee_bps=7.0)).costs.fee_bps == 7.0


def test_the_settings_digest_covers_the_fee_in_force() -> None:
    spot, linear = Settings(), Settings(venue=VenueSettings(market=Market.LINEAR))
    same_fee = Settings(venue=VenueSettings(market=Market.LINEAR), costs=CostSettings(fee_bps=10.0))
    assert spot.digest != linear.digest
    assert spot.digest == same_fee.digest


def test_no_room_makes_costs_of_its_own() -> None:
    """Labels, decision, backtest and paper are handed the section that was resolved once."""
    source = Path(sereno.__file__).parent
    makers = {
        p.relative_to(source).as_posix() for p in source.rglob("*.py") if "CostSettings(" in p.read_text()
    }
    assert makers == {"core/settings/model.py", "core/settings/sections.py"}
