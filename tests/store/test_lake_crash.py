"""A writer that dies anywhere: the lake stays readable, and nothing acknowledged is lost."""

from __future__ import annotations

import itertools
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from sereno.core.candle import Candle, Candles
from sereno.core.mode import Mode
from sereno.store.lake import Gap, Lake
from sereno.store.objects import LocalObjects, Objects
from tests.store.lake_world import (
    BTC,
    HOURLY,
    NOW,
    Countdown,
    Killed,
    Mortal,
    append,
    at,
    candles,
    changed,
    lake_on,
    mortal_disk,
    open_objects,
    rot,
)

FIRST = candles(60)  # two months
OLDER = candles(30, start=at(-40))  # before all that, with a hole behind it
SECOND = changed(candles(80), 20, by=1.0).slice(15, 80)  # corrects the old month, extends the young one
THIRD = changed(changed(candles(90), 20, by=2.0), 70, by=-1.0).slice(18, 90)  # corrects both months


@dataclass
class Story:
    """What the writer was told: everything acknowledged, and what it was doing when it died."""

    acknowledged: dict[int, Candle] = field(default_factory=dict)
    pending: dict[int, Candle] = field(default_factory=dict)
    gap_acknowledged: bool = False
    read: list[tuple[int, Candles]] = field(default_factory=list)

    def append(self, lake: Lake, block: Candles, now: int) -> None:
        self.pending = {candle.open_ms: candle for candle in block}
        append(lake, block, now=now)
        self.acknowledged |= self.pending
        self.pending = {}
        known = (self.acknowledged[opened] for opened in sorted(self.acknowledged))
        self.read.append((now, Candles.of(HOURLY.timeframe, known)))


def live(lake: Lake, story: Story) -> None:
    """A writer's life: appends, corrections over two months, a gap, a damaged file."""
    story.append(lake, FIRST, at(200))
    story.append(lake, SECOND, at(300))
    lake.record_gap(HOURLY, Gap(at(500), at(510), "venue was down"))
    story.gap_acknowledged = True
    story.append(lake, THIRD, at(400))
    story.append(lake, OLDER, at(500))


def check(objects: Objects, story: Story) -> None:
    """What must hold whenever and wherever the writer died."""
    for reader in (lake_on(objects), lake_on(objects)):
        found = {candle.open_ms: candle for candle in reader.candles(HOURLY)}
        for opened in story.acknowledged.keys() - story.pending.keys():
            assert found[opened] == story.acknowledged[opened]
        for opened, candle in story.pending.items():
            allowed = {candle, story.acknowledged.get(opened)}
            assert found.get(opened) in allowed
        assert found.keys() <= story.acknowledged.keys() | story.pending.keys()
        extent = reader.extent(HOURLY)
        assert (extent.rows if extent else 0) == len(found)
        assert bool(reader.known_gaps(HOURLY)) >= story.gap_acknowledged
        for moment, believed in story.read:
            assert reader.candles(HOURLY, as_of=moment).digest() == believed.digest()
        assert reader.verify(HOURLY) == ()  # settles what was left open; the second reader sees it settled


def resume(objects: Objects) -> None:
    """The next writer does it all again and ends where an undisturbed one does."""
    lake = lake_on(objects)
    again = Story()
    append(lake, FIRST.slice(0, 15), now=at(200))
    for block, now in ((SECOND, at(300)), (THIRD, at(400))):
        again.append(lake, block, now)
    assert list(lake.candles(HOURLY, at(0))) == [*FIRST.slice(0, 15), *SECOND.slice(0, 3), *THIRD]


def corrections_are_chained(lake: Lake) -> None:
    """Each old value is what the one before called new, and the last new value is what is stored."""
    stored = {candle.open_ms: candle for candle in lake.candles(HOURLY)}
    last: dict[int, Candle] = {}
    for told in lake.corrections(HOURLY):
        assert told.old == last.get(told.open_ms, told.old)
        last[told.open_ms] = told.new
    assert last == {opened: stored[opened] for opened in last}


def survives(objects: Objects, cut_short: Callable[[Story], None]) -> bool:
    """One life that may be cut short, and what must hold after it; whether it came to its end."""
    story = Story()
    try:
        cut_short(story)
        finished = True
    except Killed:
        finished = False
    check(objects, story)
    corrections_are_chained(lake_on(objects))
    if not finished:
        resume(objects)
        corrections_are_chained(lake_on(objects))
    return finished


@pytest.mark.parametrize(("kind", "stride"), [("local", 1), ("s3", 3)])
def test_a_kill_before_any_operation_of_the_store(
    kind: str, stride: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def survives_at(point: int) -> bool:
        objects = open_objects(kind, tmp_path / str(point), monkeypatch)
        mortal = Mortal(objects, Countdown(point))
        return survives(objects, lambda story: live(lake_on(mortal), story))  # type: ignore[arg-type]

    last = next(point for point in itertools.count(0, stride) if survives_at(point))
    assert last >= 12


def test_a_kill_before_any_system_call_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def survives_at(point: int) -> bool:
        objects = LocalObjects(tmp_path / str(point))

        def cut_short(story: Story) -> None:
            with monkeypatch.context() as patch:
                mortal_disk(patch, Countdown(point))
                live(lake_on(objects), story)

        return survives(objects, cut_short)

    last = next(point for point in itertools.count(0, 3) if survives_at(point))
    assert last >= 45


def test_what_a_dead_writer_left_unfinished_is_swept_away_by_the_next(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    append(lake_on(objects), FIRST)
    draft = tmp_path / "candles/binance/spot/BTC_USDT/1h/2024-01.parquet.999999.draft"
    draft.write_bytes(b"half of a")
    append(lake_on(objects), SECOND)
    assert not draft.exists()


def test_a_kill_while_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    point = -1
    while True:
        point += 1
        objects = LocalObjects(tmp_path / str(point))
        lake = lake_on(objects)
        append(lake, FIRST)
        rot(lake, "candles/binance/spot/BTC_USDT/1h/2024-01.parquet", "bit")
        try:
            lake_on(Mortal(objects, Countdown(point))).verify(HOURLY)  # type: ignore[arg-type]
            finished = True
        except Killed:
            finished = False
        (damage,) = lake_on(objects).verify(HOURLY)
        assert (damage.first_ms, damage.last_ms) == (at(0), at(47))
        assert any(key.startswith("quarantine/") for key in objects.keys(""))
        append(lake_on(objects), FIRST)
        assert lake_on(objects).verify(HOURLY) == ()
        assert lake_on(objects).candles(HOURLY).digest() == FIRST.digest()
        if finished:
            break
    assert point >= 2


def test_a_kill_while_facts_are_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"ts": [at(0), at(100)], "known_at": [at(1), at(101)], "value": [1.0, 2.0]})
    point = -1
    while True:
        point += 1
        objects = LocalObjects(tmp_path / str(point))
        try:
            lake_on(Mortal(objects, Countdown(point))).append_facts(  # type: ignore[arg-type]
                "funding", BTC, frame, source="venue", mode=Mode.SIM, now=NOW
            )
            finished = True
        except Killed:
            finished = False
        found = lake_on(objects).facts("funding", BTC)
        assert set(found.rows()) <= set(frame.rows())
        lake_on(objects).append_facts("funding", BTC, frame, source="venue", mode=Mode.SIM, now=NOW)
        assert lake_on(objects).facts("funding", BTC).rows() == frame.rows()
        if finished:
            break
    assert point >= 4


CHILD = """
import sys
from pathlib import Path
from sereno.store.objects import LocalObjects
from tests.store.lake_world import HOURLY, START, append, at, candles, changed, lake_on

lake = lake_on(LocalObjects(Path(sys.argv[1])))
extent = lake.extent(HOURLY)
done = 0 if extent is None else extent.rows
print("ready", done, flush=True)
while done < 6000:
    page = candles(150, start=at(max(0, done - 20)))
    added = append(lake, page).added
    done += added
    print("stored", done, flush=True)
"""


def test_trap_e4_12_sigkill_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """A real process, really killed: ten times in the middle of whatever it was doing."""
    rng = random.Random(20240130)
    folder = tmp_path / "lake"
    acknowledged = 0
    for _ in range(10):
        acknowledged = max(acknowledged, run_and_kill(folder, rng))
        lake = lake_on(LocalObjects(folder))
        found = lake.candles(HOURLY)
        assert len(found) >= acknowledged
        assert found.digest() == candles(len(found)).digest()
        assert lake.verify(HOURLY) == ()
        assert lake.missing(HOURLY, 0, NOW) == ()
        assert lake.corrections(HOURLY) == ()
    assert acknowledged > 1000


def run_and_kill(folder: Path, rng: random.Random) -> int:
    """Start a writer, kill it some pages and a random while later; how much it had acknowledged."""
    root = str(Path(__file__).resolve().parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": root},
        cwd=root,
    )
    assert child.stdout is not None
    told = child.stdout.readline()
    assert told.startswith(b"ready")
    for _ in range(rng.randrange(5)):
        told += child.stdout.readline()
    until = time.perf_counter() + rng.uniform(0.0, 0.015)  # about as long as one append takes
    while (left := until - time.perf_counter()) > 0:
        select.select([], [], [], left)
    child.send_signal(signal.SIGKILL)
    told += child.stdout.read()
    child.stdout.close()
    child.wait()
    whole = [line for line in told.split(b"\n")[:-1] if line]
    return int(whole[-1].split()[1])
