"""A signal is replayed to the same bits whatever happened to the desk since it was made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from sereno.core.candle import Candles
from sereno.core.clock import FixedClock
from sereno.core.errors import SkipThis
from sereno.core.instrument import Series
from sereno.core.signal import Signal
from sereno.core.timeframe import HOUR_MS, Timeframe, UtcMs
from sereno.market.imports import import_candles
from sereno.ops.app import Desk
from sereno.ops.run import Run
from sereno.ops.steps.collector import collect
from sereno.ops.steps.decider import Decider
from sereno.ops.steps.retell import replayed, story_of
from sereno.ops.steps.train import train
from sereno.sim.server import Simulator
from sereno.sim.time import SimulatedTime
from sereno.store.lake_words import Appended
from tests.market.worlds import NOW, TableWorld, rows, walk
from tests.ops.desk_process import SMALL, settings_of

DAYS = 70
RUN = Run("r", "test")
GIVEN = {**SMALL, "candles.depth_days": str(DAYS), "venue.instruments": "BTC/USDT", "candles.beside": ""}
STATE = "state"
HOLE_BARS = 5  # of the last day: a hole that the venue may still fill


class Market:
    """One instrument at a simulated venue, of which some candles may be missing for a while."""

    def __init__(self) -> None:
        first = Timeframe.H1.floor(NOW) - DAYS * 24 * HOUR_MS
        self.whole = walk(Timeframe.H1, first, DAYS * 24 + 72)
        newest = Timeframe.H1.last_closed_open(NOW)
        hole = (self.whole.open_ms > newest - 10 * HOUR_MS) & (
            self.whole.open_ms <= newest - (10 - HOLE_BARS) * HOUR_MS
        )
        self.holed = rows(self.whole, ~hole)
        (instrument,) = settings_of(Path(), GIVEN).venue.listed()
        self.series = Series(instrument, Timeframe.H1)
        self.world = TableWorld([instrument], {("BTC", Timeframe.H1): self.holed})
        self.time = SimulatedTime(NOW)

    def tell(self, candles: Candles) -> None:
        self.world.tables["BTC", Timeframe.H1] = candles


class Days:
    """A desk in a folder, over the market, at a clock that the test moves."""

    def __init__(self, desk: Desk, market: Market) -> None:
        self.desk = desk
        self.market = market

    def goes_on(self, hours: int) -> None:
        """Time passes; then the collector has its cycle."""
        assert isinstance(self.desk.clock, FixedClock)
        self.desk.clock.advance(hours * HOUR_MS)
        self.market.time.step_to(self.desk.clock.now_ms())
        assert collect(self.desk, RUN).failed is None

    def decides(self) -> Signal:
        return Decider(self.desk).decide(self.market.series)

    def replays(self, signal: Signal) -> tuple[str, ...]:
        lines, equal = replayed(self.desk, signal)
        assert equal, "\n".join(lines)
        return lines


@contextmanager
def a_desk(folder: Path, now: UtcMs = NOW, **given: str) -> Iterator[Days]:
    market = Market()
    with (
        Simulator(market.world, market.time) as simulator,
        Desk(settings_of(folder, GIVEN | given), clock=FixedClock(now), base_url=simulator.base_url) as desk,
    ):
        market.time.step_to(now)
        yield Days(desk, market)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a desk that has collected, around a hole, and trained."""
    folder = tmp_path_factory.mktemp("trained")
    with a_desk(folder) as days:
        assert collect(days.desk, RUN).failed is None
        assert len(days.desk.lake.missing(days.market.series, 0, NOW)) == 1
        assert train(days.desk, RUN).failed is None
    return folder


@pytest.fixture
def days(trained: Path, tmp_path: Path) -> Iterator[Days]:
    shutil.copytree(trained / STATE, tmp_path / STATE)
    with a_desk(tmp_path) as opened:
        yield opened


def stored(candles: Candles, days: Days) -> Appended:
    desk = days.desk
    return desk.lake.append(
        days.market.series, candles, source="test", mode=desk.mode, now=desk.clock.now_ms()
    )


def test_after_a_hole_in_its_window_was_filled(days: Days) -> None:
    signal = days.decides()
    days.replays(signal)
    days.market.tell(days.market.whole)
    days.goes_on(hours=2)
    lake, series = days.desk.lake, days.market.series
    assert lake.missing(series, 0, NOW) == ()
    assert len(lake.candles(series, signal.feature_first_ms, signal.ts)) == DAYS * 24
    days.replays(signal)
    assert "drivers cannot be told" not in story_of(days.desk, signal)
    days.replays(days.decides())


def test_after_a_hole_was_filled_while_the_clock_stood(days: Days) -> None:
    days.goes_on(hours=1)
    signal = days.decides()
    days.market.tell(days.market.whole)
    days.goes_on(hours=0)
    assert days.desk.lake.missing(days.market.series, 0, NOW) == ()
    days.replays(signal)


def test_after_a_correction(days: Days) -> None:
    signal = days.decides()
    close = days.market.holed.close.copy()
    close[-75:] *= 1.001  # among them the last candles, which the collector reads again
    high = np.maximum(days.market.holed.high, close)
    told = days.market.holed
    days.market.tell(Candles(told.timeframe, told.open_ms, told.open, high, told.low, close, told.volume))
    days.goes_on(hours=1)
    assert days.desk.lake.corrections(days.market.series)
    days.replays(signal)


def test_after_an_import_that_adds_older_history(days: Days, tmp_path: Path) -> None:
    signal = days.decides()
    first = signal.feature_first_ms
    older = walk(Timeframe.H1, first - 300 * HOUR_MS, 200)  # leaves a hole behind it, too
    newer = days.market.whole.between(first + 400 * HOUR_MS, NOW - HOUR_MS)
    for number, block in enumerate((older, newer)):
        file = tmp_path / f"{number}.csv"
        columns = np.column_stack([getattr(block, name) for name in Candles.COLUMNS])
        np.savetxt(
            file,
            columns,
            delimiter=",",
            header=",".join(Candles.COLUMNS),
            comments="",
            fmt=["%d", *["%.10g"] * 5],
        )
        found = import_candles(file, days.market.series, now=days.desk.clock.now_ms())
        assert found.errors == ()
        assert stored(found.candles, days).added
    extent = days.desk.lake.extent(days.market.series)
    assert extent is not None
    assert extent.first_open_ms == first - 300 * HOUR_MS
    days.replays(signal)
    days.goes_on(hours=3)
    later = days.decides()
    assert later.feature_first_ms == first - 300 * HOUR_MS
    stored(walk(Timeframe.H1, first - 100 * HOUR_MS, 100), days)
    days.replays(signal)
    days.replays(later)


def test_after_the_settings_were_changed(days: Days, tmp_path: Path) -> None:
    signal = days.decides()
    with a_desk(tmp_path, **{"signals.prob_min": "0.97", "costs.fee_bps": "40"}) as other:
        assert other.desk.settings.digest != signal.settings_digest
        lines = other.replays(signal)
        assert f"settings of then ({signal.settings_digest[:12]})" in lines[-1]
        (other.desk.paths.settings / f"{signal.settings_digest}.json").unlink()
        lines, equal = replayed(other.desk, signal)
    assert not equal
    assert any("settings_digest: stored" in line for line in lines)
    assert signal.settings_digest[:12] in lines[-1]
    assert other.desk.settings.digest[:12] in lines[-1]
    assert "put back barriers, costs, signals and risk" in lines[-1]


def test_settings_that_were_edited_by_hand_are_not_believed(days: Days, tmp_path: Path) -> None:
    signal = days.decides()
    path = days.desk.paths.settings / f"{signal.settings_digest}.json"
    path.write_text(path.read_text().replace('"prob_min": 0.', '"prob_min": 0.9'))
    days.replays(signal)  # the ones in force are the same
    with a_desk(tmp_path, **{"signals.prob_min": "0.97"}) as other:
        assert not replayed(other.desk, signal)[1]


def test_after_a_model_was_pruned_the_version_is_named(days: Days) -> None:
    signal = days.decides()
    wanted = dict(part.split("=") for part in signal.forecast.model_version.split(","))["trend"]
    (folder,) = days.desk.registry.root.glob(f"trend/*/1h/{wanted}")
    shutil.rmtree(folder)
    with pytest.raises(SkipThis, match=rf"replay\.model_gone.*role=trend.*{wanted}.*restore"):
        replayed(days.desk, signal)
    assert "The drivers cannot be told any more: replay.model_gone" in story_of(days.desk, signal)
