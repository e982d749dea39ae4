"""Simulated hours in which the desk really trades: every record leads back to the forecast it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sereno.ops.app import Desk
from sereno.ops.steps.retell import replayed, story_of
from sereno.store.ledger import positions
from tests.ops.desk_process import EAGER, SMALL, sereno, settings_of
from tests.ops.traded import check_chains, check_money, check_signal_files, taken

GIVEN = {
    **SMALL,
    **EAGER,
    "sim.edge": "1",
    "venue.market": "linear",
    "candles.depth_days": "150",
    "models.rounds": "30",
    "barriers.target_atr": "1.5",
    "barriers.horizon_bars": "8",
    "jobs.disabled": "walkforward,anomaly",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk after ten simulated hours."""
    folder = tmp_path_factory.mktemp("trades")
    assert "all well" in sereno(folder, GIVEN, "up", "--for", "10h", "--speed", "max")
    with Desk(settings_of(folder, GIVEN)) as opened:
        yield opened


def test_trap_a30_1_e4_5_positions_open_and_close(desk: Desk) -> None:
    with desk.ledger.read() as tx:
        closed = positions.recent(tx, desk.mode, desk.account, closed_only=True)
    assert closed
    assert all(p.exit_reason is not None and p.fees_quote > 0 for p in closed)


def test_trap_a30_29_every_fill_leads_back_to_its_forecast(desk: Desk) -> None:
    assert check_chains(desk) >= 1


def test_equity_is_the_first_one_plus_every_result(desk: Desk) -> None:
    check_money(desk)


def test_every_taken_signal_replays_to_the_same_bits(desk: Desk) -> None:
    made = taken(desk)
    assert made
    for signal in made:
        lines, equal = replayed(desk, signal)
        assert equal, "\n".join(lines)


def test_a_signal_whose_features_were_let_go_has_the_same_story(desk: Desk) -> None:
    signal = taken(desk)[0]
    story = story_of(desk, signal)
    assert "Drivers of" in story
    assert story_of(desk, replace(signal, features=())) == story


def test_signal_files_hold_exactly_the_promised_fields(desk: Desk) -> None:
    check_signal_files(desk.settings)
