"""`sereno train`, ended by SIGKILL: the next one learns from the same candles and repeats nothing that is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from sereno.core.candle import Candles
from sereno.core.clock import FixedClock, WallClock
from sereno.core.timeframe import HOUR_MS, Timeframe
from sereno.models.contract import Role
from sereno.ops.app import Desk
from sereno.ops.commit import COMMIT_VARIABLE
from sereno.ops.run import Run
from sereno.ops.steps import train as step
from sereno.ops.steps.unfinished import RESUMED_WITHIN_MS, Cutoff, begin
from sereno.store.ledger import runs
from tests.models.test_whole_path import _candles
from tests.ops import desk_process
from tests.surfaces.seeded import settings_for

GIVEN = {
    "mode": "paper",
    "models.trials": "4",
    "models.rounds": "12",
    "models.min_rows": "150",
    "models.threads": "1",
}
HOOK = '''
"""sitecustomize: the training dies when it renames this path for this many times."""
import os, signal, sys

started, left = os.getpid(), [int(os.environ["DIES_AFTER"])]

def seen(event, arguments):
    if event == "os.rename" and os.environ["DIES_AT"] in str(arguments[1]):
        left[0] -= 1
        if left[0] < 0:
            os.kill(started, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(seen)
'''
CODE = {COMMIT_VARIABLE: "c0ffee"}  # sources that change between two trainings are another training
ROWS = 1500
RUN = Run("r", "train")


@cache
def blocks() -> list[Candles]:
    """Two walks whose newest candles have just closed; one candle more than a first training is given."""
    newest = Timeframe.H1.floor(WallClock().now_ms()) - HOUR_MS
    return [
        Candles(
            one.timeframe,
            one.open_ms + newest - one.open_ms[-1],
            one.open,
            one.high,
            one.low,
            one.close,
            one.volume,
        )
        for one in (_candles(ROWS, seed) for seed in (1, 2))
    ]


def add(folder: Path, candles: list[Candles]) -> None:
    with Desk(desk_process.settings_of(folder, GIVEN)) as desk:
        for series, block in zip(desk.series, candles, strict=True):
            desk.lake.append(series, block, source="test", mode=desk.mode, now=desk.clock.now_ms())


def killed(folder: Path, *words: str, at: str, after: int) -> None:
    """`sereno train` in a process of its own, which must die."""
    hook = folder / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    given = {"state_dir": str(folder / "state"), **GIVEN}
    done = subprocess.run(
        [sys.executable, "-m", "sereno", *(f"--set={k}={v}" for k, v in given.items()), "train", *words],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("SERENO_")},
            **CODE,
            "PYTHONPATH": str(hook),
            "DIES_AT": at,
            "DIES_AFTER": str(after),
        },
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def models(folder: Path) -> Mapping[tuple[str, str], object]:
    """Every kept model by series and digest of its files, whenever it was made."""
    with Desk(desk_process.settings_of(folder, GIVEN)) as desk:
        return {
            (m.series_key, f"{m.role} {m.extra['kind']}"): (m.data_digest, dict(m.files))
            for m in desk.registry.all()
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    add(folder, [block.slice(0, ROWS - 1) for block in blocks()])
    desk_process.sereno(folder, GIVEN, "train", env=CODE)
    return models(folder)


@pytest.mark.parametrize(
    ("at", "after", "reused"),
    [
        ("1h-return", 40, ["trend"]),  # trend is kept, the search of return is under way
        ("trend/binance-spot-ETH_USDT/1h/", 1, ["trend", "return", "risk"]),  # the first series is published
    ],
)
def test_a_killed_training_goes_on_with_the_candles_that_it_began_with(
    tmp_path: Path, undisturbed: Mapping[tuple[str, str], object], at: str, after: int, reused: list[str]
) -> None:
    before, newer = ([block.slice(*cut) for block in blocks()] for cut in ((0, ROWS - 1), (ROWS - 1, ROWS)))
    add(tmp_path, before)
    killed(tmp_path, at=at, after=after)
    add(tmp_path, newer)
    desk_process.sereno(tmp_path, GIVEN, "train", env=CODE)
    assert models(tmp_path) == undisturbed
    with Desk(desk_process.settings_of(tmp_path, GIVEN)) as desk:
        first = desk.series[0]
        with desk.ledger.read() as tx:
            told = runs.latest(tx, "train", 1)[0].details
        assert told is not None
        assert "resumed" in told
        assert [role for role in Role if "reused" in told["series"][first.key][role]] == reused  # type: ignore[index]
        assert {m.created_ms for m in desk.registry.all()} == {desk.registry.all()[0].created_ms}
        assert not (desk.registry.root / "unfinished").exists()
        candles = desk.lake.candles(first)
    assert len(candles) == ROWS


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Two short series; the training of them was begun, and nothing more."""
    monkeypatch.setenv(*next(iter(CODE.items())))
    block = _candles(400, 1)
    made = Desk(
        settings_for(tmp_path, models={"trials": 0, "rounds": 10, "min_rows": 150, "threads": 1}),
        clock=FixedClock(int(block.close_ms[-1]) + HOUR_MS),
    )
    for series in made.series:
        made.lake.append(series, block, source="test", mode=made.mode, now=made.clock.now_ms())
    return made


def test_a_cutoff_holds_for_a_day_and_for_equal_settings_code_and_request(desk: Desk) -> None:
    now = desk.clock.now_ms()
    first = begin(desk, "settings", ("",))
    assert not first.resumed
    assert begin(desk, "settings", ("",)).cutoff == first.cutoff
    for hours, settings, asked, resumed in (
        (24, "settings", ("",), True),
        (25, "settings", ("",), False),
        (25, "others", ("",), False),
        (25, "others", ("trend",), False),
        (25, "others", ("trend",), True),
        (24, "others", ("trend",), False),  # the clock went back
    ):
        with Desk(desk.settings, clock=FixedClock(now + hours * HOUR_MS)) as later:
            assert begin(later, settings, asked).resumed is resumed, (hours, settings, asked)
    assert RESUMED_WITHIN_MS == 24 * HOUR_MS


def test_other_code_begins_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(desk, "settings", ())
    with Desk(desk.settings, clock=desk.clock) as other:
        monkeypatch.setattr(Desk, "git_commit", "d00d")
        assert not begin(other, "settings", ()).resumed


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"started_ms": 1, "newest_ms": {"a": "x"}, "origin": "o"}']
)
def test_a_damaged_cutoff_begins_anew(desk: Desk, content: bytes) -> None:
    training = begin(desk, "settings", ())
    (training.folder / "cutoff.json").write_bytes(content)
    (training.folder / "old.journal").write_bytes(b"{}\n")
    assert not begin(desk, "settings", ()).resumed
    assert [path.name for path in training.folder.iterdir()] == ["cutoff.json"]


def test_what_was_stored_since_does_not_count(desk: Desk) -> None:
    series, block = desk.series[0], _candles(401, 1)
    cutoff = begin(desk, "settings", ()).cutoff
    before = cutoff.candles(desk, series)
    desk.lake.append(series, block.slice(400), source="test", mode=desk.mode, now=desk.clock.now_ms())
    assert cutoff.candles(desk, series).digest() == before.digest()
    assert len(desk.lake.candles(series)) == len(before) + 1


def test_a_training_that_could_not_be_is_finished_too(tmp_path: Path) -> None:
    with Desk(settings_for(tmp_path), clock=FixedClock(10**12)) as empty:
        assert step.train(empty, RUN).failed
        assert not (empty.registry.root / "unfinished").exists()


def test_a_series_without_candles_has_no_cutoff(tmp_path: Path) -> None:
    with Desk(settings_for(tmp_path), clock=FixedClock(10**12)) as empty:
        assert begin(empty, "settings", ()).cutoff == Cutoff(
            10**12, {}, begin(empty, "settings", ()).cutoff.origin
        )
