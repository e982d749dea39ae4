"""The simulator as a child that hangs: `sereno up` sees from outside that it does not answer."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sereno.core.clock import SimClock
from sereno.core.errors import FixConfig, TryLater
from sereno.core.mode import Mode
from sereno.core.settings import Settings
from sereno.core.timeframe import DAY_MS
from sereno.ops import simulator_child
from sereno.ops.app import open_desk_ledger
from sereno.ops.launch import Launch, kill_tree
from sereno.ops.simulate import world_clock, world_of
from sereno.ops.simulator_child import MOST_SILENT_LOOKS, SimulatorChild
from sereno.store.ledger import runs
from sereno.store.ledger.runs import RunStatus
from tests.store.test_ledger_records import RUN


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorChild]:
    for name, value in {"PAUSE_S": 0.0, "LOOK_ANSWER_S": 0.2, "ANSWER_S": 0.2}.items():
        monkeypatch.setattr(simulator_child, name, value)
    settings = Settings.model_validate({"state_dir": tmp_path, "sim": {"port": 0}})
    words = ("--set", f"state_dir={tmp_path}", "--set", "sim.port=0")
    child = SimulatorChild.start(settings, Launch(words, settings.paths.logs))
    assert child is not None
    try:
        child.wait_until_ready(lambda: False)
        yield child
    finally:
        kill_tree(child.child)


def test_one_that_is_stopped_is_asked_again_and_replaced_after_a_bound(simulator: SimulatorChild) -> None:
    simulator.speed = 720.0
    first = simulator.child
    os.kill(first.pid, signal.SIGSTOP)
    for _ in range(MOST_SILENT_LOOKS - 1):
        with pytest.raises(TryLater, match=r"sim\.silent"):
            simulator.keep()
    assert simulator.child is first
    with capture_logs() as told, pytest.MonkeyPatch.context() as patched:
        patched.setattr(simulator_child, "ANSWER_S", 10.0)
        simulator.keep()
    assert [line["event"] for line in told] == ["sim.hung", "sim.ended"]
    assert first.poll() == -signal.SIGKILL
    assert simulator.child.poll() is None
    with capture_logs() as told:
        simulator.keep()
    assert told == [], "the new one answers, and its time goes"


def test_one_that_is_silent_for_a_while_is_kept(simulator: SimulatorChild) -> None:
    first = simulator.child
    for _ in range(2):
        os.kill(first.pid, signal.SIGSTOP)
        for _ in range(MOST_SILENT_LOOKS - 1):
            simulator.keep()
        os.kill(first.pid, signal.SIGCONT)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(simulator_child, "LOOK_ANSWER_S", 10.0)
            simulator.keep()
    assert simulator.child is first


def test_one_that_finds_a_damaged_clock_file_goes_on_behind_what_the_desk_recorded(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path})
    world = world_of(settings)
    began_ms = world_clock(settings, world, speed=0.0).now_ms()
    settings.paths.clock_file.parent.mkdir(parents=True, exist_ok=True)
    settings.paths.clock_file.write_text("")
    assert world_clock(settings, world, speed=0.0).now_ms() == began_ms, "nothing was recorded"
    ended_ms = began_ms + DAY_MS
    ledger = open_desk_ledger(settings)
    with ledger.begin() as tx:
        runs.start(tx, replace(RUN, mode=Mode.SIM, started_ms=ended_ms - 1000))
        runs.finish(tx, RUN.run_id, RunStatus.SUCCESS, ended_ms)
    ledger.close()
    settings.paths.clock_file.write_text("")
    with pytest.raises(FixConfig, match=r"clock\.damaged"):
        SimClock(settings.paths.clock_file).now_ms()
    with capture_logs() as told:
        assert world_clock(settings, world, speed=0.0).now_ms() == ended_ms
    assert [line["event"] for line in told] == ["sim.clock_mended"]
    assert SimClock(settings.paths.clock_file).now_ms() == ended_ms


def refused(folder: Path, **sim: object) -> FixConfig:
    """What a desk says whose simulator refuses its settings."""
    settings = Settings.model_validate({"state_dir": folder, "sim": sim})
    words = (f"--set=state_dir={folder}", *(f"--set=sim.{key}={value}" for key, value in sim.items()))
    child = SimulatorChild.start(settings, Launch(words, settings.paths.logs))
    assert child is not None
    with pytest.raises(FixConfig) as refusal:
        child.wait_until_ready(lambda: False)
    return refusal.value


def test_one_that_refuses_its_settings_speaks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    error = refused(tmp_path / "state", port=0, candles_dir=tmp_path / "empty")
    assert error.event == "sim.no_candles"
    assert str(tmp_path / "empty") in str(error)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = refused(tmp_path / "state", port=port)
    assert str(error).startswith(f"sim.port_in_use (address=127.0.0.1:{port}): another simulator")


def test_one_that_ends_without_a_word_of_ours_may_be_tried_again(tmp_path: Path) -> None:
    settings = Settings.model_validate({"state_dir": tmp_path, "sim": {"port": 0}})
    child = SimulatorChild.start(settings, Launch((f"--set=state_dir={tmp_path}",), settings.paths.logs))
    assert child is not None
    kill_tree(child.child)
    with pytest.raises(TryLater, match=r"sim\.not_started \(exit_code=-9\)"):
        child.wait_until_ready(lambda: False)
