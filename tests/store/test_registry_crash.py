"""Killed at any moment, the registry holds the old state or the new one, whole."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sereno.store.registry import Registry
from tests.store.test_model_sets import published, trained
from tests.store.test_registry import BTC, keep

WRITER = """
import itertools, sys
from pathlib import Path
from tests.store.test_registry import BTC, keep
from sereno.store.registry import Registry
registry = Registry(Path(sys.argv[1]))
print("ready", flush=True)
for number in itertools.count(int(sys.argv[2])):
    version = keep(registry, number)
    registry.use("trend", BTC, version)
    registry.prune(keep=3)
    print(version, flush=True)
"""


def check_whole(registry: Registry) -> str | None:
    """Everything that can be seen is intact; the version that serves is there."""
    for manifest in registry.all():
        artefact = registry.load("trend", BTC, manifest.version)
        assert artefact.fell_back_from is None
    current = registry.current("trend", BTC)
    if current is not None:
        artefact = registry.load("trend", BTC)
        assert (artefact.manifest.version, artefact.fell_back_from) == (current, None)
    return current


def test_a_writer_killed_at_random_moments_leaves_a_whole_registry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    chance = random.Random(7)
    written = 0
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(registry.root), str(written)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(1, 6)):
            assert writer.stdout.readline()
            written += 1
        for _ in range(chance.randrange(20_000)):
            pass
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read()
        writer.wait(timeout=60)
        writer.stdout.close()
        written += len(rest.splitlines()) + 1
        assert check_whole(registry) is not None
    newest = keep(registry, written + 1)
    registry.use("trend", BTC, newest)
    assert check_whole(registry) == newest
    assert not list(registry.root.rglob("*.draft")), "a later writer sweeps up"


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


@pytest.mark.parametrize("steps", range(1, 40))
def test_stopped_before_any_step_the_old_state_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Stop after every single step to the disk; cleaning up does not run either."""
    registry = Registry(tmp_path / "registry")
    old = keep(registry, 0)
    registry.use("trend", BTC, old)
    left = steps

    def counted(real: object) -> object:
        def step(*words: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed
            return real(*words, **named)  # type: ignore[operator]

        return step

    with monkeypatch.context() as patched:
        for owner, name in (
            (Path, "mkdir"),
            (Path, "open"),
            (Path, "chmod"),
            (Path, "rename"),
            (Path, "replace"),
            (os, "fsync"),
        ):
            patched.setattr(owner, name, counted(getattr(owner, name)))
        patched.setattr("sereno.store.shelf._discard", lambda _path: None)
        patched.setattr(Path, "unlink", lambda _path, missing_ok: None)  # the dead do not tidy up
        try:
            new = keep(registry, 1)
            registry.use("trend", BTC, new)
        except Killed:
            pass
    assert len(registry.all()) in (1, 2)
    assert check_whole(registry) in {old, registry.all()[-1].version}
    again = keep(registry, 1)
    registry.use("trend", BTC, again)
    assert check_whole(registry) == again
    assert not list(registry.root.rglob("*.draft"))


CHILD = """
import os, sys
from pathlib import Path
from tests.store.test_model_sets import BTC, trained
from sereno.store.registry import Registry
left = int(sys.argv[2])
def counted(real):
    def step(*words, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return real(*words, **named)
    return step
for owner, name in ((Path, "mkdir"), (Path, "open"), (Path, "write_bytes"), (Path, "rename"),
                    (Path, "replace"), (os, "fsync")):
    setattr(owner, name, counted(getattr(owner, name)))
registry = Registry(Path(sys.argv[1]))
registry.publish(BTC, trained(registry, 1))
print("done", flush=True)
"""


@pytest.mark.parametrize("steps", [20, 50, 56, 61, 99])
def test_a_training_that_dies_at_any_step_leaves_one_whole_set(tmp_path: Path, steps: int) -> None:
    """The process ends at once between two writes: all roles are of one training, or of the other."""
    registry = Registry(tmp_path / "registry")
    (old,) = published(registry, 0)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(registry.root), str(steps)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.returncode, child.stdout) in ((9, ""), (0, "done\n")), child.stderr
    new = trained(registry, 1)
    assert registry.served(BTC) in (old, new)
    assert child.returncode == 9 or registry.served(BTC) == new
    for role in old:
        assert registry.load(role, BTC).fell_back_from is None
    assert registry.publish(BTC, new).versions == new
    assert not list(registry.root.rglob("*.draft"))


@pytest.mark.parametrize("steps", [*range(1, 44, 6), *range(44, 68)])
def test_a_fault_between_any_two_writes_leaves_one_whole_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    registry = Registry(tmp_path / "registry")
    (old,) = published(registry, 0)
    left = steps

    def counted(real: object) -> object:
        def step(*words: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed
            return real(*words, **named)  # type: ignore[operator]

        return step

    with monkeypatch.context() as patched:
        for owner, name in (
            (Path, "mkdir"),
            (Path, "open"),
            (Path, "write_bytes"),
            (Path, "rename"),
            (Path, "replace"),
            (Path, "unlink"),
            (os, "fsync"),
        ):
            patched.setattr(owner, name, counted(getattr(owner, name)))
        patched.setattr("sereno.store.shelf._discard", lambda _path: None)
        patched.setattr(Path, "unlink", lambda _path, missing_ok: None)  # the dead do not tidy up
        with contextlib.suppress(Killed):
            registry.publish(BTC, trained(registry, 1))
    new = trained(registry, 1)
    assert registry.served(BTC) in (old, new)
    assert registry.publish(BTC, new).versions == new
