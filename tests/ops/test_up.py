"""Parts of `sereno up` that the whole-desk test does not reach."""

from __future__ import annotations

import itertools
import json
import socket
from contextlib import nullcontext
from pathlib import Path

import pytest

from sereno.core.clock import FixedClock
from sereno.core.errors import FixConfig
from sereno.core.timeframe import DAY_MS, HOUR_MS, MINUTE_MS
from sereno.ops.address import SIM_ADDRESS
from sereno.ops.app import open_desk_ledger
from sereno.ops.console import PlainConsole
from sereno.ops.first_pass import steps_of
from sereno.ops.scheduler import Scheduler
from sereno.ops.simulator_child import living_simulator
from sereno.ops.snapshot import take_snapshot
from sereno.ops.up import _Training, _try_address
from sereno.store.ledger.runs import RunStatus
from tests.ops.running import settings_of
from tests.ops.test_scheduler import Bench
from tests.surfaces.seeded import NOW_MS, _run, seeded_desk


def test_training_is_left_out_when_there_are_models() -> None:
    def names(*, trained: bool) -> list[str]:
        return [job.name for job, _ in steps_of(trained=trained)]

    assert names(trained=False) == ["collector", "features", "train", "signals", "positions"]
    assert "train" not in names(trained=True)


def test_a_desk_without_models_trains_as_soon_as_there_are_candles(tmp_path: Path) -> None:
    """The venue was away at the first start: the desk need not wait for Sunday."""
    settings = settings_of(tmp_path)
    ledger = open_desk_ledger(settings)
    bench = Bench(clock=FixedClock(NOW_MS))
    bench.scheduler.prime({})
    training = _Training(settings, ledger, bench.scheduler)
    with ledger.begin() as tx:
        _run(tx, "collector", NOW_MS - 9_000, RunStatus.ERROR)
        _run(tx, "train", NOW_MS - 8_000, RunStatus.ERROR)
    training.start_when_possible()
    assert not bench.starts_of("train")
    with ledger.begin() as tx:
        _run(tx, "collector", NOW_MS - 5_000, RunStatus.SUCCESS)
    training.start_when_possible()
    assert not bench.starts_of("train"), "once a minute is enough"
    training.look_at = 0.0
    training.start_when_possible()
    assert len(bench.starts_of("train")) == 1
    ledger.close()


def test_models_that_cannot_be_trained_do_not_keep_the_desk_training(tmp_path: Path) -> None:
    """Candles come each quarter of an hour; a series without models is tried four times a day."""
    monday_ms = NOW_MS + 2 * DAY_MS
    settings = settings_of(tmp_path)
    ledger = open_desk_ledger(settings)
    bench = Bench(clock=FixedClock(monday_ms))
    bench.scheduler.prime({})
    training = _Training(settings, ledger, bench.scheduler)
    for cycle in range(1, 97):
        now = monday_ms + cycle * 15 * MINUTE_MS
        bench.clock.advance(15 * MINUTE_MS)
        before = bench.starts_of("train")
        with ledger.begin() as tx:
            _run(tx, "collector", now - 1000, RunStatus.SUCCESS)
        training.look_at = 0.0
        training.start_when_possible()
        if bench.starts_of("train") != before:
            with ledger.begin() as tx:
                _run(tx, "train", now, RunStatus.SUCCESS if cycle % 2 else RunStatus.ERROR)
        bench.scheduler.tick()
    ledger.close()
    assert len(bench.starts_of("train")) == 4
    assert all(b - a >= 6 * HOUR_MS for a, b in itertools.pairwise(bench.starts_of("train")))


def test_a_simulator_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    """Its holder cannot be judged by its name; nobody listens at its address."""
    path = tmp_path / SIM_ADDRESS
    assert living_simulator(path) == ""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        path.write_text(json.dumps({"url": url, "holder": "elsewhere:1:2"}))
        assert living_simulator(path) == "", "bound, but nobody listens"


@pytest.mark.parametrize("somebody_sits_there", [True, False])
def test_a_taken_address_ends_a_start_by_hand_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], somebody_sits_there: bool
) -> None:
    """A page that cannot be served must not leave open positions without their stops after a reboot."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = settings_of(tmp_path, api={"port": taken.getsockname()[1]})
        refuses = pytest.raises(FixConfig, match="port_in_use") if somebody_sits_there else nullcontext()
        with refuses:
            _try_address(settings, PlainConsole(settings), somebody_sits_there=somebody_sits_there)
    assert ("no API: api.port_in_use" in capsys.readouterr().out) is not somebody_sits_there


def test_the_live_table_draws_everything(tmp_path: Path) -> None:
    from rich.console import Console

    from sereno.ops.table import draw

    with seeded_desk(tmp_path) as desk:
        bench = Bench(clock=FixedClock(NOW_MS))
        bench.scheduler.prime({})
        snapshot = take_snapshot(desk.settings, desk.ledger, desk.clock, bench.scheduler)
    console = Console(width=160, record=True, file=(tmp_path / "out").open("w"))
    console.print(draw(snapshot))
    told = console.export_text()
    console.file.close()
    for word in (
        "equity 9,998.75",
        "collector",
        "alive",
        "it broke",
        "LONG",
        "open position",
        "2024-06-01 12:00 UTC",
        "12:15",
    ):
        assert word in told, word
    assert "open positions 1, closed 1" in snapshot.line()


@pytest.mark.parametrize("name", ["signals", "dashboard"])
def test_daemons_are_started_by_the_first_tick(name: str) -> None:
    bench = Bench()
    assert isinstance(bench.scheduler, Scheduler)
    bench.scheduler.tick()
    assert len(bench.starts_of(name)) == 1


def test_at_wall_speed_triggers_stop_before_children_end_and_threads_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel kills children with the thread that started them: that thread must end last."""
    from contextlib import ExitStack

    from sereno.ops import triggers, up

    told: list[str] = []

    class Recorder:
        def start(self) -> None:
            told.append("start")

        def pause(self) -> None:
            told.append("pause")

        def shutdown(self, *, wait: bool) -> None:
            told.append("shutdown")

    monkeypatch.setattr(triggers, "background", lambda _: Recorder())
    monkeypatch.setattr(up, "end_children", lambda _: told.append("children"))
    with ExitStack() as opened:
        up._open_triggers(Bench().scheduler, opened)
    assert told == ["start", "pause", "children", "shutdown"]
