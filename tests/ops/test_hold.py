"""The desk's own lease: not renewed is not the same as taken."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock, WallClock
from sereno.core.errors import StopTrading, TryLater
from sereno.ops.app import open_desk_ledger
from sereno.ops.going import ROOM_LOOK_S, Going
from sereno.ops.hold import Hold, Holding
from sereno.ops.records import BALLAST_BYTES
from sereno.store.ledger import Ledger, leases
from tests.ops.running import settings_of
from tests.ops.test_scheduler import Bench
from tests.surfaces.seeded import NOW_MS

MUCH = 1 << 40


@dataclass
class Said:
    """A console that keeps what was said."""

    lines: list[str] = field(default_factory=list)
    fails: bool = False

    def say(self, text: str) -> None:
        if self.fails:
            raise OSError(28, "No space left on device")
        self.lines.append(text)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_desk_ledger(settings_of(tmp_path, ledger={"busy_timeout_s": 0.01}))
    yield opened
    opened.close()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    other = sqlite3.connect(folder / "ledger.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def hold_of(folder: Path, ledger: Ledger, lease_s: float = 60.0) -> Hold:
    return Hold.take(ledger, settings_of(folder, jobs={"lease_s": lease_s}))


def lapse(hold: Hold) -> None:
    """As if the ledger had been silent for a whole lease."""
    hold.lease._sure_at = time.monotonic() - hold.lease.ttl_s
    hold.look()


def test_a_lock_makes_it_lapse_and_its_end_brings_it_back(tmp_path: Path, ledger: Ledger) -> None:
    hold = hold_of(tmp_path, ledger)
    with locked(tmp_path):
        hold.look()
        assert hold.state is Holding.OURS, "a short lock is nothing"
        lapse(hold)
        assert hold.state is Holding.LAPSED
        assert "could not be renewed for 60 s" in hold.why
        hold.look()
        assert hold.state is Holding.LAPSED
    hold.look()
    assert (hold.state, hold.why) == (Holding.OURS, "")


@pytest.mark.parametrize("lapsed", [False, True])
def test_another_holder_is_named(tmp_path: Path, ledger: Ledger, lapsed: bool) -> None:
    hold = hold_of(tmp_path, ledger)
    if lapsed:
        with locked(tmp_path):
            lapse(hold)
    with ledger.begin() as tx:
        now = WallClock().now_ms() + 60_001
        assert leases.acquire(tx, hold.lease.name, "elsewhere:1:2:3", now, 60_000)
    hold.look()
    assert hold.is_taken
    assert "elsewhere:1:2:3" in hold.why


def test_a_second_desk_is_told_who_runs_it(tmp_path: Path, ledger: Ledger) -> None:
    with ledger.begin() as tx:
        leases.acquire(tx, "desk:paper", "elsewhere:1:2:3", WallClock().now_ms(), 60_000)
    with pytest.raises(TryLater, match="elsewhere:1:2:3"):
        hold_of(tmp_path, ledger)


@dataclass
class Turns:
    """`Going` over a bench, with what it said and how much room there is."""

    folder: Path
    ledger: Ledger
    free: int = MUCH
    at: float = 0.0
    trouble: Exception | None = None

    def __post_init__(self) -> None:
        self.bench = Bench(clock=FixedClock(NOW_MS))
        self.bench.scheduler.prime({})
        self.said = Said()
        self.hold = hold_of(self.folder, self.ledger)
        self.going = Going(
            settings_of(self.folder),
            self.said,  # type: ignore[arg-type]
            self.bench.scheduler,
            self.hold,
            (self._part, self.bench.scheduler.tick),
            monotonic=lambda: self.at,
            free_bytes=lambda: self.free,
        )

    def _part(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def turn(self) -> None:
        self.at += ROOM_LOOK_S
        self.going.turn()


def test_while_the_lease_lapsed_nothing_is_started_and_then_all_daemons_are(
    tmp_path: Path, ledger: Ledger
) -> None:
    turns = Turns(tmp_path, ledger)
    turns.turn()
    assert len(turns.bench.starts_of("signals")) == 1
    with locked(tmp_path):
        lapse(turns.hold)
        turns.turn()
        turns.turn()
        assert len(turns.said.lines) == 1, "once"
        assert "could not be renewed" in turns.said.lines[0]
        job = turns.bench.scheduler.timed[0]
        assert not turns.bench.scheduler.fire(job), "nor may a trigger start one"
    turns.hold.look()
    turns.turn()
    assert len(turns.bench.starts_of("signals")) == len(turns.bench.starts_of("dashboard")) == 2
    assert turns.said.lines[-1] == "the ledger answers again: the desk goes on"


@pytest.mark.parametrize("trouble", [TryLater("ledger.locked"), StopTrading("x"), OSError("broken")])
def test_trouble_in_a_turn_is_told_once_and_passes(
    tmp_path: Path, ledger: Ledger, trouble: Exception
) -> None:
    turns = Turns(tmp_path, ledger, trouble=trouble)
    turns.turn()
    turns.turn()
    assert len(turns.said.lines) == 1
    turns.trouble = None
    turns.turn()
    assert turns.said.lines[1:] == ["the desk goes on"]
    assert turns.bench.starts_of("signals")


def test_a_full_disk_is_told_once_with_its_remedy(tmp_path: Path, ledger: Ledger) -> None:
    turns = Turns(tmp_path, ledger, free=0, trouble=OSError(28, "No space left on device"))
    turns.turn()
    turns.turn()
    (line,) = turns.said.lines
    assert line.startswith("disk.full: free some room below ")
    turns.free, turns.trouble = MUCH, None
    turns.turn()
    assert turns.said.lines[1:] == ["the disk has room again"]


def test_the_ballast_that_was_given_up_is_no_room(tmp_path: Path, ledger: Ledger) -> None:
    turns = Turns(tmp_path, ledger, free=0)
    turns.turn()
    turns.free = BALLAST_BYTES
    turns.turn()
    turns.free = 0
    turns.turn()
    assert len(turns.said.lines) == 1
    ballast = settings_of(tmp_path).paths.run / "ballast"
    assert not ballast.exists()
    turns.free = 2 * BALLAST_BYTES
    turns.turn()
    assert turns.said.lines[1:] == ["the disk has room again"]
    assert ballast.stat().st_size == BALLAST_BYTES, "kept back again for the next time"


def test_a_console_that_cannot_be_written_does_not_end_the_desk(tmp_path: Path, ledger: Ledger) -> None:
    turns = Turns(tmp_path, ledger, free=0)
    turns.said.fails = True
    turns.turn()
    assert turns.bench.starts_of("signals")
