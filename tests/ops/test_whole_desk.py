"""The whole desk: real simulator, real ccxt, real processes; small settings so that it takes seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from sereno.core.settings import Settings
from sereno.ops.app import open_desk_ledger
from sereno.ops.process import is_dead
from sereno.store.ledger import runs, signals
from sereno.store.ledger.runs import RunStatus
from tests.ops.no_pickle import environment, unpickled, watched
from tests.ops.running import until

SMALL = {
    "sim.port": "0",
    "api.port": "0",
    "candles.depth_days": "100",
    "candles.depth_days_below_1h": "10",
    "models.trials": "0",
    "models.rounds": "12",
    "models.min_rows": "150",
}
WORDS = tuple(word for key, value in SMALL.items() for word in ("--set", f"{key}={value}"))


def settings_of(folder: Path) -> Settings:
    tree: dict[str, object] = {"state_dir": folder / "state"}
    for key, value in SMALL.items():
        section, name = key.split(".")
        tree.setdefault(section, {})[name] = value  # type: ignore[index]
    return Settings.model_validate(tree)


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "sereno", "--set", f"state_dir={folder / 'state'}", *WORDS, *words]


def sereno(folder: Path, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *words),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `sereno up --once` has been run."""
    folder = tmp_path_factory.mktemp("desk")
    done = sereno(folder, "up", "--once")
    logs = "\n".join(
        f"{p.name}: {p.read_text()[-1500:]}"
        for p in folder.glob("state/sim/*/logs/*.log")
        if p.stat().st_size
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{logs}"
    return folder


def records(folder: Path) -> dict[str, list[RunStatus]]:
    ledger = open_desk_ledger(settings_of(folder))
    with ledger.read() as tx:
        found = runs.latest(tx, None, 1000)
    ledger.close()
    by_job: dict[str, list[RunStatus]] = {}
    for run in found:
        by_job.setdefault(run.job, []).append(run.status)
    return by_job


def test_trap_b12_1_one_pass_goes_the_whole_way(world: Path) -> None:
    done = records(world)
    for job in ("collector", "features", "train", "signals-pass", "positions"):
        assert done[job] == [RunStatus.SUCCESS], job
    paths = settings_of(world).paths
    index = json.loads((paths.signals / "signal.json").read_text())
    assert {row["symbol"] for row in index["signals"]} == {"BTC/USDT", "ETH/USDT"}
    for row in index["signals"]:
        signal_file = json.loads((paths.signals / row["file"]).read_text())
        assert signal_file["reason"]
        assert signal_file["decision"] in {"LONG", "SHORT", "NO_TRADE"}
    assert (paths.reports / "train-report.html").stat().st_size > 10_000
    assert list(paths.exports.glob("risk_state_*.json"))
    assert not (paths.run / "sim_address.json").exists()


def test_trap_a12_16_b12_18_c12_12_nothing_is_unpickled_in_any_process(world: Path) -> None:
    """By the whole pass, and by what it leaves out; the hook itself is held to account in test_no_pickle.py."""
    for words in (("backtest", "--folds", "2"), ("run", "walkforward"), ("run", "anomaly")):
        done = sereno(world, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    told = "\n".join(watched(world))
    for name in ("sim", "collector", "features", "train", "infer", "positions", "walkforward", "anomaly"):
        assert f" {name} " in told, f"the hook must have been in the process of {name}"
    assert unpickled(world) == []


def test_a_signal_can_be_explained_and_replayed_to_the_bit(world: Path) -> None:
    ledger = open_desk_ledger(settings_of(world))
    with ledger.read() as tx:
        made = signals.recent(tx)
    ledger.close()
    for signal_made in made:
        again = sereno(world, "replay", signal_made.signal_id)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "the same bits" in again.stdout
    told = sereno(world, "explain", made[0].signal_id)
    assert told.returncode == 0, told.stderr
    assert made[0].regime.value in told.stdout
    assert made[0].signal_id in told.stdout


def address(folder: Path, name: str) -> tuple[str, int] | None:
    """URL and process of the simulator or the API, once it has told them and lives."""
    path = settings_of(folder).paths.run / name
    try:
        told = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    if is_dead(told["holder"]):
        return None
    return str(told["url"]), int(told["holder"].split(":")[2])


def health(folder: Path) -> bool:
    found = address(folder, "api_address.json")
    if found is None:
        return False
    try:
        with urllib.request.urlopen(f"{found[0]}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def newest_signal_ms(folder: Path) -> int:
    ledger = open_desk_ledger(settings_of(folder))
    with ledger.read() as tx:
        newest = signals.recent(tx, None, 1)
    ledger.close()
    return newest[0].ts


def daemon_pid(folder: Path, name: str) -> int:
    from sereno.ops.lease import lease_name
    from sereno.store.ledger import leases

    settings = settings_of(folder)
    ledger = open_desk_ledger(settings)
    with ledger.read() as tx:
        holder = leases.holder(tx, lease_name(settings.mode, name))
    ledger.close()
    return int(str(holder).split(":")[2])


def test_the_desk_survives_the_death_of_each_of_its_processes(world: Path) -> None:
    """kill -9 of simulator, API, signals daemon and of the desk itself; signals go on after each."""
    with (world / "up.out").open("w") as out:
        desk = subprocess.Popen(
            command(world, "up", "--no-table"), cwd=world, env=environment(world), stdout=out, stderr=out
        )
        try:
            until(lambda: health(world), what="a healthy desk", patience_s=60)
            second = sereno(world, "up", "--once")
            assert (second.returncode, "desk.runs_already" in second.stderr) == (75, True), second.stderr
            for name in ("sim_address.json", "api_address.json"):
                found = address(world, name)
                assert found is not None
                os.kill(found[1], signal.SIGKILL)
            os.kill(daemon_pid(world, "signals"), signal.SIGKILL)
            seen = newest_signal_ms(world)
            until(lambda: health(world), what="a desk that is well again", patience_s=60)
            until(lambda: newest_signal_ms(world) > seen, what="a new signal", patience_s=60)
            children = [daemon_pid(world, "signals"), daemon_pid(world, "dashboard")]
        finally:
            desk.kill()
            desk.wait()
        from tests.ops.running import is_gone

        for child in children:
            until(partial(is_gone, child), what="the end of the orphans")
    again = sereno(world, "up", "--once")
    assert again.returncode == 0, again.stdout + again.stderr
    done = records(world)
    assert done["train"] == [RunStatus.SUCCESS], "models are there: nothing is trained again"
    assert RunStatus.RUNNING not in {s for statuses in done.values() for s in statuses}
    assert done["dashboard"].count(RunStatus.ABANDONED) == 2, "killed once alone and once with the desk"
    assert done["signals"].count(RunStatus.ABANDONED) == 2


LOCK = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
"""


def test_a_lock_longer_than_a_lease_halts_the_desk_and_its_end_brings_it_back(world: Path) -> None:
    """A backup or an open database browser; nobody may decide meanwhile, and nobody need help after."""
    eager = ("--set", "jobs.lease_s=5", "--set", "ledger.busy_timeout_s=0.5")
    told = world / "up3.out"
    with told.open("w") as out:
        desk = subprocess.Popen(
            command(world, *eager, "up", "--no-table"),
            cwd=world,
            env=environment(world),
            stdout=out,
            stderr=out,
        )
        try:
            until(lambda: health(world), what="a healthy desk", patience_s=60)
            before = daemon_pid(world, "signals")
            file = settings_of(world).paths.ledger_file
            locked = subprocess.run([sys.executable, "-c", LOCK, str(file), "7.5"], check=True, timeout=60)
            assert locked.returncode == 0
            until(lambda: "the desk goes on" in told.read_text(), what="its return", patience_s=60)
            until(lambda: health(world), what="a desk that is well again", patience_s=60)
            assert desk.poll() is None
            assert daemon_pid(world, "signals") != before
            ledger = open_desk_ledger(settings_of(world))
            with ledger.read() as tx:
                assert [r.run_id for r in runs.running(tx) if is_dead(str(r.holder))] == []
            ledger.close()
            assert "the lease could not be renewed" in told.read_text()
        finally:
            desk.send_signal(signal.SIGINT)
            assert desk.wait(30) == 0


def test_the_desk_ends_cleanly_when_asked(world: Path) -> None:
    with (world / "up2.out").open("w") as out:
        desk = subprocess.Popen(
            command(world, "up", "--no-table"), cwd=world, env=environment(world), stdout=out, stderr=out
        )
        until(lambda: health(world), what="a healthy desk", patience_s=60)
        second = sereno(world, "run", "dashboard")
        assert second.returncode == 75
        assert "job.held" in second.stderr
        desk.send_signal(signal.SIGINT)
        assert desk.wait(30) == 0
    assert address(world, "api_address.json") is None
    assert address(world, "sim_address.json") is None


def test_simulated_hours_run_as_fast_as_the_machine_can(world: Path) -> None:
    done = sereno(world, "up", "--for", "3h", "--speed", "max")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all well" in done.stdout
    assert "BROKEN" not in done.stdout
    assert "3.0 simulated hours" in done.stdout
    assert (settings_of(world).paths.reports / "soak.html").stat().st_size > 1000
    assert unpickled(world) == []
