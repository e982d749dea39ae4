"""Whether a holder still lives, told without the wall clock, and never guessed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sereno.ops import process
from sereno.ops.process import Life, holder_name, is_dead, life_of
from tests.ops.running import until


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the ids of this machine, to be changed."""
    (tmp_path / "boot_id").write_text("11111111-aaaa\n")
    (tmp_path / "machine-id").write_text("m1\n")
    monkeypatch.setattr(process, "BOOT_ID", tmp_path / "boot_id")
    monkeypatch.setattr(process, "MACHINE_ID", tmp_path / "machine-id")
    return tmp_path


def test_this_process_lives() -> None:
    assert not is_dead(holder_name())
    host, boot, pid, start = holder_name().split(":")
    assert host
    assert boot
    assert (int(pid), int(start) > 0) == (os.getpid(), True)


def test_a_clock_that_is_set_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    name = holder_name()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 0.0)
    assert holder_name() == name
    assert not is_dead(name)


def test_zombies_and_ended_processes_are_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = holder_name(child.pid)
    assert not is_dead(name)
    child.kill()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, what="the zombie")
    assert is_dead(name)
    child.communicate()
    assert is_dead(name)


def test_a_number_that_is_used_again_is_another_process() -> None:
    host, boot, pid, start = holder_name().split(":")
    assert is_dead(f"{host}:{boot}:{pid}:{int(start) + 1}")


def test_a_restarted_machine_has_no_old_processes(machine: Path) -> None:
    name = holder_name()
    (machine / "boot_id").write_text("22222222-bbbb\n")
    assert is_dead(name)


def test_without_a_machine_id_a_restart_cannot_be_told(machine: Path) -> None:
    (machine / "machine-id").unlink()
    name = holder_name()
    assert not is_dead(name)
    (machine / "boot_id").write_text("22222222-bbbb\n")
    assert not is_dead(name)


def test_another_machine_of_the_same_name_is_not_judged(machine: Path) -> None:
    name = holder_name()
    (machine / "machine-id").write_text("m2\n")
    (machine / "boot_id").write_text("22222222-bbbb\n")
    assert not is_dead(name)


@pytest.mark.parametrize(
    "holder", ["", "x", "elsewhere:1:2:3", "{host}:4:5", "{host}:b:x:5", "{host}:b:1:2:3"]
)
def test_what_is_not_understood_is_not_dead(holder: str) -> None:
    assert not is_dead(holder.format(host=holder_name().partition(":")[0]))


def test_without_proc_the_start_is_told_by_the_system(machine: Path) -> None:
    (machine / "boot_id").unlink()
    name = holder_name()
    host, boot, pid, start = name.split(":")
    assert boot == "-"
    assert not is_dead(name)
    assert is_dead(f"{host}:{boot}:{pid}:{int(start) + 100}")


def test_a_name_of_the_former_release_is_understood_but_nobody_is_taken_for_dead(machine: Path) -> None:
    """It did not say in which namespace: the process may live where it is not seen."""
    host, boot, pid, start = holder_name().split(":")
    former = host.rpartition("~")[0]
    assert life_of(f"{former}:{boot}:{pid}:{start}") is Life.LIVES
    assert life_of(f"{former}:{boot}:{pid}:{int(start) + 1}") is Life.UNKNOWN
    (machine / "boot_id").write_text("22222222-bbbb\n")
    assert life_of(f"{former}:{boot}:{pid}:{start}") is Life.GONE


def test_where_others_are_hidden_nobody_is_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, boot, pid, start = holder_name().split(":")
    monkeypatch.setattr(process, "FIRST_PROCESS", tmp_path / "hidden")
    assert life_of(holder_name()) is Life.LIVES
    assert life_of(f"{host}:{boot}:{pid}:{int(start) + 1}") is Life.UNKNOWN


NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode,
    reason="no namespace of its own is allowed here",
)
def test_a_process_in_another_namespace_is_not_judged() -> None:
    """Two containers on one machine: the same host, the same boot, and numbers of their own."""
    name_itself = "from sereno.ops.process import holder_name; print(holder_name(), flush=True); input()"
    with subprocess.Popen(
        [*NAMESPACE, sys.executable, "-c", name_itself],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as inside:
        assert inside.stdout is not None
        name = inside.stdout.readline().strip()
        lives = life_of(name)
        inside.communicate("\n")
    assert name.partition("~")[0] == holder_name().partition("~")[0]
    assert lives is Life.UNKNOWN
    assert life_of(name) is Life.UNKNOWN
