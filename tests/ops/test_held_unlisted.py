"""What is held is looked after until it is closed, whatever the settings list: collector and positions job together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sereno.core.clock import FixedClock
from sereno.core.instrument import Instrument, Series
from sereno.core.order import ExitReason, Position
from sereno.core.settings import Settings
from sereno.core.signal import Decision
from sereno.core.timeframe import DAY_MS, HOUR_MS, Timeframe
from sereno.ops.app import Desk
from sereno.ops.run import Outcome, Run
from sereno.ops.simulate import world_of
from sereno.ops.steps.anomaly import look
from sereno.ops.steps.collector import collect
from sereno.ops.steps.positions import advance_positions
from sereno.sim.server import Simulator
from sereno.sim.time import SimulatedTime
from sereno.store.ledger import positions, runs, signals
from sereno.store.ledger.runs import JobRun, RunStatus
from sereno.surfaces.api.health import look as look_at_health
from sereno.watch.checks import Severity
from tests.market.worlds import NOW, TableWorld, hourly_world
from tests.surfaces.seeded import signal_of

BOTH = {"instruments": ["BTC/USDT", "ETH/USDT"]}
BTC_ONLY = {"instruments": ["BTC/USDT"]}
HOURLY = {"timeframes": ["1h"], "beside": [], "depth_days": 20}
DAILY = {"timeframes": ["1d"], "beside": [], "depth_days": 20}


class Place:
    """A market of two instruments; a desk with other settings at each call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = hourly_world("BTC/USDT", "ETH/USDT", days=70)
        self.time = SimulatedTime(NOW)
        self.clock = FixedClock(NOW)
        self._simulators: list[Simulator] = []
        self.serve(self.world)

    def serve(self, world: TableWorld) -> None:
        self._simulators.append(Simulator(world, self.time))
        self._simulators[-1].start()

    def close(self) -> None:
        for simulator in self._simulators:
            simulator.stop()

    def desk(self, **settings: Any) -> Desk:
        given = {"state_dir": self.folder, "mode": "paper", "models": {"min_rows": 200}, **settings}
        url = self._simulators[-1].base_url
        return Desk(Settings.model_validate(given), clock=self.clock, base_url=url)

    def to(self, at: int) -> None:
        self.time.step_to(at)
        self.clock.set(at)

    def work(self, desk: Desk) -> Outcome:
        """A cycle of the collector, kept as the runner keeps it, then the job `positions`."""
        outcome = collect(desk, Run("c", "collector"))
        now = self.clock.now_ms()
        run_id = f"c{now}"
        started = JobRun(run_id, "collector", desk.mode, "h", 1, now, None, RunStatus.RUNNING, None, None, {})
        with desk.ledger.begin() as tx:
            runs.start(tx, started)
            runs.finish(tx, run_id, RunStatus.SUCCESS, now, details=dict(outcome.details))
        assert advance_positions(desk, Run("p", "positions")).failed is None
        return outcome


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


def held(place: Place) -> Series:
    """A long of ETH, entered at the open of the hour of NOW, with its stop far below."""
    with place.desk(venue=BOTH, candles=HOURLY) as desk:
        series = next(one for one in desk.series if one.instrument.base == "ETH")
        place.work(desk)
        with desk.ledger.begin() as tx:
            signals.save(tx, signal_of(series, Timeframe.H1.floor(NOW), Decision.LONG))
        assert advance_positions(desk, Run("p", "positions")).details["approved"] == 1
        _crash(place.world, series.instrument, Timeframe.H1.floor(NOW) + 3 * HOUR_MS)
    return series


def _crash(world: TableWorld, instrument: Instrument, open_ms: int) -> None:
    """That candle falls through every stop; the ones before it are quiet."""
    table = world.tables[instrument.base, Timeframe.H1]
    row = int(table.open_ms.searchsorted(open_ms))
    for name in ("open", "high", "low", "close"):
        getattr(table, name)[row - 3 : row + 3] = 100.0
    table.low[row] = 50.0


def newest(desk: Desk) -> Position:
    with desk.ledger.read() as tx:
        return positions.recent(tx, desk.mode, desk.account)[0]


@pytest.mark.parametrize(
    "later",
    [{"venue": BTC_ONLY, "candles": HOURLY}, {"venue": BOTH, "candles": DAILY}],
    ids=["instrument", "timeframe"],
)
def test_what_is_no_longer_listed_keeps_its_stop(place: Place, later: dict[str, Any]) -> None:
    held(place)
    with place.desk(**later) as desk:
        place.to(NOW + 2 * HOUR_MS)
        place.work(desk)
        assert (newest(desk).is_open, newest(desk).bars_held) == (True, 2)
        place.to(NOW + 5 * HOUR_MS)
        place.work(desk)
        assert (newest(desk).exit_reason, newest(desk).bars_held) == (ExitReason.STOP, 4)
        assert not [one for one in look(desk, place.clock.now_ms()) if one.check == "unwatched_position"]


def test_an_entry_that_waits_is_filled_although_it_is_no_longer_listed(place: Place) -> None:
    series = held(place)
    with place.desk(venue=BTC_ONLY, candles=HOURLY) as desk:
        with desk.ledger.read() as tx:
            assert not positions.recent(tx, desk.mode, desk.account)
        place.to(NOW + HOUR_MS)
        place.work(desk)
        assert newest(desk).series == series


def _gone_from_the_venue(place: Place) -> Desk:
    place.serve(hourly_world("BTC/USDT", days=70))
    return place.desk(venue=BTC_ONLY, candles=HOURLY)


def _at_another_venue(place: Place) -> Desk:
    return place.desk(venue={**BTC_ONLY, "name": "bybit"}, candles=HOURLY)


@pytest.mark.parametrize(
    ("moved", "event"),
    [(_gone_from_the_venue, "venue.unknown_instrument"), (_at_another_venue, "venue.another")],
)
def test_what_the_venue_cannot_tell_is_found_and_stops_nothing_else(
    place: Place, moved: Callable[[Place], Desk], event: str
) -> None:
    series = held(place)
    place.to(NOW + HOUR_MS)
    with place.desk(venue=BOTH, candles=HOURLY) as desk:
        place.work(desk)
    with moved(place) as desk:
        place.to(NOW + 2 * HOUR_MS)
        outcome = place.work(desk)
        assert (outcome.failed, outcome.details["ok"], outcome.details["failed"]) == (None, 1, 1)
        assert not [one for one in look(desk, place.clock.now_ms()) if one.check == "unwatched_position"]
        assert look_at_health(desk, own=None).checks["positions"]
        place.to(NOW + 4 * HOUR_MS)
        place.work(desk)
        (one,) = (n for n in look(desk, place.clock.now_ms()) if n.check == "unwatched_position")
        assert (one.severity, one.subject) == (Severity.HIGH, series.key)
        assert event in one.message
        health = look_at_health(desk, own=None)
        assert not health.checks["positions"]
        assert any(
            reason.startswith(f"positions: {series.key}: no candle for 3") for reason in health.reasons
        )
        assert newest(desk).is_open


def test_a_generated_market_goes_on_listing_what_is_held(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path, "venue": BTC_ONLY})
    assert [one.base for one in world_of(settings).instruments] == ["BTC"]
    with Desk(settings, clock=FixedClock(NOW)) as desk, desk.ledger.begin() as tx:
        series = Series(Instrument(settings.venue.name, settings.venue.market, "ETH", "USDT"), Timeframe.H1)
        signal = signal_of(series, NOW, Decision.LONG, mode=desk.mode)
        signals.save(tx, signal)
        positions.save(tx, _open(desk, series, signal.signal_id))
    assert [one.base for one in world_of(settings).instruments] == ["BTC", "ETH"]


def test_a_correction_under_a_position_is_found_for_a_day(place: Place) -> None:
    held(place)
    with place.desk(venue=BOTH, candles=HOURLY) as desk:
        place.to(NOW + HOUR_MS)
        place.work(desk)
        series = newest(desk).series
        table = place.world.tables["ETH", Timeframe.H1]
        table.low[int(table.open_ms.searchsorted(Timeframe.H1.floor(NOW)))] = 50.0
        place.to(NOW + 2 * HOUR_MS)
        place.work(desk)
        assert newest(desk).exit_reason is ExitReason.STOP
        (one,) = (n for n in look(desk, place.clock.now_ms()) if n.check == "candle_changed")
        assert (one.severity, one.subject) == (Severity.HIGH, newest(desk).position_id)
        assert (
            f"candles were corrected under this open position of {series.key}; stop: it ended at"
            in one.message
        )
        assert not [n for n in look(desk, NOW + 2 * DAY_MS) if n.check == "candle_changed"]


def _open(desk: Desk, series: Series, signal_id: str) -> Position:
    from tests.trading.worlds import position

    return position(series=series, signal_id=signal_id, mode=desk.mode, account=desk.account)
