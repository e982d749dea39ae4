"""`kill -9` in the middle of any job of the table: what it leaves is whole, and the next run goes well."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sereno.core.errors import FixConfig
from sereno.core.settings import Settings
from sereno.core.timeframe import HOUR_MS
from sereno.models.contract import Role
from sereno.ops.address import api_address, sim_address
from sereno.ops.app import Desk
from sereno.ops.invariants import INVARIANTS
from sereno.ops.jobs import JOBS, SIGNAL_ROUND, Job, find_job
from sereno.store.ledger import runs, signals
from sereno.store.ledger.runs import JobRun, RunStatus
from tests.ops import desk_process
from tests.ops.deadly_moments import counted, environment
from tests.ops.running import until

GIVEN = {
    **desk_process.SMALL,
    **desk_process.EAGER,
    "venue.instruments": "BTC/USDT",
    "api.port": "0",
    "models.rounds": "10",
}
WITHOUT_WORD = "its process ended without a word"
EXHAUSTIVE = 12
OF_AN_HOUR = ("collector", "signals", "positions")  # those to whom a closed candle brings work


@dataclass(slots=True)
class World:
    """A desk on a simulator whose clock stands until it is asked to move."""

    folder: Path
    settings: Settings
    moments: dict[tuple[str, str], int] = field(default_factory=dict)

    def start(self, *words: str, at: str = "") -> subprocess.Popen[bytes]:
        """`sereno …`, which counts its moments or dies at one."""
        given = {"state_dir": str(self.folder / "state"), **GIVEN}
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "sereno", *(f"--set={k}={v}" for k, v in given.items()), *words],
                cwd=self.folder,
                env=environment(self.folder, at),
                stdout=said,
                stderr=said,
            )

    def said(self) -> str:
        """The end of what all of them said."""
        return (self.folder / "said").read_text(errors="replace")[-3000:]

    def run_well(self, name: str) -> None:
        """One run that must go well."""
        assert self.ended(name) == 0, self.said()

    def ended(self, name: str, at: str = "") -> int:
        """Exit status of one run; a daemon is asked to end as soon as it has done its work."""
        process = self.start("run", name, at=at)
        try:
            if find_job(name, JOBS).is_daemon:
                before = len(self.records(SIGNAL_ROUND))
                until(
                    lambda: process.poll() is not None or self._has_worked(name, before),
                    what=f"the work of {name}",
                    patience_s=60,
                )
                process.send_signal(signal.SIGTERM)
            return process.wait(90)
        finally:
            process.kill()
            process.wait()

    def _has_worked(self, name: str, passes: int) -> bool:
        if name == "signals":
            made = self.records(SIGNAL_ROUND)
            return len(made) > passes and made[0].status is not RunStatus.RUNNING
        return bool(api_address(self.settings.paths)) and self._is_reached()

    def _is_reached(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"{api_address(self.settings.paths)}/api/v1/jobs", timeout=5
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def hour_passes(self) -> None:
        """Another candle closes."""
        body = json.dumps({"by_ms": HOUR_MS}).encode()
        with urllib.request.urlopen(
            f"{sim_address(self.settings.paths)}/sim/step", body, timeout=10
        ) as answer:
            assert answer.status == 200

    def records(self, job: str) -> list[JobRun]:
        """Its runs, newest first."""
        with Desk(self.settings) as desk, desk.ledger.read() as tx:
            return runs.latest(tx, job, 1000)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every job of the table has run once, so that each finds what the others made; moments are counted."""
    folder = tmp_path_factory.mktemp("killed")
    made = World(folder, desk_process.settings_of(folder, GIVEN))
    simulator = made.start("sim", "--standing")
    try:

        def told() -> bool:
            assert simulator.poll() is None, made.said()
            try:
                return bool(sim_address(made.settings.paths))
            except FixConfig:
                return False

        until(told, what="the simulator's address", patience_s=60)
        for job in JOBS:
            made.run_well(job.name)
        made.moments.update(counted(folder))
        yield made
    finally:
        simulator.kill()
        simulator.wait()


def killed(world: World, job: Job, role: str, at: int) -> JobRun | None:
    """Kill a run at that moment; its record, if it lived to make one.

    A run may have fewer moments than the first had, which found no ledger: then an earlier one is taken.
    """
    while True:
        known = {run.run_id for run in world.records(job.name)}
        status = world.ended(job.name, f"{job.name} {role} {at}")
        if status == -signal.SIGKILL:
            break
        assert (status, at > 1) == (0, True), f"it was not killed at {role} {at}\n{world.said()}"
        at //= 2
    new = [run for run in world.records(job.name) if run.run_id not in known]
    assert len(new) <= 1
    return new[0] if new else None


def check_all_is_whole(world: World) -> None:
    """Lake, registry, files and ledger, as any later run would find them."""
    with Desk(world.settings) as desk:
        stored = desk.lake.series()
        assert {series.instrument.symbol for series in stored} == {"BTC/USDT"}
        assert [desk.lake.verify(series) for series in stored] == [()] * len(stored)
        for series in desk.series:
            roles = [str(role) for role in Role]
            assert set(desk.registry.load_served(series, roles)) == set(roles)
            for manifest in desk.registry.all():
                desk.registry.load(manifest.role, series, manifest.version)
        index = json.loads((desk.paths.signals / "signal.json").read_text())
        for row in index["signals"]:
            json.loads((desk.paths.signals / row["file"]).read_text())
        with desk.ledger.read() as tx:
            since = min(made.ts for made in signals.recent(tx, None, 1000)) - 1
        broken = {name: faults for name, holds in INVARIANTS if (faults := holds(desk, since))}
        assert broken == {}


def survives(world: World, job: Job, role: str, at: int) -> None:
    """One kill, the next run, and all that must hold after it."""
    if job.name in OF_AN_HOUR:
        world.hour_passes()
    if job.name == "positions":
        world.run_well("collector")
    left = killed(world, job, role, at)
    world.run_well(job.name)
    if left is not None and left.status is RunStatus.RUNNING:
        after = next(run for run in world.records(job.name) if run.run_id == left.run_id)
        assert (after.status, after.error) == (RunStatus.ABANDONED, WITHOUT_WORD)
    assert world.records(job.name)[0].status is RunStatus.SUCCESS
    if job.name in OF_AN_HOUR and job.name != "signals":
        world.run_well("signals")
    check_all_is_whole(world)


def some_moments(world: World, job: Job, count: int) -> list[tuple[str, int]]:
    """Chosen by chance, the same each time; a moment while it works before any other."""
    chance = random.Random(f"kill {job.name}")
    roles = ["keeps"] if job.is_daemon else ["works", "keeps"]
    chosen = []
    for number in range(count):
        role = roles[number % len(roles)]
        chosen.append((role, chance.randint(1, world.moments[job.name, role])))
    return chosen


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_that_is_killed_leaves_everything_whole(world: World, job: Job) -> None:
    ((role, at),) = some_moments(world, job, 1)
    survives(world, job, role, at)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, EXHAUSTIVE))
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_job_that_is_killed_at_many_moments(world: World, job: Job, number: int) -> None:
    survives(world, job, *some_moments(world, job, EXHAUSTIVE)[number])


def test_the_kills_met_jobs_at_work(world: World) -> None:
    """Else what stands above would prove nothing: runs were left without an end, and files half done."""
    for job in JOBS:
        assert world.moments[job.name, "keeps"] >= 3, "lease, record, its end"
    for name in ("collector", "features", "train", "positions", "walkforward"):
        assert world.moments[name, "works"] >= 1, name
    job = find_job("features", JOBS)
    left = killed(world, job, "works", world.moments[job.name, "works"])
    assert left is not None
    assert left.status is RunStatus.RUNNING
    with Desk(world.settings) as desk:
        faults = dict(INVARIANTS)["every run has an end"](desk, 0)
    assert faults == [f"{left.run_id} has no end"]
    world.run_well("anomaly")
    check_all_is_whole(world)
