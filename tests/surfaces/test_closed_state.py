"""A state that this user may not write, or not even enter: named with its owner, and read where it may be read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.surfaces.seeded import seeded_desk

LOOKS = (
    ("signals",),
    ("positions",),
    ("jobs", "list"),
    ("risk", "show"),
    ("models", "list"),
    ("status",),
    ("config", "check"),
)
WORKS = (
    ("up", "--once"),
    ("run", "collector"),
    ("backtest",),
    ("train",),
    ("infer",),
    ("risk", "block", "holiday"),
    ("models", "rollback"),
    ("db", "upgrade"),
)
SCRIPT = """
import contextlib, io, json, sys
from sereno.surfaces.cli.main import main
for words in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as ended:
            code = ended.code or 0
    print(json.dumps([" ".join(words), code, out.getvalue(), err.getvalue()]))
"""
POWERS = "-dac_override,-dac_read_search"


def as_anyone() -> tuple[str, ...]:
    """Words before a command that take root's power over other people's files away."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to step down with")
    return ("setpriv", f"--bounding-set={POWERS}", f"--inh-caps={POWERS}")


def answers(state: Path, *commands: tuple[str, ...]) -> Iterator[tuple[str, int, str, str]]:
    """Each command with its exit code, what it said and what it complained of."""
    done = subprocess.run(
        [*as_anyone(), sys.executable, "-c", SCRIPT, json.dumps(commands)],
        cwd=state.parent if os.access(state.parent, os.X_OK) else "/",
        env={**os.environ, "SERENO_STATE_DIR": str(state), "SERENO_MODE": "paper"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    for line in done.stdout.splitlines():
        told, code, out, err = json.loads(line)
        yield told, code, out, err


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A seeded state whose folders take no writes."""
    state = tmp_path / "state"
    with seeded_desk(state):
        pass
    paths = [state, *state.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield state
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_who_may_only_read_is_told_all_that_is_there(read_only: Path) -> None:
    told = {words: (code, out, err) for words, code, out, err in answers(read_only, *LOOKS)}
    assert {words: code for words, (code, _, _) in told.items() if words != "status"} == {
        " ".join(words): 0 for words in LOOKS if words != ("status",)
    }, told
    assert "LONG" in told["signals"][1]
    assert "open" in told["positions"][1]
    assert "success" in told["jobs list"][1]
    status = told["status"][1]
    assert "ledger\tok" in status
    assert "lake\tok" in status
    assert f"this user may only read {read_only}" in status


def test_a_journal_that_a_writer_keeps_open_is_read_too(tmp_path: Path) -> None:
    """A desk of another user runs just now."""
    state = tmp_path / "state"
    with seeded_desk(state) as desk:
        with desk.ledger.begin() as tx:
            tx.exec_driver_sql("UPDATE signals SET reason = 'just written'")
        assert (state / "ledger.sqlite3-wal").stat().st_size > 0
        state.chmod(0o555)
        for file in state.glob("ledger.sqlite3*"):
            file.chmod(0o444)
        try:
            ((_, code, out, err),) = answers(state, ("signals",))
        finally:
            state.chmod(0o755)
            for file in state.glob("ledger.sqlite3*"):
                file.chmod(0o644)
    assert code == 0, err
    assert "just written" in out


def test_who_may_only_read_is_refused_work_before_it_begins(read_only: Path) -> None:
    for words, code, out, err in answers(read_only, *WORKS):
        assert code == 2, (words, err)
        assert err.startswith(f"sereno: state.unusable (path={read_only}, owner="), words
        assert f"write in {read_only}" in err
        assert len(err.splitlines()) == 1
        assert not out, words


def test_one_folder_that_somebody_else_made_is_named(tmp_path: Path) -> None:
    """As after one run as root."""
    (tmp_path / "state" / "lake").mkdir(parents=True)
    (tmp_path / "state" / "lake").chmod(0o555)
    ((_, code, _, err),) = answers(tmp_path / "state", ("run", "collector"))
    assert code == 2
    assert f"path={tmp_path / 'state' / 'lake'}" in err


@pytest.mark.parametrize("kind", ["hidden", "file", "proc"])
def test_a_state_that_cannot_be_made_is_named_by_every_command(tmp_path: Path, kind: str) -> None:
    hidden, file = tmp_path / "hidden", tmp_path / "file"
    hidden.mkdir(mode=0o500)
    file.write_text("")
    state = {"hidden": hidden / "state", "file": file, "proc": Path("/proc/none")}[kind]
    looks = [words for words in LOOKS if words != ("config", "check")]
    for words, code, _, err in answers(state, *looks, *WORKS):
        assert code == 2, (words, err)
        assert err.startswith(f"sereno: state.unusable (path={state}, owner="), words
        assert "state_dir (SERENO_STATE_DIR)" in err
        assert ("is no folder" in err) == (kind == "file")


def test_a_link_to_what_is_not_there_is_named_with_where_it_points(tmp_path: Path) -> None:
    link = tmp_path / "disk"
    link.symlink_to(tmp_path / "unmounted")
    for state in (link, link / "state"):
        ((_, code, _, err),) = answers(state, ("status",))
        assert code == 2
        assert f"{link} points to {tmp_path / 'unmounted'}, which is not there: mount it or make it" in err
        assert "File exists" not in err


def test_a_ledger_that_is_not_there_is_no_ledger_to_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o555)
    ((_, code, _, err),) = answers(state, ("signals",))
    assert code == 2
    assert f"ledger.none (path={state / 'ledger.sqlite3'})" in err
