"""A whole desk on a file system that fills up: it stays, says so once, takes nothing, and goes on after."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sereno.core.clock import STALL_MS, ClockFile, FixedClock
from sereno.ops.app import Desk, open_desk_ledger
from sereno.ops.invariants import INVARIANTS
from sereno.store.ledger import orders, runs
from tests.ops.desk_process import EAGER
from tests.ops.no_pickle import environment
from tests.ops.running import until
from tests.ops.test_whole_desk import command, health, newest_signal_ms, sereno, settings_of

WORDS = tuple(word for key, value in EAGER.items() for word in ("--set", f"{key}={value}"))
PATIENCE_S = 90.0
BLOCK = b"x" * 4096


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose `state` is a file system of 64 MiB."""
    mount, state = shutil.which("mount"), tmp_path / "state"
    state.mkdir()
    words = [str(mount), "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(state)]
    if mount is None or os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(state)], check=True, capture_output=True)


def fill(folder: Path) -> None:
    """Take what room is left, again and again: the desk gives up its ballast."""
    with (folder / "state" / "filler").open("ab", buffering=0) as filler:
        try:
            while filler.write(BLOCK) == len(BLOCK):
                pass
        except OSError:
            return


def time_stands(folder: Path) -> bool:
    """Whether no heartbeat of the simulator found room for twice the time after which readers stall."""
    fill(folder)
    told = ClockFile(settings_of(folder).paths.clock_file).read()
    assert told is not None
    return time.time_ns() // 1_000_000 - told.wall_ms > 2 * STALL_MS


def orders_made(folder: Path) -> int:
    ledger = open_desk_ledger(settings_of(folder))
    with ledger.read() as tx:
        made = tx.execute(orders.table.select()).all()
    ledger.close()
    return len(made)


def broken(folder: Path) -> dict[str, list[str]]:
    settings = settings_of(folder)
    told = ClockFile(settings.paths.clock_file).read()
    assert told is not None
    with Desk(settings, clock=FixedClock(told.sim_ms)) as desk:
        with desk.ledger.read() as tx:
            first_ms = min(run.started_ms for run in runs.latest(tx, None, 1000))
        return {name: faults for name, check in INVARIANTS if (faults := check(desk, first_ms))}


@pytest.mark.slow
def test_a_desk_outlives_a_full_disk(folder: Path) -> None:
    done = sereno(folder, *WORDS, "up", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    told = folder / "up.out"
    with told.open("w") as out:
        desk = subprocess.Popen(
            command(folder, *WORDS, "up", "--no-table"),
            cwd=folder,
            env=environment(folder),
            stdout=out,
            stderr=out,
        )
        try:
            seen = newest_signal_ms(folder)
            until(lambda: health(folder), what="a healthy desk", patience_s=PATIENCE_S)
            until(lambda: newest_signal_ms(folder) > seen, what="a signal", patience_s=PATIENCE_S)
            fill(folder)
            before = orders_made(folder)
            until(lambda: time_stands(folder), what="a world at rest", patience_s=PATIENCE_S)
            assert desk.poll() is None, told.read_text()
            assert told.read_text().count("disk.full: free some room below") == 1
            assert orders_made(folder) == before
            seen = newest_signal_ms(folder)
            (folder / "state" / "filler").unlink()
            until(lambda: "the disk has room again" in told.read_text(), what="room", patience_s=PATIENCE_S)
            until(lambda: health(folder), what="a desk that is well again", patience_s=PATIENCE_S)
            until(lambda: newest_signal_ms(folder) > seen, what="a new signal", patience_s=PATIENCE_S)
        finally:
            desk.send_signal(signal.SIGINT)
            status = desk.wait(60)
    assert status == 0
    assert told.read_text().count("disk.full") == 1
    assert broken(folder) == {}
    for log in (told, *folder.glob("state/**/logs/*.log")):
        for flood in ("--- Logging error ---", "TimeoutError", "Traceback"):
            assert flood not in log.read_text(), log
