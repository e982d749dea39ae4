"""Invariant 10 for logs: however long a process runs and whatever it prints, its files stay small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from sereno.core.settings import LogSettings
from sereno.ops.app import open_desk_ledger
from sereno.ops.launch import Launch, end_children, start_logged
from sereno.ops.lease import Lease, lease_name
from sereno.ops.log_file import LOG_VARIABLE, RotatingFile, aside, own_output
from sereno.ops.logs import log_file
from tests.ops.running import PATIENCE_S, ROOT, settings_of, until

LIMIT = 4096
KEPT = 2
CHILD = f"""
import os, subprocess, sys, structlog
sys.path.insert(0, {str(ROOT)!r})
from sereno.core.settings import LogSettings
from sereno.ops.logs import Redactor, bound_output, configure_logs
configure_logs(LogSettings(file_bytes={LIMIT}, files_kept={KEPT}), Redactor([]))
log = structlog.get_logger("child")
kind, who, many = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(many):
    if kind == "logs":
        log.info("child.line", who=who, number=number)
    elif kind == "prints":
        os.write(2, f"raw {{number}} of {{who}} {{'x' * 80}}\\n".encode())
        bound_output()
    else:
        subprocess.run([sys.executable, "-c", f"print('from a grandchild {{number}}', 'y' * 400)"], check=True)
        log.info("child.line", who=who, number=number)
if kind == "logs":
    raise ValueError("crashed at the end")
"""


def files(path: Path) -> list[Path]:
    """The log and what was put aside, oldest first."""
    return [one for n in range(9, 0, -1) if (one := aside(path, n)).exists()] + [path]


def run_children(path: Path, *given: tuple[str, str, int]) -> str:
    """Children that append to one file at once; all that is left of what they said."""
    children = [
        start_logged([sys.executable, "-c", CHILD, kind, who, str(many)], path) for kind, who, many in given
    ]
    for child in children:
        child.wait(PATIENCE_S)
    return "".join(one.read_text() for one in files(path))


def size(path: Path) -> int:
    return sum(one.stat().st_size for one in files(path))


@trying(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.integers(50, 400), st.integers(1, 4))
def test_what_is_left_is_the_end_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], limit: int, kept: int
) -> None:
    path = tmp_path_factory.mktemp("logs") / "deep" / "a.log"
    lines = [f"{number:03d}{'é' * (length // 2)}\n" for number, length in enumerate(lengths)]
    with RotatingFile(path, most_bytes=limit, kept=kept) as log:
        for line in lines:
            log.write(line)
    left = "".join(one.read_text() for one in files(path))
    assert "".join(lines).endswith(left)
    assert left.endswith(lines[-1])
    assert len(files(path)) <= kept + 1
    assert size(path) <= (kept + 1) * (limit + max(len(line.encode()) for line in lines))


def test_a_child_keeps_its_own_output_small_and_its_crash_is_there(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "child.log"
    said = run_children(path, ("logs", "a", 400))
    assert len(files(path)) == KEPT + 1
    assert size(path) <= (KEPT + 1) * (LIMIT + 300) + 1000
    assert "ValueError: crashed at the end" in path.read_text()
    lines = [json.loads(line) for line in said.partition("Traceback")[0].splitlines()]
    numbers = [line["number"] for line in lines]
    assert numbers == list(range(numbers[0], 400)), "none is lost but the oldest"


def test_processes_that_share_a_file_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "shared.log"
    said = run_children(path, *(("logs", who, 300) for who in "abc"))
    assert size(path) <= (KEPT + 1) * (LIMIT + 300) + 3 * 1000
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert all(line["event"] == "child.line" for line in lines), "no line is torn"
    for who in "abc":
        numbers = [line["number"] for line in lines if line["who"] == who]
        assert numbers == sorted(set(numbers))


def test_output_that_passes_the_logs_by_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "raw.log"
    said = run_children(path, ("prints", "a", 500))
    assert said.splitlines()[-1].startswith("raw 499 of a")
    assert size(path) <= (KEPT + 1) * (LIMIT + 300)


def test_children_of_a_child_print_into_the_same_files(tmp_path: Path) -> None:
    path = tmp_path / "family.log"
    said = run_children(path, ("starts", "a", 25))
    assert len(files(path)) == KEPT + 1
    assert size(path) <= (KEPT + 1) * (LIMIT + 600)
    assert [f"grandchild {n} " in said for n in range(20, 25)] == [True] * 5


def test_the_settings_say_how_large_and_how_many(tmp_path: Path) -> None:
    for limit, kept in ((4096, 1), (8192, 3)):
        path = tmp_path / f"{limit}.log"
        with log_file(LogSettings(file_bytes=limit, files_kept=kept), path) as log:
            for _ in range(2000):
                log.write("x" * 63 + "\n")
        assert {one.stat().st_size for one in files(path)[:-1]} == {limit}
        assert len(files(path)) == kept + 1


def test_a_variable_that_someone_set_takes_nobodys_output_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.log"
    path.write_text("")
    monkeypatch.setenv(LOG_VARIABLE, str(path))
    assert own_output(most_bytes=LIMIT, kept=KEPT) is None
    monkeypatch.delenv(LOG_VARIABLE)
    assert own_output(most_bytes=LIMIT, kept=KEPT) is None


def test_a_log_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with RotatingFile(path, most_bytes=LIMIT, kept=KEPT) as log:
        log.write("one\n")
        path.unlink()
        log.write("two\n")
    assert path.read_text() == "two\n"


def test_the_daemons_of_a_desk_keep_their_logs_small(tmp_path: Path) -> None:
    """A real child of the desk, started as `sereno up` starts it, with a limit that its start exceeds."""
    words = (
        f"state_dir={tmp_path}",
        "sim.port=0",
        f"log.file_bytes={LIMIT}",
        "log.files_kept=1",
        "log.level=DEBUG",
    )
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "sim.log").write_text("x" * (LIMIT + 1))
    launch = Launch(tuple(f"--set={word}" for word in words), logs)
    child = launch.start("sim", "sim", "--standing")
    until(lambda: "sim.ready" in (logs / "sim.log").read_text(), what="the simulator's word")
    end_children((child,))
    assert aside(logs / "sim.log", 1).read_text().startswith("x" * LIMIT)
    assert "x" * 10 not in (logs / "sim.log").read_text()


def test_a_closed_log_never_writes_into_what_took_its_descriptor(tmp_path: Path) -> None:
    """A number that is free is given to the next file that is opened: the ledger, perhaps."""
    log = RotatingFile(tmp_path / "a.log", most_bytes=LIMIT, kept=KEPT)
    log.close()
    with (tmp_path / "other").open("wb") as other:
        for late in (lambda: log.write("late\n"), log.turn):
            with pytest.raises(ValueError, match="closed"):
                late()
        other.flush()
    assert (tmp_path / "other").read_bytes() == b""
    log.close()


def test_nothing_of_ours_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with RotatingFile(tmp_path / "a.log", most_bytes=10, kept=1) as log:
            for _ in range(5):
                log.write("0123456789\n")
    assert len(os.listdir("/proc/self/fd")) == before


FULL = f"""
import sys, structlog
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from sereno.core.settings import LogSettings
from sereno.ops.logs import Redactor, configure_logs, lines_lost, log_file
configure_logs(LogSettings(), Redactor([]), stream=log_file(LogSettings(), Path("/dev/full")))
log = structlog.get_logger("child")
for number in range(7):
    log.info("child.line", number=number)
print(lines_lost())
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_lines_that_a_full_disk_cannot_take_are_counted_and_flood_nobody() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("7\n", "")


SPEAKERS = {
    "a job that another process runs": ("run", "collector"),
    "a job without a simulator": ("run", "signals"),
    "settings that are refused": ("--set=venue.nme=x", "run", "collector"),
    "an inference that cannot be": ("infer",),
}


@pytest.mark.parametrize("words", SPEAKERS.values(), ids=SPEAKERS.keys())
def test_every_line_of_a_childs_log_is_an_event(words: tuple[str, ...], tmp_path: Path) -> None:
    """What a person would read on a terminal is for programs here."""
    settings = settings_of(tmp_path, mode="sim")
    ledger = open_desk_ledger(settings)
    assert Lease(ledger, lease_name(settings.mode, "collector"), ttl_s=60).take()
    child = Launch((f"--set=state_dir={tmp_path}",), tmp_path / "logs").start("child", *words)
    assert child.wait(PATIENCE_S) != 0
    lines = (tmp_path / "logs" / "child.log").read_text().splitlines()
    assert lines
    assert all(json.loads(line)["event"] for line in lines)
    ledger.close()
